"""Which result belongs to which call, where clients leave out ids.

On Ollama's wire ids are young (2025-11) and most clients have none; on OpenAI's chat wire some servers give empty ones,
and clients send them back. A result names its call by its id, or by its tool, or by nothing: then the first call that
still waits, of that name where there is one, is meant. A call without an id gets one that its place in the
conversation decides, so that the same conversation sent again has the same ids; `Unpairing` leaves such ids out again.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.tool_ids import made

_CALL: Final = "ollama"
_RESULT: Final = "ollama-result"


class Pairing:
    """Walks a conversation once. `call` and `result` take what is written and give the id that is meant."""

    __slots__ = ("_calls", "_given", "_results", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[tuple[str, str]] = []
        self._given: set[str] = set()
        self._calls = 0
        self._results = 0

    def call(self, given: str | None, name: str) -> str:
        """The id of the next call."""
        id_ = given or made(_CALL, self._calls, name)
        self._calls += 1
        self._waiting.append((id_, name))
        self._given.add(id_)
        return id_

    def waits(self, id_: str) -> bool:
        """Whether a call of this id still waits for its result."""
        return any(waiting == id_ for waiting, _ in self._waiting)

    def result(self, given: str | None, name: str | None) -> str:
        """The id of the call that the next result answers."""
        self._results += 1
        at = next((at for at, (id_, _) in enumerate(self._waiting) if id_ == given), None)
        if at is None and given is not None and given in self._given:
            return given
        if at is None:
            at = next((at for at, (_, called) in enumerate(self._waiting) if called == name), None)
        if at is None and self._waiting:
            at = 0
        if at is None:
            return given or made(_RESULT, self._results - 1, name or "")
        return self._waiting.pop(at)[0]


class Unpairing:
    """The way back: walks a conversation once and says which ids were made here."""

    __slots__ = ("_calls", "_made", "_results")

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._calls = 0
        self._results = 0

    def call(self, id_: str, name: str) -> str | None:
        """The id of the next call as it was written."""
        self._calls += 1
        if id_ == made(_CALL, self._calls - 1, name):
            self._made.add(id_)
            return None
        return id_

    def result(self, id_: str, name: str | None) -> str | None:
        """The id of the call that the next result answers, as it was written."""
        self._results += 1
        if id_ in self._made or id_ == made(_RESULT, self._results - 1, name or ""):
            return None
        return id_
