"""`round_robin`: in turn; with `hold: N` one child keeps its turn for N successes, or until it fails.

With weights turns are taken as nginx does: at each turn every child gains its weight, the richest goes first and pays
the sum of all weights. So 5, 1 and 1 give a a b a c a a, never five in a row. Only those that are well take part, as
long as there is one: who rests gains nothing and comes last. Without weights all have equal turns.

The turn belongs to the split's name, so it goes on over a reload.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split
from gateway.state.pool import Cursor


def order(split: Split, moment: Moment) -> list[Node]:
    """From the one whose turn it is, around."""
    cursor = moment.runtime.cursors[split.name]
    if split.ordering.weighted:
        return _smooth(split, moment, cursor)
    at = cursor.at % len(split.branches)
    if not split.hold:
        cursor.at = at + 1
    turned = split.branches[at:] + split.branches[:at]
    return [branch.node for branch in turned]


def _smooth(split: Split, moment: Moment, cursor: Cursor) -> list[Node]:
    """Whose turn it is, the others by what they have gained."""
    credit = cursor.credit
    names = {branch.node.name for branch in split.branches}
    if credit.keys() != names:
        cursor.credit = credit = {name: credit.get(name, 0.0) for name in names}
    well = [branch for branch in split.branches if signals.health(branch.node, moment) > signals.OPEN]
    playing = {branch.node.name for branch in well or split.branches}
    if not split.hold or cursor.last not in playing:
        total = 0.0
        for branch in split.branches:
            if branch.node.name in playing:
                credit[branch.node.name] += branch.weight
                total += branch.weight
        cursor.last = max(
            (branch.node.name for branch in split.branches if branch.node.name in playing), key=credit.__getitem__
        )
        cursor.served = 0
        credit[cursor.last] -= total
    children = [branch.node for branch in split.branches]
    children.sort(key=lambda child: (child.name != cursor.last, child.name not in playing, -credit[child.name]))
    return children


def succeeded(split: Split, moment: Moment, child: Node) -> None:
    """Counts towards `hold`."""
    cursor = moment.runtime.cursors[split.name]
    if split.hold and _holds(split, child, cursor):
        cursor.served += 1
        if cursor.served >= split.hold:
            _pass_on(cursor)


def failed(split: Split, moment: Moment, child: Node) -> None:
    """A child that fails loses its turn."""
    cursor = moment.runtime.cursors[split.name]
    if split.hold and _holds(split, child, cursor):
        _pass_on(cursor)


def _pass_on(cursor: Cursor) -> None:
    cursor.at, cursor.served, cursor.last = cursor.at + 1, 0, ""


def _holds(split: Split, child: Node, cursor: Cursor) -> bool:
    if split.ordering.weighted:
        return child.name == cursor.last
    return split.branches[cursor.at % len(split.branches)].node is child
