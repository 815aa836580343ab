"""How long an answer may become: the bound that a client's body says, read and written without decoding the rest.

Every wire's bound covers all that is billed as output: text, tool calls and, where a model thinks, its thoughts
(`max_completion_tokens`, `max_output_tokens`, `maxOutputTokens`, `num_predict`, and `max_tokens` wherever it is the
wire's word). `n` is the number of answers that are asked for; each has the bound for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from gateway.protocols.contract import Fields

_WHOLE: Final = msgspec.json.Decoder(int)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
LEAST: Final = 16  # the least bound that every wire takes


class Bound(msgspec.Struct, frozen=True):
    """`most`: tokens of one answer, None where nothing is said; `n`: answers."""

    most: int | None
    n: int = 1


class _Row(NamedTuple):
    """`inside`: the field whose object holds the others, "" for the top level. `most`: the first that is there counts;
    the first is written, or where a server knows the older one only, the last."""

    inside: str
    most: tuple[str, ...]
    n: str


_ROWS: Final[dict[str, _Row]] = {
    "openai-chat": _Row("", ("max_completion_tokens", "max_tokens"), "n"),
    "openai-responses": _Row("", ("max_output_tokens",), ""),
    "anthropic": _Row("", ("max_tokens",), ""),
    "gemini": _Row("generationConfig", ("maxOutputTokens", "max_output_tokens"), "candidateCount"),
    "ollama": _Row("options", ("num_predict",), ""),
    "bedrock-converse": _Row("inferenceConfig", ("maxTokens",), ""),
    "cohere": _Row("", ("max_tokens",), ""),
}
# Where a wire says any of it; a body without these fields says nothing, which is one answer with no bound.
_PLACES: Final = {
    wire: frozenset((row.inside,) if row.inside else (*row.most, *filter(None, (row.n,))))
    for wire, row in _ROWS.items()
}
_NOTHING: Final = Bound(None)


def _whole(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        number = _WHOLE.decode(value)
    except msgspec.MsgspecError:
        return None
    return number if number > 0 else None


def _inner(fields: Mapping[str, Any], inside: str) -> dict[str, Any]:
    value = fields.get(inside)
    if value is None:
        return {}
    try:
        return dict(_OBJECT.decode(value))
    except msgspec.MsgspecError:
        return {}


def bound_of(wire: str, fields: Mapping[str, Any]) -> Bound:
    """What the fields of a body on this wire say. What is no positive whole number says nothing."""
    if _PLACES[wire].isdisjoint(fields):
        return _NOTHING
    inside, names, n = _ROWS[wire]
    if inside:
        fields = _inner(fields, inside)
    most: int | None = None
    for name in names:
        if name in fields and (most := _whole(fields, name)) is not None:
            break
    return Bound(most, (_whole(fields, n) or 1) if n in fields else 1)


def bounded(wire: str, fields: Fields, most: int, *, newest: bool) -> Fields:
    """The fields with a bound. `newest`: the server knows the newest name of it."""
    if _PLACES[wire].isdisjoint(fields):
        return fields | _alone(wire, most, newest)
    return _beside(wire, fields, most, newest)


def _beside(wire: str, fields: Fields, most: int, newest: bool) -> Fields:
    row = _ROWS[wire]
    value = msgspec.Raw(b"%d" % most)
    if not row.inside:
        others = {**fields, (row.most[0] if newest else row.most[-1]): value}
        for name in row.most[1:] if newest else row.most[:-1]:
            others.pop(name, None)
        return others
    held = {name: raw for name, raw in _inner(fields, row.inside).items() if name not in row.most}
    held[row.most[0]] = value
    return {**fields, row.inside: msgspec.Raw(msgspec.json.encode(held))}


@lru_cache(1024)  # most bounds are those of targets
def _alone(wire: str, most: int, newest: bool) -> Fields:
    """What is added to fields that say nothing of it."""
    return _beside(wire, {}, most, newest)


# The text of streamed frames, by the client's wire: JSON strings that a model wrote, thoughts and arguments included.
_SAID: Final[dict[str, re.Pattern[bytes]]] = {
    wire: re.compile(rb'"(?:%b)"\s*:\s*"((?:[^"\\]|\\.)*)"' % names)
    for wire, names in {
        "openai-chat": b"content|reasoning_content|reasoning|arguments|refusal",
        "openai-responses": b"delta",
        "anthropic": b"text|thinking|partial_json",
        "gemini": b"text",
        "ollama": b"content|thinking",
    }.items()
}


class Tally:
    """Counts what a stream has said so far, in frames as the client gets them. Four bytes of JSON text are a token."""

    __slots__ = ("_said", "_size")

    def __init__(self, wire: str) -> None:
        self._said = _SAID[wire]
        self._size = 0

    def feed(self, frames: bytes) -> None:
        """Takes whole frames."""
        for text in self._said.findall(frames):
            self._size += len(text)

    @property
    def tokens(self) -> int:
        """At least one, since a stream that has begun is never free."""
        return max(1, -(-self._size // 4))
