"""One guardrail as data, and where its findings go."""

from __future__ import annotations

import msgspec

from gateway import regex
from gateway.events import Emit, Flagged
from gateway.failure import BLOCKED, Failed, Failure, Kind
from gateway.routing.facts import Facts


class Guard(msgspec.Struct, frozen=True):
    """`pattern` in RE2's words; `do` is reject, redact or flag; `instead` stands, literally, where it redacts."""

    name: str
    pattern: str
    do: str
    instead: str

    @property
    def compiled(self) -> regex.Pattern:
        """The pattern."""
        return regex.compiled(self.pattern)


class Verdicts:
    """Findings in one request or its answer. `on` is request or response."""

    __slots__ = ("_emit", "_facts", "_on")

    def __init__(self, facts: Facts, on: str, emit: Emit) -> None:
        self._facts = facts
        self._on = on
        self._emit = emit

    def flag(self, guard: Guard) -> None:
        """Tags the request and tells of it, once."""
        if guard.name not in self._facts.tags:
            self._facts.tags = (*self._facts.tags, guard.name)
            self._emit(Flagged(self._facts.request_id, guard.name, self._on))

    def blocked(self, guard: Guard) -> Failed:
        """The end of an answer that may not pass."""
        message = f"The guardrail {guard.name!r} does not let this answer pass."
        return Failed(Failure(kind=Kind.CONTENT_FILTER, message=message, status=400, code=BLOCKED))
