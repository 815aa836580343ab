"""One guardrail over one text that comes in pieces: what may go on, and what has to wait for more.

A match that is found is one that would be found in the whole text, however the pieces are cut: a text goes on only when
no match can begin in it any more. So the last characters wait, as many as the pattern's longest match has, at most
`regex.LONGEST` (256); a match that is longer is found by its beginning, and waited for up to `GROWS_MOST` characters.
`flag` lets everything go on at once.
"""

from __future__ import annotations

from typing import Final

from gateway.routing.guardrails.verdicts import Guard, Verdicts

GROWS_MOST: Final = 65_536


class Sieve:
    """See the module. `changed`: something was replaced."""

    __slots__ = ("_done", "_guard", "_longest", "_pattern", "_text", "_verdicts", "changed")

    def __init__(self, guard: Guard, verdicts: Verdicts) -> None:
        self._guard = guard
        self._pattern = guard.compiled
        self._longest = self._pattern.longest
        self._verdicts = verdicts
        self._text = ""
        self._done = 0  # characters of _text that went on already, and stay for what looks back
        self.changed = False

    def feed(self, piece: str, last: bool = False) -> str:
        """The text that may go on now; with `last` all that is left. Raises `Failed` where the guardrail rejects."""
        text = self._text + piece
        limit = len(text) if last else max(self._done, len(text) - self._longest)
        out: list[str] = []
        at = self._done
        while (match := self._pattern.find(text, at)) is not None and match.start < limit:
            if match.end == len(text) and not last and match.end - match.start < GROWS_MOST:
                limit = match.start  # it may go on growing
                break
            if self._guard.do == "reject":
                raise self._verdicts.blocked(self._guard)
            out.append(text[at : match.start])
            if self._guard.do == "flag":
                self._verdicts.flag(self._guard)
                out.append(text[match.start : match.end])
            else:
                self.changed = True
                out.append(self._guard.instead)
            at = match.end
        end = max(at, limit)
        out.append(text[at:end])
        begin = max(end - 1, 0)
        self._text, self._done = text[begin:], end - begin
        return piece if self._guard.do == "flag" else "".join(out)
