"""`score`: the highest weighted sum first; equals in random order, last who is being tried. The same state gives the
same scores.

Each part is between 0 and 1, the sum is divided by the sum of the weights:

- `health`: 1 where a credential is ready, or has rested and may be probed by this request; 0 where all rest or are
  probed by others.
- `latency`: 1 − its peak-EWMA ÷ the slowest child's. The slowest has 0.
- `cost`: 1 − its estimated cost of this request ÷ the dearest child's, as `cheapest` estimates. A price that nobody
  knows is 0; where nothing costs anything, 1.
- `headroom`: the share that is left of its limits in the file and of its provider's quota, by what the provider said
  in the last minute, whichever is less; 1 where nothing limits it.
- `stability`: 1 ÷ (1 + the standard deviation of its latency ÷ its mean); 1 with fewer than two measurements.

One that was not measured for five minutes has 1 in both, for one request that finds out; 0 for the others until then.
So who failed or was slow has no less than it ever had once its rest is over and its measurements are that old: whoever
was first is tried first again by then. Its breaker bounds the rest.

A child that is a combo answers as routing/signals.py says.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split, Weights


def order(split: Split, moment: Moment) -> list[Node]:
    """By score, highest first."""
    children = [branch.node for branch in split.branches]
    weights = split.ordering.weights
    paces = [signals.pace(child, moment) for child in children]
    scored = [
        ((-round(score, 9), pace == signals.TRIED, moment.random.random()), child)
        for score, pace, child in zip(_scores(children, paces, weights, moment), paces, children, strict=True)
    ]
    scored.sort(key=lambda item: item[0])
    ranked = [child for _, child in scored]
    return signals.chosen(ranked, moment) if signals.UNTRIED in paces else ranked


def scores(children: list[Node], weights: Weights, moment: Moment) -> list[float]:
    """One score a child, between 0 and 1. A part without weight is not looked at."""
    return _scores(children, [signals.pace(child, moment) for child in children], weights, moment)


def _scores(children: list[Node], paces: list[float], weights: Weights, moment: Moment) -> list[float]:
    totals = [0.0] * len(children)
    for weight, part in (
        (weights.health, _health),
        (weights.latency, _latency),
        (weights.cost, _cost),
        (weights.headroom, _headroom),
        (weights.stability, _stability),
    ):
        if weight:
            for at, value in enumerate(part(children, paces, moment)):
                totals[at] += weight * value
    whole = weights.health + weights.latency + weights.cost + weights.headroom + weights.stability
    return [total / whole for total in totals] if whole else totals


def _health(children: list[Node], paces: list[float], moment: Moment) -> list[float]:
    return [signals.health(child, moment) for child in children]


def _latency(children: list[Node], paces: list[float], moment: Moment) -> list[float]:
    slowest = max((pace for pace in paces if pace != signals.TRIED), default=0.0)
    return [
        0.0 if pace == signals.TRIED else 1.0 - pace / slowest if slowest else 1.0  # nothing measured: equals
        for pace in paces
    ]


def _cost(children: list[Node], paces: list[float], moment: Moment) -> list[float]:
    found = [signals.price(child, moment) for child in children]
    dearest = max((cost for cost in found if cost is not None), default=0)
    return [0.0 if cost is None else 1.0 - cost / dearest if dearest else 1.0 for cost in found]


def _headroom(children: list[Node], paces: list[float], moment: Moment) -> list[float]:
    return [1.0 if (share := signals.headroom(child, moment)) is None else share for child in children]


def _stability(children: list[Node], paces: list[float], moment: Moment) -> list[float]:
    return [
        0.0 if pace == signals.TRIED else 1.0 / (1.0 + (signals.spread(child, moment) or 0.0))  # not known: 1
        for child, pace in zip(children, paces, strict=True)
    ]
