"""A diagnostic: a stable code, a constant summary, and a detail that says what, why and how to mend it.

Summaries hold no names of the user's, so that they can be searched for; details do. A span is as tight as can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from gateway.diagnostics.codes import CODES
from gateway.diagnostics.source import Span


class Severity(StrEnum):
    """An error refuses the file; a warning only where the caller asks for strictness; an info is good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Related(msgspec.Struct, frozen=True):
    """Another place that has to do with it."""

    label: str
    span: Span


class Fix(msgspec.Struct, frozen=True):
    """Text that a program may put in the place of a span, without asking: it means what the author meant."""

    span: Span
    text: str


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is the place in the configuration (`models.gpt-4o.provider`), "" for the file as a whole. `accepted`: why
    somebody accepted it; it then counts for nothing. `fixes`, all of them together, mend it."""

    code: str
    severity: Severity
    summary: str
    detail: str
    span: Span | None = None
    path: str = ""
    suggestion: str | None = None
    related: tuple[Related, ...] = ()
    accepted: str | None = None
    fixes: tuple[Fix, ...] = ()


def diagnose(
    code: str,
    detail: str,
    span: Span | None,
    path: str = "",
    suggestion: str | None = None,
    related: tuple[Related, ...] = (),
    fixes: tuple[Fix, ...] = (),
) -> Diagnostic:
    """A diagnostic of a known code; summary and severity are the code's."""
    summary, severity = CODES[code]
    return Diagnostic(
        code=code,
        severity=Severity(severity),
        summary=summary,
        detail=detail,
        span=span,
        path=path,
        suggestion=suggestion,
        related=related,
        fixes=fixes,
    )


class Diagnostics:
    """A bag of them. Iterates in the order of the files' text; the same finding at the same place counts once."""

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self._found: dict[tuple[str, Span | None, str], Diagnostic] = {}
        self.extend(found)

    def add(self, diagnostic: Diagnostic) -> None:
        """Puts one in."""
        self._found.setdefault((diagnostic.code, diagnostic.span, diagnostic.detail), diagnostic)

    def extend(self, found: Iterable[Diagnostic]) -> None:
        """Puts several in."""
        for diagnostic in found:
            self.add(diagnostic)

    def __iter__(self) -> Iterator[Diagnostic]:
        nowhere = Span("", 0, 0, 0, 0)
        return iter(sorted(self._found.values(), key=lambda d: (d.span or nowhere, d.code)))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def errors(self) -> list[Diagnostic]:
        """Those that refuse the file."""
        return [each for each in self if each.severity is Severity.ERROR and each.accepted is None]

    @property
    def has_warnings(self) -> bool:
        """Whether a strict caller refuses the file."""
        return any(
            diagnostic.severity is Severity.WARNING and diagnostic.accepted is None
            for diagnostic in self._found.values()
        )

    @property
    def has_errors(self) -> bool:
        """Whether the file is refused."""
        return any(each.severity is Severity.ERROR and each.accepted is None for each in self._found.values())
