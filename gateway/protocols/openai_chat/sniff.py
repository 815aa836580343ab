"""Streams that pass on the chat wire: `"usage"`, `"error"` and `[DONE]` are the words that matter."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gateway.protocols.framing import data_of
from gateway.protocols.openai_chat.errors import failure_of
from gateway.protocols.openai_chat.finishes import usage_of
from gateway.protocols.passthrough import Sniffer as Base

_EMPTY: Final = frozenset((b"null", b'""', b"[]", b"{}"))


class _Choice(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None


_USAGE: Final = re.compile(rb'"usage"[ \t]*:[ \t]*(?!null|[ \t])')
_FINISH: Final = re.compile(rb'"finish_reason"[ \t]*:[ \t]*(?!null|""|[ \t])')
_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def _says(data: bytes, name: bytes, nothing: bytes, something: re.Pattern[bytes]) -> bool:
    """Whether a field has a value other than null anywhere. Most servers write null without a space, and often."""
    return data.count(name) != data.count(nothing) and something.search(data) is not None


def _bears_content(chunk: _Chunk) -> bool:
    for choice in chunk.choices or ():
        if choice.finish_reason or choice.text:
            return True
        for name, value in (choice.delta or {}).items():
            if name != "role" and bytes(value) not in _EMPTY:
                return True
    return False


class Sniffer(Base):
    """See `passthrough.Sniffer`. `strip_usage`: the usage chunk was asked for by the gateway, not by the client."""

    __slots__ = ("_strip",)

    _end_word = "a finish reason and without [DONE]"

    def __init__(self, strip_usage: bool) -> None:
        super().__init__()
        self._strip = strip_usage

    def _closing(self) -> bytes:
        return b"data: [DONE]\n\n"

    def _plain(self, data: bytes) -> bool:
        if b"[DONE]" in data or b'"error"' in data or _says(data, b'"usage"', b'"usage":null', _USAGE):
            return False
        if not self._finished:
            self._finished = _says(data, b'"finish_reason"', b'"finish_reason":null', _FINISH)
        return True

    def _examine(self, frame: bytes) -> bool:
        data = data_of(frame)
        if data is None:
            return True
        if data == b"[DONE]":
            self._done = True
            if not self.content:
                self._fail("the stream ended before it said anything")
            return True
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._fail(f"an event of the stream is not a chat completion chunk: {error}")
            return False
        if chunk.error is not None:
            self._broke(failure_of(chunk.error, None))
            return False
        told = chunk.usage
        if told is None and isinstance(chunk.x_groq, dict):
            told = chunk.x_groq.get("usage")
        usage = usage_of(told)
        if usage is not None:
            self.usage = usage
        if _bears_content(chunk):
            self.content = True
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self._finished = True
        return not (self._strip and usage is not None and not chunk.choices)
