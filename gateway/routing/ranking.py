"""The order that a request's hints ask for: named providers first, slow ones later, then by price or latency.

It is over the order that the strategy gave, which equals keep. A child that is a combo stands where its best target
does. A price that nobody knows comes last. A latency that nobody knows comes first, for one request at a time that
finds it out: else whoever was measured first would be the fastest for ever. Fallbacks stay behind what they are
fallbacks of.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.hints import ROUTER, Hints, plain
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Target, leaves


def ranked(hints: Hints, children: list[Node], moment: Moment) -> list[Node]:
    """The children, reordered."""
    found = sorted(children, key=lambda child: min(_rank(hints, leaf, moment) for leaf in leaves(child)))
    return signals.chosen(found, moment) if hints.sort == "latency" else found


def _rank(hints: Hints, leaf: Target, moment: Moment) -> tuple[int, bool, float]:
    place = len(hints.order)
    name = plain(leaf.provider)
    if name in hints.order:
        place = hints.order.index(name)
    elif hints.others and ROUTER in leaf.dialect.quirks:
        place = 0
    seconds = signals.latency(leaf, moment)
    slow = hints.slow is not None and seconds is not None and seconds > hints.slow
    value: float | None = 0.0
    if hints.sort == "price":
        value = signals.price(leaf, moment)
    elif hints.sort == "latency":
        value = signals.pace(leaf, moment)
    return place, slow, float("inf") if value is None else value
