"""`round_robin`: in turn; with `hold: N` one child keeps its turn for N successes, or until it fails.

The turn belongs to the split's name, so it goes on over a reload.
"""

from __future__ import annotations

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """From the one whose turn it is, around."""
    cursor = moment.runtime.cursors[split.name]
    at = cursor.at % len(split.branches)
    if not split.hold:
        cursor.at = at + 1
    turned = split.branches[at:] + split.branches[:at]
    return [branch.node for branch in turned]


def succeeded(split: Split, moment: Moment, child: Node) -> None:
    """Counts towards `hold`."""
    cursor = moment.runtime.cursors[split.name]
    if split.hold and _holds(split, child, cursor.at):
        cursor.served += 1
        if cursor.served >= split.hold:
            cursor.at, cursor.served = cursor.at + 1, 0


def failed(split: Split, moment: Moment, child: Node) -> None:
    """A child that fails loses its turn."""
    cursor = moment.runtime.cursors[split.name]
    if split.hold and _holds(split, child, cursor.at):
        cursor.at, cursor.served = cursor.at + 1, 0


def _holds(split: Split, child: Node, at: int) -> bool:
    return split.branches[at % len(split.branches)].node is child
