"""Diagnostics for programs: one JSON document whose shape is versioned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity
from gateway.diagnostics.source import Span

VERSION: Final = 1


def render(found: Diagnostics, more: Mapping[str, Any] | None = None) -> str:
    """`{"version", "diagnostics": […], "summary": {"errors", "warnings", "infos"}}`; no place is null.

    `more` is added at the top, by whoever knows more of the files.
    """
    diagnostics = list(found)
    standing = [each for each in diagnostics if each.accepted is None]
    document = {
        "version": VERSION,
        "diagnostics": [as_dict(diagnostic) for diagnostic in diagnostics],
        "summary": {
            "errors": sum(each.severity is Severity.ERROR for each in standing),
            "warnings": sum(each.severity is Severity.WARNING for each in standing),
            "infos": sum(each.severity is Severity.INFO for each in standing),
        },
        **(more or {}),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def as_dict(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic with flat, stable field names."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "suggestion": diagnostic.suggestion,
        "accepted": diagnostic.accepted,
        "path": diagnostic.path,
        "place": _place(diagnostic.span),
        "fixes": [{"place": _place(fix.span), "text": fix.text} for fix in diagnostic.fixes],
        "related": [{"label": related.label, "place": _place(related.span)} for related in diagnostic.related],
    }


def _place(span: Span | None) -> dict[str, Any] | None:
    return None if span is None else {**msgspec.structs.asdict(span), "file": span.path}
