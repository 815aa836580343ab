"""Severities as the caller wants them: `-E CODE` makes findings of a code errors, `-W CODE` makes them warnings.

An error may be made a warning only where a file that has it can be served all the same: it is then about something
that has no effect, never about something that is missing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity
from gateway.diagnostics.suggest import closest

EVERYTHING: Final = "all"  # as a code: every warning
# Errors about what has no effect: the file compiles as if it were not there.
DEMOTABLE: Final = frozenset(
    ("inert-weight", "inert-option", "no-fallback-carries", "repeated-target", "self-fallback", "smaller-window")
)


def objection(code: str, *, to_warning: bool) -> str | None:
    """Why a code cannot be graded so; None where it can be."""
    if code == EVERYTHING:
        return "-W takes codes, not 'all'." if to_warning else None
    if code not in CODES:
        near = closest(code, CODES)
        return f"there is no code {code!r}{f'; did you mean {near!r}?' if near else ''}"
    if to_warning and CODES[code][1] == Severity.ERROR and code not in DEMOTABLE:
        return f"{code!r} cannot be a warning: a file with it cannot be served"
    return None


def graded(found: Diagnostics, errors: Collection[str], warnings: Collection[str]) -> Diagnostics:
    """The findings with other severities. What was accepted stays accepted."""
    if not errors and not warnings:
        return found
    return Diagnostics(_graded(diagnostic, errors, warnings) for diagnostic in found)


def _graded(diagnostic: Diagnostic, errors: Collection[str], warnings: Collection[str]) -> Diagnostic:
    if diagnostic.accepted is not None:
        return diagnostic
    severity = diagnostic.severity
    if diagnostic.code in warnings:
        severity = Severity.WARNING
    if diagnostic.code in errors or (EVERYTHING in errors and severity is Severity.WARNING):
        severity = Severity.ERROR
    return diagnostic if severity is diagnostic.severity else msgspec.structs.replace(diagnostic, severity=severity)
