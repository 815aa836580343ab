"""`priority`: the children as they are written."""

from __future__ import annotations

from random import Random

from gateway.routing.node import Node, Split
from gateway.routing.runtime import Runtime


def order(split: Split, runtime: Runtime, random: Random) -> list[Node]:
    """As written."""
    return [branch.node for branch in split.branches]
