"""The policies of one caller. Where they look only at who asks, from where and when, they decide the same each time: it
is decided once, and known from then on.

What decides is found in the policies themselves (`_deciding`). One that looks into the body or at headers, or that
edits the request, has all of the caller's policies asked anew for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

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
MARKS: Final = (Deny, Tag, Cap, Mirror, NoCache)  # actions that neither edit a request nor lead it elsewhere
_LEAVE_THE_BODY: Final = (*MARKS, Reroute)


# What the policies made of a request, None where none of them held; its tags, and who held; the bounds of its targets
# and of everything that is done for it. A plain tuple, since it is taken apart for every request.
_Outcome: TypeAlias = tuple[Ruling | None, tuple[str, ...], Sequence[str], Constraints | None, Caps | None]


class Rulebook:
    """See the module. `caps`: the caller's bounds, which policies may tighten.

    `apply` does as `policies.apply`, for a request that is in no bounds yet: it gets the caller's. Whether anything can
    be known is decided here, and not for each request."""

    __slots__ = ("_caps", "_deciding", "_known", "_policies", "_timed", "apply")

    def __init__(self, policies: tuple[Policy, ...], caps: Caps | None = None) -> None:
        self._policies = policies
        self._caps = caps
        asked = _deciding(policies)
        self._timed = asked is not None and _MINUTE in asked
        self._deciding = attrgetter(_TAGS, *sorted((asked or set()) - {_MINUTE, _TAGS}))
        self._known: dict[Any, _Outcome] = {}
        self.apply: Callable[[Job], Ruling | None] = self._anew if asked is None else self._as_known

    def _as_known(self, job: Job) -> Ruling | None:
        facts = job.facts
        name = self._deciding(job)
        if self._timed:
            name = name, facts.wall // 60
        known = self._known.get(name)
        if known is None:
            return self._learnt(name, job)
        ruling, facts.tags, facts.policies, job.constraints, job.caps = known
        return ruling

    def _anew(self, job: Job) -> Ruling | None:
        job.caps = self._caps
        return apply(self._policies, job)

    def _learnt(self, name: Any, job: Job) -> Ruling | None:
        ruling, facts = self._anew(job), job.facts
        if len(self._known) >= KEPT:
            self._known.clear()
        applied = ruling.applied if ruling is not None else ()
        self._known[name] = (ruling, facts.tags, applied, job.constraints, job.caps)
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
