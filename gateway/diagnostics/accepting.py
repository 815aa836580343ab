"""Findings that somebody looked at and accepted, where they stand: `# accept: CODE (why)` on the line or the one above.

    fallbacks:
      fast: [tiny]  # accept: fallback-cannot-carry (long prompts are refused by the clients already)

Warnings and infos can be accepted, each with a reason in parentheses, and errors with which a file can be served all
the same (grading.py). An acceptance that meets nothing is a finding itself, so that none outlives its cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity, diagnose
from gateway.diagnostics.grading import DEMOTABLE
from gateway.diagnostics.source import Source, Span
from gateway.diagnostics.suggest import closest

_COMMENT: Final = re.compile(
    r"(?:^|(?<=\s))#\s*accept:\s*(?P<codes>[^()#]*?)\s*"
    r"(?:\((?P<why>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*(?:#.*)?$"
)


class _Acceptance(msgspec.Struct, frozen=True):
    """`lines` are those whose findings it accepts."""

    code: str
    why: str
    lines: tuple[int, ...]
    span: Span


def accepted(found: Diagnostics, sources: Mapping[str, Source]) -> Diagnostics:
    """The findings, those that comments accept marked so, and what is wrong with the comments."""
    if not any(source.mentions("# accept:") or source.mentions("#accept:") for source in sources.values()):
        return found
    out: list[Diagnostic] = []
    acceptances: list[_Acceptance] = []
    for source in sources.values():
        for each in _comments(source):
            if isinstance(each, Diagnostic):
                out.append(each)
            else:
                acceptances.append(each)
    met: set[_Acceptance] = set()
    for diagnostic in found:
        acceptance = next((each for each in acceptances if _meets(each, diagnostic)), None)
        if acceptance is not None:
            met.add(acceptance)
            diagnostic = msgspec.structs.replace(diagnostic, accepted=acceptance.why)
        out.append(diagnostic)
    for acceptance in acceptances:
        if acceptance not in met:
            detail = f"Nothing here is found to be {acceptance.code!r} any more. Remove the comment."
            out.append(diagnose("inert-accept", detail, acceptance.span))
    return Diagnostics(out)


def _meets(acceptance: _Acceptance, diagnostic: Diagnostic) -> bool:
    span = diagnostic.span
    return (
        span is not None
        and (diagnostic.severity is not Severity.ERROR or diagnostic.code in DEMOTABLE)
        and diagnostic.code == acceptance.code
        and span.path == acceptance.span.path
        and span.line in acceptance.lines
    )


def _comments(source: Source) -> Iterator[_Acceptance | Diagnostic]:
    for number, line in source.numbered():
        match = _COMMENT.search(line)
        if match is None:
            continue
        span = Span(source.path, number, match.start() + 1, number, match.end() + 1)
        alone = not line[: match.start()].strip()
        lines = (number + 1,) if alone else (number,)
        why = (match["why"] or "").strip()
        codes = [code for code in re.split(r"[,\s]+", match["codes"]) if code]
        if not codes or not why:
            yield diagnose("bad-accept", "Write `# accept: CODE (why it is all right)`.", span)
            continue
        for code in codes:
            if code not in CODES:
                near = closest(code, CODES)
                help_ = f"did you mean {near!r}?" if near else None
                yield diagnose("bad-accept", f"There is no finding called {code!r}.", span, suggestion=help_)
            elif CODES[code][1] == Severity.ERROR and code not in DEMOTABLE:
                detail = f"{code!r} is an error: a file with it cannot be served, so there is nothing to accept."
                yield diagnose("bad-accept", detail, span)
            else:
                yield _Acceptance(code, why, lines, span)
