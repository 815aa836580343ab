"""Which target next: one generator over a compiled node, told of each outcome, deciding nothing but order.

`walk` yields a target and is sent the `Failure` that came of it, or None for an answer. It never awaits; whoever runs
it does the work between. A target that failed once in this request is not tried again through another path.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

from gateway.failure import Failure, Falls
from gateway.routing.moment import Moment, Skipped
from gateway.routing.node import Chain, Node, Split, Target
from gateway.routing.strategies import STRATEGIES

Walk: TypeAlias = Generator[Target, Failure | None, Failure | None]


def goes_on(failure: Failure) -> bool:
    """Whether a combo may try its next target after this, without a fallback rule that says so."""
    return failure.rule.falls in (Falls.YES, Falls.LARGER_WINDOW, Falls.IF_SUPPORTED)


def walk(node: Node, moment: Moment, chosen: bool = False) -> Walk:
    """Yields targets; returns None once one has answered, else the last failure (None also when all were skipped)."""
    if isinstance(node, Target):
        why = moment.objection(node, chosen)
        if why is not None:
            moment.skipped.append(Skipped(node.name, why))
            return moment.last
        failure = yield node
        if failure is not None:
            moment.learn(node, failure)
        return failure
    if isinstance(node, Split):
        return (yield from _split(node, moment, chosen))
    return (yield from _chain(node, moment, chosen))


def _split(split: Split, moment: Moment, chosen: bool) -> Walk:
    strategy = STRATEGIES[split.strategy]
    failure: Failure | None = None
    for child in strategy.order(split, moment):
        failure = yield from walk(child, moment, chosen)
        if failure is None:
            strategy.succeeded(split, moment, child)
            return None
        strategy.failed(split, moment, child)
        if not goes_on(failure):
            return failure
    return failure


def _chain(chain: Chain, moment: Moment, chosen: bool) -> Walk:
    failure = yield from walk(chain.primary, moment, chosen)
    for rule in chain.rules:
        if failure is None:
            return None
        if failure.kind not in rule.on:
            continue
        for node in rule.to:
            failure = yield from walk(node, moment, True)
            if failure is None:
                return None
            if failure.kind not in rule.on and not goes_on(failure):
                return failure
    return failure
