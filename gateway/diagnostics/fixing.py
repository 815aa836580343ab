"""Applies fixes to a text. What is not in a fix stays as it is: comments, spaces, the ends of lines.

The fixes of one finding are applied together or not at all; a finding whose fixes touch what an earlier one has changed
is left out, to be found again in the changed text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.diagnostics.diagnostic import Fix

_LINE: Final = re.compile(r"\r\n|\r|\n")


def applied(text: str, findings: Iterable[Sequence[Fix]]) -> str:
    """The text with the fixes of these findings, all of which are about it. Spans beyond the text are left out."""
    starts = [0, *(match.end() for match in _LINE.finditer(text))]
    edits: list[tuple[int, int, str]] = []
    for fixes in findings:
        new = [_edit(text, starts, fix) for fix in fixes]
        if all(each is not None for each in new):
            wanted = [each for each in new if each is not None and each not in edits]
            if not any(_touch(each, other) for each in wanted for other in edits):
                edits += wanted
    for start, end, insert in sorted(edits, reverse=True):
        text = text[:start] + insert + text[end:]
    return text


def _edit(text: str, starts: Sequence[int], fix: Fix) -> tuple[int, int, str] | None:
    span = fix.span
    if not (1 <= span.line <= len(starts) and 1 <= span.end_line <= len(starts)):
        return None
    start, end = starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1
    return (start, end, fix.text) if start <= end <= len(text) else None


def _touch(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return (one[0] < other[1] and other[0] < one[1]) or one[0] == other[0]
