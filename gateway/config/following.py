"""Which findings only follow from others, and are not said: one slip, one finding.

- What stands at a place whose text itself is wrong (a letter, a template, a missing space, a tag) is not judged as a value.
- A provider or model that nothing uses may be used by what was misspelt: it is said once the errors are mended.
- A policy that matches nothing since it names what there is not is only said to name that.
- A secret that is written out is said to be one, whatever else is wrong with its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity
from gateway.diagnostics.source import Span

_TEXT: Final = frozenset(("odd-character", "template-left", "missing-space", "unknown-tag"))
_LATER: Final = frozenset(("inert-provider", "inert-model"))


def settled(found: Diagnostics) -> Diagnostics:
    """The findings without those that follow from others."""
    every = list(found)
    if not any(each.severity is Severity.ERROR for each in every):
        return found
    secrets = [each.span for each in every if each.code == "secret-literal"]
    texts = [
        each.span for each in every if each.code in _TEXT and not (each.code in _YIELDING and each.span in secrets)
    ]
    wrong = {_policy(each) for each in every if each.severity is Severity.ERROR}
    return Diagnostics(
        each
        for each in every
        if not _follows(each, texts, secrets) and not (each.code == "dead-policy" and _policy(each) in wrong)
    )


def _policy(each: Diagnostic) -> str:
    """The policy that a finding is about, as `policies.0`."""
    return ".".join(each.path.split(".")[:2])


_YIELDING: Final = frozenset(("template-left", "unknown-tag"))


def _follows(each: Diagnostic, texts: Iterable[Span | None], secrets: Iterable[Span | None]) -> bool:
    if each.code in _LATER:
        return each.accepted is None
    if each.span is None:
        return False
    if each.code in _YIELDING and each.span in secrets:
        return True
    return each.code not in _TEXT and each.code != "secret-literal" and any(_within(each.span, text) for text in texts)


def _within(inner: Span, outer: Span | None) -> bool:
    """Whether one span begins where the other does, or inside of it, or holds it as its whole value."""
    if outer is None or inner.path != outer.path:
        return False
    starts = (outer.line, outer.column) <= (inner.line, inner.column) < (outer.end_line, outer.end_column)
    return starts or (inner.line == outer.line == inner.end_line and inner.column <= outer.column < inner.end_column)
