"""Diagnostics as GitHub workflow commands: they appear on the lines of a pull request.

Source: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

from gateway.diagnostics.diagnostic import Diagnostics, Severity


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def render(found: Diagnostics) -> str:
    """One command a line."""
    lines = []
    for diagnostic in (each for each in found if each.accepted is None):
        fields = [f"title={_property(f'{diagnostic.summary} ({diagnostic.code})')}"]
        span = diagnostic.span
        if span is not None:
            fields = [
                f"file={_property(span.path)}",
                f"line={span.line}",
                f"col={span.column}",
                f"endLine={span.end_line}",
                f"endColumn={span.end_column}",
                *fields,
            ]
        message = diagnostic.detail + (f"\n{diagnostic.suggestion}" if diagnostic.suggestion is not None else "")
        command = "notice" if diagnostic.severity is Severity.INFO else diagnostic.severity
        lines.append(f"::{command} {','.join(fields)}::{_data(message)}\n")
    return "".join(lines)
