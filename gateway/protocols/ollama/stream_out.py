"""Streams, events → wire: a line per piece, a line per whole call, the last line with the reason and the counts.

Every line is a whole answer with a part of the message; clients add them up. There are no comments on this wire, so
what keeps a silent connection alive is a line that adds nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import (
    Began,
    Cited,
    Closed,
    Counted,
    Dropped,
    Ended,
    Event,
    Finish,
    Opaque,
    Opened,
    Piece,
    Request,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.losses import Losses
from gateway.protocols.ollama.finishes import counts_out, word_of
from gateway.protocols.ollama.response import NO_MEDIA, call_out
from gateway.protocols.ollama.stamps import stamp_of

KEEP_ALIVE: Final = (
    b'{"model":"","created_at":"1970-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":false}\n'
)
_JSON: Final = msgspec.json.Encoder()
_TAIL: Final = b'},"done":false}\n'
_NO_PLACE: Final = "there is no place for it here"


class _Call:
    """A call whose arguments are still coming."""

    __slots__ = ("arguments", "opened")

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.arguments: list[str] = []


class Encoder:
    """See `contract.StreamEncoder`. `_heads`: what precedes a piece of a block, by its number."""

    __slots__ = (
        "_base",
        "_calls",
        "_finish",
        "_heads",
        "_losses",
        "_made",
        "_now",
        "_text",
        "_thinking",
        "_usage",
    )

    def __init__(self, _request: Request, now: int) -> None:
        self._now = now
        self._losses = Losses("Ollama's wire")
        self._usage: Usage | None = None
        self._finish = Finish.STOP
        self._calls: dict[int, _Call] = {}
        self._heads: dict[int, bytes] = {}
        self._made = 0
        self._name("", now)

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What could not be said so far."""
        return self._losses.all()

    def push(self, event: Event) -> bytes:
        """The lines of an event."""
        if event.__class__ is Piece:
            head = self._heads.get(event.block)
            if head is not None and event.logprobs is None:
                return b"%b%b%b" % (head, _JSON.encode(event.text), _TAIL) if event.text else b""
        match event:
            case Piece(block, text, logprobs):
                return self._piece(block, text, logprobs)
            case Opened():
                self._open(event)
            case Closed(block):
                self._heads.pop(block, None)
                call = self._calls.pop(block, None)
                return b"" if call is None else self._call(call)
            case Sealed():
                self._losses.drop("reasoning.signature", _NO_PLACE)
            case Cited():
                self._losses.drop("citations", "there is no place for them here")
            case Whole(_, Opaque(what), _):
                self._losses.drop(what, "only the provider's own wire knows it")
            case Whole():
                self._losses.drop("media", NO_MEDIA)
            case Ended(finish, 0):
                self._finish = finish
                self._losses.finish(finish, word_of(finish), word_of(Finish.STOP))
            case Counted(usage):
                self._usage = usage
            case Began():
                self._name(event.model, event.created or self._now)
                self._usage = event.usage
        return b""

    def close(self) -> bytes:
        """The last line."""
        unfinished = b"".join(self._call(call) for call in self._calls.values())
        end = {"done": True, "done_reason": word_of(self._finish), **counts_out(self._usage)}
        return b'%b%b"content":""},%b\n' % (unfinished, self._base, _JSON.encode(end)[1:])

    def _name(self, model: str, created: int) -> None:
        """The beginning of every line."""
        said = _JSON.encode({"model": model, "created_at": stamp_of(created)})[:-1]
        self._base = said + b',"message":{"role":"assistant",'
        self._text = self._base + b'"content":'
        self._thinking = self._base + b'"content":"","thinking":'

    def _open(self, event: Opened) -> None:
        if event.choice != 0:
            self._losses.drop("choices", "one answer at a time")
            return
        if event.kind == "tool_call":
            if event.signature is not None:
                self._losses.drop("tool_call.signature", _NO_PLACE)
            self._calls[event.block] = _Call(event)
        else:
            if event.kind == "refusal":
                self._losses.drop("refusal", "the words of a refusal are text here")
            self._heads[event.block] = self._thinking if event.kind == "reasoning" else self._text

    def _piece(self, block: int, text: str, logprobs: Any) -> bytes:
        call = self._calls.get(block)
        if call is not None:
            call.arguments.append(text)
            return b""
        head = self._heads.get(block)
        if head is None:
            return b""
        return b'%b%b},"logprobs":%b,"done":false}\n' % (head, _JSON.encode(text), _JSON.encode(logprobs))

    def _call(self, call: _Call) -> bytes:
        opened = call.opened
        row = call_out(opened.id, opened.name, "".join(call.arguments), self._made, opened.custom, self._losses)
        self._made += 1
        return b'%b"content":"","tool_calls":[%b]%b' % (self._base, _JSON.encode(row), _TAIL)
