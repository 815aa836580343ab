"""The policies of one caller. Where they look only at who asks, from where and when, they decide the same each time: it
is decided once, and known from then on.

What decides is found in the policies themselves (`_deciding`). One that looks into the body or at headers, or that
edits the request, has all of the caller's policies asked anew for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final

import msgspec

from gateway.routing import conditions as tests
from gateway.routing.constraints import Caps, Constraints
from gateway.routing.facts import Facts
from gateway.routing.policies import Policy, apply
from gateway.routing.policies.marking import Cap, NoCache, Reroute, Tag
from gateway.routing.policies.refusing import Deny
from gateway.routing.policies.ruling import Mirror, Ruling
from gateway.routing.sending import Job

KEPT: Final = 1024  # outcomes that are known of a caller
_MINUTE: Final = "minute"  # what `hours` look at, and no fact
_LEAVE_THE_BODY: Final = (Deny, Reroute, Tag, Cap, Mirror, NoCache)


class _Outcome(msgspec.Struct, frozen=True):
    """What the policies made of a request. `held` is False where none of them held."""

    held: bool
    tags: tuple[str, ...]
    constraints: Constraints | None
    caps: Caps | None
    applied: tuple[str, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    route: str | None = None
    no_cache: bool = False

    def again(self, job: Job) -> Ruling | None:
        """The same for another request."""
        if not self.held:
            return None
        ruling = Ruling(job)
        job.facts.tags = self.tags
        job.facts.policies = ruling.applied = [*self.applied]
        job.constraints, job.caps = self.constraints, self.caps
        ruling.mirrors, ruling.route, ruling.no_cache = [*self.mirrors], self.route, self.no_cache
        return ruling


class Rulebook:
    """See the module."""

    __slots__ = ("_deciding", "_known", "_policies", "_timed")

    def __init__(self, policies: tuple[Policy, ...]) -> None:
        self._policies = policies
        facts = _deciding(policies)
        self._timed = facts is not None and _MINUTE in facts
        self._deciding: Callable[[Facts], Any] | None = None
        if facts is not None:
            self._deciding = attrgetter("tags", *sorted(facts - {_MINUTE, "tags"}))
        self._known: dict[tuple[Any, bool, float], _Outcome] = {}

    def apply(self, job: Job) -> Ruling | None:
        """As `policies.apply`."""
        facts, deciding = job.facts, self._deciding
        if deciding is None or job.constraints is not None:
            return apply(self._policies, job)
        name = (deciding(facts), job.head.stream, facts.wall // 60 if self._timed else 0.0)
        known = self._known.get(name)
        if known is not None:
            return known.again(job)
        ruling = apply(self._policies, job)
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[name] = _outcome(ruling, job)
        return ruling


def _outcome(ruling: Ruling | None, job: Job) -> _Outcome:
    if ruling is None:
        return _Outcome(False, (), None, None)
    return _Outcome(
        True,
        job.facts.tags,
        job.constraints,
        job.caps,
        applied=tuple(ruling.applied),
        mirrors=tuple(ruling.mirrors),
        route=ruling.route,
        no_cache=ruling.no_cache,
    )


def _deciding(policies: tuple[Policy, ...]) -> set[str] | None:
    """The facts that decide what comes of a request; None where more does."""
    found: set[str] = set()
    for policy in policies:
        if not all(isinstance(action, _LEAVE_THE_BODY) for action in policy.actions):
            return None
        for fact in _asked(policy.when):
            if fact is None:
                return None
            found.add(fact)
    return found


def _asked(condition: tests.Condition) -> Iterator[str | None]:
    """The facts that a condition asks for; None is something else."""
    for test in condition.tests:
        match test:
            case tests.Named():
                yield test.fact
            case tests.Streamed() | tests.Tagged():
                yield "tags"  # they are known of every request, and whether it is streamed is
            case tests.From():
                yield "client_ip"
            case tests.During():
                yield _MINUTE
            case tests.Unless():
                yield from _asked(test.condition)
            case tests.Either() | tests.Every():
                for each in test.conditions:
                    yield from _asked(each)
            case _:
                yield None
