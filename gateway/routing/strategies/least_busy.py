"""`least_busy`: fewest requests in flight first; equals in random order.

A child that is itself a split is as busy as the sum of its targets, without where their fallbacks lead.
"""

from __future__ import annotations

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split, leaves


def order(split: Split, moment: Moment) -> list[Node]:
    """By requests in flight through this process."""
    loads = moment.runtime.loads

    def busy(node: Node) -> tuple[int, float]:
        return sum(loads[target.lanes].count for target in leaves(node)), moment.random.random()

    keyed = [(busy(branch.node), branch.node) for branch in split.branches]
    keyed.sort(key=lambda item: item[0])
    return [node for _, node in keyed]
