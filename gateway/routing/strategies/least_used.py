"""`least_used`: fewest requests sent in `window` first, through whatever route; equals in random order.

A child that is a combo is as used as its targets together. Each worker counts what it sent itself; a new target has
been sent nothing, so it catches up.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """By requests in the window."""
    window = split.ordering.window
    keyed = [
        ((signals.used(branch.node, moment, window), moment.random.random()), branch.node) for branch in split.branches
    ]
    keyed.sort(key=lambda item: item[0])
    return [node for _, node in keyed]
