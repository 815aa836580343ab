"""`largest_context`: the largest context window first; equals as written, unknown windows last.

A child that is a combo has the smallest window of its targets.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """By tokens, largest first."""
    children = [branch.node for branch in split.branches]
    children.sort(key=lambda child: -(signals.context(child) or 0))
    return children
