"""`priority`: the children as they are written."""

from __future__ import annotations

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """As written."""
    return [branch.node for branch in split.branches]
