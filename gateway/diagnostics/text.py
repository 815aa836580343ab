"""Diagnostics for people: the place, the line, carets under what is meant, and how to mend it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity
from gateway.diagnostics.source import Source, Span

_WIDE: Final = 100  # characters of a source line that are shown

_COLOURS: Final = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "info": "\x1b[1;34m",
    "place": "\x1b[36m",
    "help": "\x1b[32m",
}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, name: str) -> str:
        return f"{_COLOURS.get(name, _BOLD)}{text}{_PLAIN}" if self._colour else text


def render(found: Diagnostics, sources: Mapping[str, Source], *, colour: bool) -> str:
    """All of them, then a line that counts them; "" where there are none."""
    if not len(found):
        return ""
    paint = _Paint(colour)
    blocks = [_block(diagnostic, sources, paint) for diagnostic in found if diagnostic.accepted is None]
    return "\n".join((*blocks, _count(found, paint), ""))


def block(diagnostic: Diagnostic, sources: Mapping[str, Source], *, colour: bool) -> str:
    """One of them, without a count."""
    return _block(diagnostic, sources, _Paint(colour))


def _count(found: Iterable[Diagnostic], paint: _Paint) -> str:
    severities = [diagnostic.severity for diagnostic in found if diagnostic.accepted is None]
    parts = []
    for severity in Severity:
        number = severities.count(severity)
        if number:
            parts.append(paint(f"{number} {severity}{'' if number == 1 else 's'}", severity))
    accepted = sum(diagnostic.accepted is not None for diagnostic in found)
    if accepted:
        parts.append(f"{accepted} accepted")
    return ", ".join(parts)


def _block(diagnostic: Diagnostic, sources: Mapping[str, Source], paint: _Paint) -> str:
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", diagnostic.severity)
    lines = [f"{head}: {paint(diagnostic.summary, 'bold')}"]
    if diagnostic.span is not None:
        hidden = diagnostic.code == "secret-literal"
        lines += _excerpt(diagnostic.span, sources, paint, diagnostic.severity, hidden)
    lines += [f"  {line}" for line in diagnostic.detail.split("\n")]
    for related in diagnostic.related:
        lines.append(f"  {related.label}: {paint(related.span.at, 'place')}")
        lines += _excerpt(related.span, sources, paint, "place")[1:]
    if diagnostic.suggestion is not None:
        lines.append(f"  {paint('help', 'help')}: {diagnostic.suggestion}")
    return "\n".join(lines) + "\n"


def _excerpt(span: Span, sources: Mapping[str, Source], paint: _Paint, name: str, hidden: bool = False) -> list[str]:
    lines = [f" {paint('-->', 'place')} {span.at}"]
    source = sources.get(span.path)
    text = source.line(span.line) if source is not None else None
    if text is None:
        return lines
    start = min(span.column - 1, len(text))
    end = span.end_column - 1 if span.end_line == span.line else len(text)
    end = max(min(end, len(text)), start + 1)
    if hidden:  # what is pointed at is not shown
        text = text[:start] + "•" * (end - start) + text[end:]
    if len(text) > _WIDE:
        first = max(0, min(start - 20, len(text) - _WIDE))
        cut = text[first : first + _WIDE]
        text = ("…" if first else "") + cut + ("…" if first + _WIDE < first + len(text) else "")
        shift = first - (1 if first else 0)
        start, end = start - shift, min(end - shift, _WIDE + 1)
    shown = "".join(_printable(char) for char in text)
    gap = sum(_width(_printable(char)) for char in text[:start])
    size = max(1, sum(_width(_printable(char)) for char in text[start:end]))
    number = str(span.line)
    margin = " " * len(number)
    lines.append(f" {margin} |")
    lines.append(f" {number} | {shown}")
    lines.append(f" {margin} | {' ' * gap}{paint('^' * size, name)}")
    return lines


def _printable(char: str) -> str:
    if char == "\t":
        return "    "
    return char if char.isprintable() else "�"


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
