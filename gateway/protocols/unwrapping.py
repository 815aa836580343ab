"""The text of a custom call, piece by piece, out of the JSON that a function's arguments arrive in.

Upstream the tool is a function with one string (custom_tools.py); a client that watches a long patch being written
should not have to wait for its last quote. What is not exactly `{"input":"…` is left to the end, where all of it is
read.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

_OPENING: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_LONGEST: Final = 64  # of the opening; white space beyond that is no one's style
# Whole characters: a high surrogate waits for the low one that follows it.
_WHOLE: Final = re.compile(
    r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*'
)
_TEXT: Final = msgspec.json.Decoder(str)


class Unwrapper:
    """Takes pieces of arguments, gives pieces of text. `said` is what was given so far."""

    __slots__ = ("_inside", "_lost", "_rest", "said")

    def __init__(self) -> None:
        self.said = ""
        self._rest = ""
        self._inside = False
        self._lost = False

    def feed(self, piece: str) -> str:
        """The text that is known now, "" while there is none."""
        if self._lost:
            return ""
        self._rest += piece
        if not self._inside:
            opening = _OPENING.match(self._rest)
            if opening is None:
                self._lost = len(self._rest) > _LONGEST
                return ""
            self._inside = True
            self._rest = self._rest[opening.end() :]
        whole = _WHOLE.match(self._rest)
        if whole is None or not whole[0]:
            self._lost = self._rest != "" and (self._rest[0] != "\\" or len(self._rest) > _LONGEST)
            return ""
        self._rest = self._rest[whole.end() :]
        try:
            text = _TEXT.decode(f'"{whole[0]}"')
        except (msgspec.DecodeError, UnicodeError):
            self._lost = True
            return ""
        if self._rest.startswith('"'):
            self._lost = True  # the end of the string: nothing more to say
        self.said += text
        return text
