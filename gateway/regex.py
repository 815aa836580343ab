"""Regular expressions in linear time (RE2): the only door to them for patterns that people write.

No look-around, no back-references, and no pattern that takes longer than its text: a pattern of the file can never be
what a hostile prompt makes slow. Text and positions are characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

import re2  # type: ignore[import-untyped]  # it has no stubs

LONGEST: Final = 256  # characters of the longest match that is looked for across the pieces of a stream


class BadPattern(ValueError):  # noqa: N818 - it reads as what the pattern is
    """A pattern that cannot be used: why, and at which character of it (from 0)."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why = why
        self.at = at


class Match(NamedTuple):
    """From `start` up to `end`."""

    start: int
    end: int


class Pattern:
    """One compiled pattern."""

    __slots__ = ("_compiled", "longest", "text")

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False
        self.text = text
        try:
            self._compiled: Any = re2.compile(text, options)
        except re2.error as error:
            raise _bad(text, error) from None
        self.longest = _longest(text)

    def find(self, text: str, at: int = 0) -> Match | None:
        """The first match that begins at `at` or later; what stands before is seen by `\\b` and `^`."""
        found = self._compiled.search(text, at)
        return None if found is None else Match(*found.span())

    def replaced(self, text: str, instead: str) -> str:
        """The text with `instead`, taken literally, for each match; the same object where there is none."""
        if self._compiled.search(text) is None:
            return text
        replaced: str = self._compiled.sub(lambda match: instead, text)
        return replaced

    def empty(self) -> bool:
        """Whether it matches where there is nothing."""
        return self._compiled.search("") is not None


@lru_cache(1024)
def compiled(text: str) -> Pattern:
    """The pattern. Raises `BadPattern`."""
    return Pattern(text)


def _bad(text: str, error: Exception) -> BadPattern:
    said = error.args[0] if error.args else ""
    why = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    what, _, part = why.partition(": ")
    at = text.find(part) if part and part != text else -1
    if at < 0:
        at = (
            text.rfind("(")
            if what.startswith("missing )")
            else text.find(")")
            if what.startswith("unexpected )")
            else 0
        )
    if part.startswith(("(?=", "(?!", "(?<")):
        what = "RE2 has no look-around"
    elif re.fullmatch(r"\\[1-9]\d*", part):
        what = "RE2 has no back-references"
    return BadPattern(f"{what}: {part}" if part else what, max(at, 0))


def _longest(text: str) -> int:
    """Characters of the longest match, at most `LONGEST`: Python's parser says it where it reads a pattern alike."""
    from re import _parser  # type: ignore[attr-defined]  # the only thing that knows the width of a pattern

    if "{," in text or "[:" in text:
        return LONGEST  # these mean something else to RE2
    try:
        return min(int(_parser.parse(text).getwidth()[1]), LONGEST)
    except (re.error, ValueError, OverflowError, RecursionError):
        return LONGEST
