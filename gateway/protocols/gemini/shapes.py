"""What all files of this wire share: its name, its spellings, its paths, the ids of calls that have none.

Gemini speaks protobuf JSON: every field may be written in camelCase or in snake_case
(https://protobuf.dev/programming-guides/json). Free-form objects (arguments, results, labels, the names of a schema's
properties) are left as they are.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET

from gateway.protocols.reading import Fields, Malformed, wrong
from gateway.protocols.tool_ids import made

ORIGIN: Final = "gemini"
TOGETHER: Final = "with results"  # said of a message that stood in one content with the results before it
_SNAKE: Final = re.compile(r"_+([a-zA-Z0-9])")


def tier_of(word: Any) -> str | None:
    """A `serviceTier` in the IR's word, which is OpenAI's."""
    return {"standard": "default"}.get(word.lower(), word.lower()) if isinstance(word, str) else None


def tier_out(word: str) -> str:
    """The `serviceTier` of an answer."""
    return {"default": "standard"}.get(word, word)


def camel(name: str) -> str:
    """A field's name in camelCase; `_responseJsonSchema`, an older SDK's spelling, loses its first character."""
    return _SNAKE.sub(lambda match: match[1].upper(), name.lstrip("_")) if "_" in name else name


def fields_of(value: Any, at: str) -> Fields:
    """One message to be read, its fields' names in camelCase."""
    fields = Fields(value, at)
    if "_" in "".join(fields.left):
        fields.left = {camel(name): each for name, each in fields.left.items()}
    return fields


def inner_of(fields: Fields, name: str) -> Fields | None:
    """A message inside a message, None where it is absent or null."""
    value = fields.some(name)
    return None if value is None else fields_of(value, fields.path(name))


def list_of(fields: Fields, name: str) -> list[Any]:
    """A repeated field: an array, or the one value that some clients write bare."""
    value = fields.left.get(name)
    if isinstance(value, dict):
        fields.some(name)
        return [value]
    return fields.items(name)


def count_of(fields: Fields, name: str) -> Any:
    """A whole number or null as written, UNSET where it is absent; protobuf JSON also writes numbers as strings."""
    value = fields.left.get(name, UNSET)
    if isinstance(value, str):
        fields.some(name)
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise wrong(fields.path(name), "a whole number", value)
        return int(value)
    return fields.maybe_whole(name)


def put(target: dict[str, Any], path: str, value: Any) -> None:
    """Writes the value of a dotted path; what is already there stays."""
    *outer, last = path.split(".")
    for name in outer:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        target = inner
    target.setdefault(last, value)


def put_all(target: dict[str, Any], extras: dict[str, Any] | None) -> None:
    """Writes fields of the origin back to where they were."""
    for path, value in (extras or {}).items():
        put(target, path, value)


def under(prefix: str, left: dict[str, Any]) -> dict[str, Any]:
    """Fields of an inner message, named by their dotted paths."""
    return {f"{prefix}.{name}": value for name, value in left.items()}


def too_deep() -> Malformed:
    """The complaint about a value that no reader gets to the bottom of."""
    return Malformed("", "is nested too deeply")


class Answering:
    """Ids of the calls of one answer. `salt` is the answer's id."""

    __slots__ = ("_nth", "salt")

    def __init__(self, salt: str) -> None:
        self.salt = salt
        self._nth = 0

    def call(self, id_: str | None, name: str, arguments: str) -> str:
        """The call's own id, or one that the same call of the same answer always gets."""
        nth = self._nth
        self._nth += 1
        return id_ or made(self.salt or arguments, nth, name)

    def result(self, id_: str | None, name: str) -> str:
        """The id of a result inside an answer, which only hosted tools give."""
        return id_ or name


class Talking:
    """Ids of the calls of one conversation, and which result answers which call.

    A result without an id, or with an id that no call had, answers the first call of its name in the turn before it
    that has no result yet: Gemini's order of results is the order of its calls.
    """

    __slots__ = ("_nth", "_waiting")

    def __init__(self) -> None:
        self._nth = 0
        self._waiting: list[tuple[str, str]] = []

    def turn(self) -> None:
        """The model speaks again: what is still unanswered stays so."""
        self._waiting.clear()

    def call(self, id_: str | None, name: str, _arguments: str) -> str:
        """The call's own id, or one that the same place of the same conversation always gets."""
        id_ = id_ or self.made(name)
        self._nth += 1
        self._waiting.append((name, id_))
        return id_

    def made(self, name: str) -> str:
        """The id that the next call gets where it has none."""
        return made(ORIGIN, self._nth, name)

    def result(self, id_: str | None, name: str) -> str:
        """The id of the call that a result answers."""
        found = next((each for each in self._waiting if each[1] == id_), None) if id_ else None
        if found is None:
            found = next((each for each in self._waiting if each[0] == name), None)
        if found is None:
            return id_ or self.unmatched(name)
        self._waiting.remove(found)
        return found[1]

    def unmatched(self, name: str) -> str:
        """The id that a result gets here where it has none and answers no call."""
        return made(f"{ORIGIN} result", self._nth, name)
