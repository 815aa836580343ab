"""Which target next: one generator over a compiled node, told of each outcome, deciding nothing but order.

`walk` yields a target, or a contest of several nodes, and is sent the `Failure` that came of it, or None for an answer.
It never awaits; whoever runs it does the work between. A target that failed once in this request is not tried again
through another path; one that may not be tried is passed over, and where nothing may be tried the outcome is `UNTRIED`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypeAlias

import msgspec

from gateway.failure import RULES, Failure, Falls, Kind
from gateway.routing import sticky
from gateway.routing.moment import Moment, Skipped
from gateway.routing.node import Chain, Fallback, Mirror, Node, Race, Split, Target
from gateway.routing.ranking import ranked
from gateway.routing.sessions import identity_of
from gateway.routing.sticky import bound
from gateway.routing.strategies import STRATEGIES


class Contest(msgspec.Struct, frozen=True):
    """Children that take part together, by the plan of their split. `chosen` as in `walk`."""

    split: Split
    children: tuple[Node, ...]
    chosen: bool


Walk: TypeAlias = Generator[Target | Contest, Failure | None, Failure | None]

# The outcome of a node of which nothing might be tried: no failure of anybody.
UNTRIED: Final = Failure(kind=Kind.NOT_FOUND, message="no target of this route may be tried", sent=False)
_BY_ITSELF: Final = frozenset(kind for kind, rule in RULES.items() if rule.falls is Falls.YES)


def goes_on(failure: Failure) -> bool:
    """Whether a combo may try its next target after this, without a fallback rule that says so."""
    return failure.rule.falls in (Falls.YES, Falls.LARGER_WINDOW, Falls.IF_SUPPORTED)


def walk(node: Node, moment: Moment, chosen: bool = False) -> Walk:
    """Returns None once there is an answer, else the last failure, `UNTRIED` where there was none.

    `chosen`: a fallback rule named the kind that led here.
    """
    if isinstance(node, Target):
        why = moment.objection(node, chosen)
        if why is not None:
            moment.skipped.append(Skipped(node.name, why))
            return UNTRIED
        failure = yield node
        if failure is not None:
            moment.learn(node, failure)
        else:
            moment.served = node
        return failure
    if isinstance(node, Split):
        if node.plan is not None and not moment.continues:
            return (yield Contest(node, tuple(branch.node for branch in node.branches), chosen))
        return (yield from _split(node, moment, chosen))
    return (yield from _chain(node, moment, chosen))


def walked(node: Node, moment: Moment, chosen: bool) -> Walk:
    """A walk that begins with who made the answer that the request goes on from, where this node still has it."""
    made = sticky.maker(node, moment) if moment.made is not None else None
    return walk(node, moment, chosen) if made is None else _from_maker(made, node, moment, chosen)


def _from_maker(made: Target, node: Node, moment: Moment, chosen: bool) -> Walk:
    failure = yield from walk(made, moment, chosen)
    if failure is None or (failure is not UNTRIED and not goes_on(failure)):
        return failure
    outcome = yield from walk(node, moment, chosen)
    return failure if outcome is UNTRIED else outcome


def _split(split: Split, moment: Moment, chosen: bool) -> Walk:
    strategy = STRATEGIES[split.strategy if split.plan is None else "priority"]
    failure = UNTRIED
    hints = moment.job.hints
    ranks = hints if hints is not None and hints.orders else None
    if ranks is None and split.sticky is not None and (identity := identity_of(moment.job, split.sticky.by)):
        now = moment.now
        bindings = moment.runtime.sticky[split.name]
        entry = bindings.entry(identity, now)
        if entry is not None and (first := bound(split, entry.value, moment)) is not None:
            outcome = yield from walk(first, moment, chosen)
            if outcome is None:
                if now < entry.due:  # nearly always, and then this is all that `bind` would do
                    entry.until = now + split.sticky.seconds
                else:
                    bindings.bind(identity, entry.value, now, split.sticky.seconds)
                return None
            if outcome is not UNTRIED:
                bindings.drop(identity)
                if not goes_on(outcome):
                    return outcome
                failure = outcome
    children = _able(split, strategy.order(split, moment))  # only now: who is bound takes no turn
    if ranks is not None:
        children = ranked(ranks, children, moment)
    for child in children:
        outcome = yield from walk(child, moment, chosen)
        if outcome is None:
            strategy.succeeded(split, moment, child)
            if split.sticky is not None:
                sticky.served(split, split.sticky, moment)
            return None
        if outcome is UNTRIED:
            continue
        failure = outcome
        strategy.failed(split, moment, child)
        if not goes_on(failure):
            return failure
    return failure


def _able(split: Split, children: list[Node]) -> list[Node]:
    """Those of a contest's children that may go on with an answer: a mirror's others only see copies, and what a panel
    or a pipeline asks its children is not what the client asked."""
    match split.plan:
        case None | Race():
            return children
        case Mirror():
            return children[:1]
    return []


def _chain(chain: Chain, moment: Moment, chosen: bool) -> Walk:
    failure = yield from walk(chain.primary, moment, chosen)
    for rule in chain.rules:
        if failure is None:
            return None
        if not _leads(rule, failure, moment):
            continue
        for node in rule.to:
            outcome = yield from walk(node, moment, failure is not UNTRIED)
            if outcome is None:
                return None
            if outcome is UNTRIED:
                continue
            failure = outcome
            if failure.kind not in rule.on and not goes_on(failure):
                return failure
    return failure


def _leads(rule: Fallback, failure: Failure, moment: Moment) -> bool:
    """Whether a rule is for this failure. What could not be tried goes where any failure that falls by itself does, and
    where the failure does that it was spared."""
    return bool(rule.on & (_BY_ITSELF | moment.passed)) if failure is UNTRIED else failure.kind in rule.on
