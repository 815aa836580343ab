"""Source text and places in it. Lines and columns count from 1; columns count characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

# The published prefixes of providers' and platforms' keys.
KEYS: Final = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|gh[pousr]_[A-Za-z0-9]{36,}"
    r"|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{30,}|nvapi-[A-Za-z0-9_-]{20,}|r8_[A-Za-z0-9]{30,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|AQ\.[A-Za-z0-9_-]{30,})"
)


class Span(msgspec.Struct, frozen=True, order=True):
    """From the first character to just after the last; one line unless `end_line` says otherwise."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def at(self) -> str:
        """`path:line:column`, as editors and terminals understand it."""
        return f"{self.path}:{self.line}:{self.column}"


class Source:
    """One file's text, by line."""

    __slots__ = ("_lines", "path")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines = text.split("\n")

    def masked(self, spans: Iterable[Span]) -> Source:
        """The same text with other letters in these spans, and in what looks like a key of a provider or a platform."""
        masked = Source(self.path, "")
        masked._lines = [KEYS.sub(lambda match: "•" * len(match[0]), line) for line in self._lines]
        for span in spans:
            for number in range(span.line, min(span.end_line, len(masked._lines)) + 1):
                line = masked._lines[number - 1]
                start = span.column - 1 if number == span.line else 0
                end = span.end_column - 1 if number == span.end_line else len(line)
                masked._lines[number - 1] = line[:start] + "•" * (min(end, len(line)) - start) + line[end:]
        return masked

    def line(self, number: int) -> str | None:
        """A line without its end, None where there is none of that number."""
        if 1 <= number <= len(self._lines):
            return self._lines[number - 1].rstrip("\r")
        return None

    def numbered(self) -> Iterator[tuple[int, str]]:
        """All lines without their ends, with their numbers."""
        return enumerate((line.rstrip("\r") for line in self._lines), 1)

    def mentions(self, words: str) -> bool:
        """Whether some line has these words."""
        return any(words in line for line in self._lines)
