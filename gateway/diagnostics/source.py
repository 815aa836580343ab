"""Source text and places in it. Lines and columns count from 1; columns count characters."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


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
