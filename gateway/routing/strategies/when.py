"""`when`: the targets whose condition holds, in the order of the file, then those that have none.

A target whose condition does not hold is not tried; the explanation says so.
"""

from __future__ import annotations

from gateway.routing.conditions import holds
from gateway.routing.moment import Moment, Skipped
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """Those that may be tried. Raises `Refused` (400) where a condition has to read a body that cannot be read."""
    first: list[Node] = []
    rest: list[Node] = []
    for branch in split.branches:
        if branch.when is None:
            rest.append(branch.node)
        elif holds(branch.when, moment.job):
            first.append(branch.node)
        else:
            moment.skipped.append(Skipped(branch.node.name, "its `when` does not hold for this request"))
    return first + rest
