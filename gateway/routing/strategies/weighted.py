"""`weighted`: the first is drawn by weight, the rest follow by weight, heaviest first.

A child of weight 0 is never drawn first; it is only tried after the others. Equal weights keep the file's order.
"""

from __future__ import annotations

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """One draw: P(first = child) is its share of the sum of weights."""
    branches = split.branches
    point = moment.random.random() * sum(branch.weight for branch in branches)
    first = len(branches) - 1
    for index, branch in enumerate(branches):
        point -= branch.weight
        if point < 0:
            first = index
            break
    rest = sorted(branches[:first] + branches[first + 1 :], key=lambda branch: -branch.weight)
    return [branches[first].node, *(branch.node for branch in rest)]
