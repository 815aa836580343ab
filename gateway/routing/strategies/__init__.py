"""The orders in which a split's children are tried. One file per strategy, one row per strategy.

A strategy is a pure choice over (split, moment) plus, where it learns, what it does after a child succeeded or
failed. It returns every child exactly once: none but `when` decides that something is not to be tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split
from gateway.routing.strategies import (
    cheapest,
    consistent,
    fastest,
    largest_context,
    least_busy,
    least_used,
    priority,
    random,
    round_robin,
    score,
    weighted,
    when,
)


def _nothing(split: Split, moment: Moment, child: Node) -> None:
    """A strategy that does not learn."""


class Strategy(msgspec.Struct, frozen=True):
    """`order` gives the children in the order to try; the others are told what became of one."""

    order: Callable[[Split, Moment], list[Node]]
    succeeded: Callable[[Split, Moment, Node], None] = _nothing
    failed: Callable[[Split, Moment, Node], None] = _nothing


STRATEGIES: Final[dict[str, Strategy]] = {
    "priority": Strategy(priority.order),
    "weighted": Strategy(weighted.order),
    "round_robin": Strategy(round_robin.order, round_robin.succeeded, round_robin.failed),
    "least_busy": Strategy(least_busy.order),
    "random": Strategy(random.order),
    "least_used": Strategy(least_used.order),
    "fastest": Strategy(fastest.order),
    "cheapest": Strategy(cheapest.order),
    "largest_context": Strategy(largest_context.order),
    "consistent": Strategy(consistent.order),
    "score": Strategy(score.order),
    "when": Strategy(when.order),
}
