"""`score`: the highest weighted sum first; equals in random order. The same state gives the same scores.

Each part is between 0 and 1, the sum is divided by the sum of the weights:

- `health`: 1 where a credential is ready, 0.5 where one has rested and waits for its probe, 0 where all rest.
- `latency`: 1 − its peak-EWMA ÷ the slowest child's. The slowest has 0, one that was not measured 1, to be tried.
- `cost`: 1 − its estimated cost of this request ÷ the dearest child's, as `cheapest` estimates. A price that nobody
  knows is 0; where nothing costs anything, 1.
- `headroom`: the share that is left of its limits in the file and of its provider's quota, by what the provider said
  in the last minute, whichever is less; 1 where nothing limits it.
- `stability`: 1 ÷ (1 + the standard deviation of its latency ÷ its mean); 1 with fewer than two measurements.

A child that is a combo answers as routing/signals.py says.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split, Weights


def order(split: Split, moment: Moment) -> list[Node]:
    """By score, highest first."""
    children = [branch.node for branch in split.branches]
    scored = [
        ((-round(score, 9), moment.random.random()), child)
        for score, child in zip(scores(children, split.ordering.weights, moment), children, strict=True)
    ]
    scored.sort(key=lambda item: item[0])
    return [child for _, child in scored]


def scores(children: list[Node], weights: Weights, moment: Moment) -> list[float]:
    """One score a child, between 0 and 1. A part without weight is not looked at."""
    totals = [0.0] * len(children)
    for weight, part in (
        (weights.health, _health),
        (weights.latency, _latency),
        (weights.cost, _cost),
        (weights.headroom, _headroom),
        (weights.stability, _stability),
    ):
        if weight:
            for at, value in enumerate(part(children, moment)):
                totals[at] += weight * value
    whole = weights.health + weights.latency + weights.cost + weights.headroom + weights.stability
    return [total / whole for total in totals] if whole else totals


def _health(children: list[Node], moment: Moment) -> list[float]:
    return [signals.health(child, moment) for child in children]


def _latency(children: list[Node], moment: Moment) -> list[float]:
    found = [signals.latency(child, moment) for child in children]
    slowest = max((seconds for seconds in found if seconds is not None), default=0.0)
    return [1.0 if seconds is None or not slowest else 1.0 - seconds / slowest for seconds in found]


def _cost(children: list[Node], moment: Moment) -> list[float]:
    found = [signals.price(child, moment) for child in children]
    dearest = max((cost for cost in found if cost is not None), default=0)
    return [0.0 if cost is None else 1.0 - cost / dearest if dearest else 1.0 for cost in found]


def _headroom(children: list[Node], moment: Moment) -> list[float]:
    return [1.0 if (share := signals.headroom(child, moment)) is None else share for child in children]


def _stability(children: list[Node], moment: Moment) -> list[float]:
    return [1.0 if (share := signals.spread(child, moment)) is None else 1.0 / (1.0 + share) for child in children]
