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
from gateway.routing.policies import Policy, apply
from gateway.routing.policies.marking import Cap, NoCache, Reroute, Tag
from gateway.routing.policies.refusing import Deny
from gateway.routing.policies.ruling import Mirror, Ruling
from gateway.routing.sending import Job

KEPT: Final = 1024  # outcomes that are known of a caller
_TAGS: Final = "facts.tags"
_MINUTE: Final = "minute"  # what `hours` look at, and nothing that a job has
_LEAVE_THE_BODY: Final = (Deny, Reroute, Tag, Cap, Mirror, NoCache)


class _Outcome(msgspec.Struct, frozen=True):
    """What the policies made of a request, and of its tags and bounds; `ruling` is None where none of them held."""

    ruling: Ruling | None
    tags: tuple[str, ...]
    constraints: Constraints | None
    caps: Caps | None


class Rulebook:
    """See the module."""

    __slots__ = ("_deciding", "_known", "_policies", "_timed")

    def __init__(self, policies: tuple[Policy, ...]) -> None:
        self._policies = policies
        asked = _deciding(policies)
        self._timed = asked is not None and _MINUTE in asked
        self._deciding: Callable[[Job], Any] | None = None
        if asked is not None:
            self._deciding = attrgetter(_TAGS, *sorted(asked - {_MINUTE, _TAGS}))
        self._known: dict[Any, _Outcome] = {}

    def apply(self, job: Job) -> Ruling | None:
        """As `policies.apply`."""
        deciding = self._deciding
        if deciding is None or job.constraints is not None:
            return apply(self._policies, job)
        facts, name = job.facts, deciding(job)
        if self._timed:
            name = name, facts.wall // 60
        known = self._known.get(name)
        if known is None:
            return self._learnt(name, job)
        ruling = known.ruling
        if ruling is not None:
            facts.tags, facts.policies = known.tags, ruling.applied
            job.constraints, job.caps = known.constraints, known.caps
        return ruling

    def _learnt(self, name: Any, job: Job) -> Ruling | None:
        ruling = apply(self._policies, job)
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[name] = _Outcome(ruling, job.facts.tags, job.constraints, job.caps)
        return ruling


def _deciding(policies: tuple[Policy, ...]) -> set[str] | None:
    """What decides what comes of a request, as attributes of a job; None where more does."""
    found: set[str] = set()
    for policy in policies:
        if not all(isinstance(action, _LEAVE_THE_BODY) for action in policy.actions):
            return None
        for asked in _asked(policy.when):
            if asked is None:
                return None
            found.add(asked)
    return found


def _asked(condition: tests.Condition) -> Iterator[str | None]:
    """What a condition asks for, as attributes of a job; None is something else."""
    for test in condition.tests:
        match test:
            case tests.Named():
                yield f"facts.{test.fact}"
            case tests.Streamed():
                yield "head.stream"
            case tests.Tagged():
                yield _TAGS
            case tests.From():
                yield "facts.client_ip"
            case tests.During():
                yield _MINUTE
            case tests.Unless():
                yield from _asked(test.condition)
            case tests.Either() | tests.Every():
                for each in test.conditions:
                    yield from _asked(each)
            case _:
                yield None
