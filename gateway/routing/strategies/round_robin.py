"""`round_robin`: in turn; with `hold: N` one child keeps its turn for N successes, or until it fails.

The turn belongs to the split's name, so it goes on over a reload.
"""

from __future__ import annotations

from random import Random

from gateway.routing.node import Node, Split
from gateway.routing.runtime import Runtime


def order(split: Split, runtime: Runtime, random: Random) -> list[Node]:
    """From the one whose turn it is, around."""
    cursor = runtime.cursors[split.name]
    at = cursor.at % len(split.branches)
    if not split.hold:
        cursor.at = at + 1
    turned = split.branches[at:] + split.branches[:at]
    return [branch.node for branch in turned]


def succeeded(split: Split, runtime: Runtime, child: Node) -> None:
    """Counts towards `hold`."""
    cursor = runtime.cursors[split.name]
    if split.hold and _holds(split, child, cursor.at):
        cursor.served += 1
        if cursor.served >= split.hold:
            cursor.at, cursor.served = cursor.at + 1, 0


def failed(split: Split, runtime: Runtime, child: Node) -> None:
    """A child that fails loses its turn."""
    cursor = runtime.cursors[split.name]
    if split.hold and _holds(split, child, cursor.at):
        cursor.at, cursor.served = cursor.at + 1, 0


def _holds(split: Split, child: Node, at: int) -> bool:
    return split.branches[at % len(split.branches)].node is child
