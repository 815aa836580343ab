"""Which target next: one generator over a compiled node, told of each outcome, deciding nothing but order.

`walk` yields a target and is sent the `Failure` that came of it, or None for an answer. It never awaits; whoever runs
it does the work between. A target that failed once in this request is not tried again through another path.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from typing import TypeAlias

import msgspec

from gateway.failure import Failure, Falls, Kind
from gateway.routing.node import Chain, Node, Split, Target
from gateway.routing.runtime import Runtime
from gateway.routing.strategies import STRATEGIES

Walk: TypeAlias = Generator[Target, Failure | None, Failure | None]


class Skipped(msgspec.Struct, frozen=True):
    """A target that was not tried, and why."""

    target: str
    why: str


class Moment:
    """What one walk remembers: what was tried, what was skipped, what the next target must be able to do."""

    __slots__ = ("larger_than", "last", "random", "refused_by", "runtime", "skipped", "tried")

    def __init__(self, runtime: Runtime, random: Random) -> None:
        self.runtime = runtime
        self.random = random
        self.tried: set[str] = set()
        self.skipped: list[Skipped] = []
        self.last: Failure | None = None
        self.larger_than: int | None = None
        self.refused_by: set[str] = set()

    def objection(self, target: Target, chosen: bool) -> str | None:
        """Why a target is not to be tried now. `chosen`: a fallback rule named the kind that led here."""
        if target.name in self.tried:
            return "already tried for this request"
        last = self.last
        if last is None:
            return None
        if last.kind is Kind.CONTEXT_WINDOW:
            if target.context is None or self.larger_than is None:
                return None if chosen else "its context window is not known to be larger"
            if target.context <= self.larger_than:
                return f"its context window ({target.context}) is not larger than {self.larger_than}"
        elif last.kind is Kind.UNSUPPORTED and not chosen and target.provider in self.refused_by:
            return f"{target.provider} refused this parameter"
        return None

    def learn(self, target: Target, failure: Failure) -> None:
        """Takes in how a target failed."""
        self.tried.add(target.name)
        self.last = failure
        if failure.kind is Kind.CONTEXT_WINDOW:
            if target.context is not None:
                self.larger_than = max(self.larger_than or 0, target.context)
        elif failure.kind is Kind.UNSUPPORTED:
            self.refused_by.add(target.provider)


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
    for child in strategy.order(split, moment.runtime, moment.random):
        failure = yield from walk(child, moment, chosen)
        if failure is None:
            strategy.succeeded(split, moment.runtime, child)
            return None
        strategy.failed(split, moment.runtime, child)
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
