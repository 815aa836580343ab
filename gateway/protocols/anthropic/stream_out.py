"""Streams, events → wire: blocks one after another, `message_delta` with the stop reason and all counts, the end.

`message_start` says the input's counts where the upstream has said them by then; `message_delta` says all of them in
any case, so that a client that reads only the last snapshot is right.
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
    Opened,
    Piece,
    Reasoning,
    Request,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.anthropic.citations import citation_out
from gateway.protocols.anthropic.finishes import usage_out, word_of
from gateway.protocols.anthropic.response import signed_call, thinking_out
from gateway.protocols.losses import Losses
from gateway.protocols.seals import CLAUDE, wrap
from gateway.protocols.translate import Sequencer

_JSON: Final = msgspec.json.Encoder()
_TEXT: Final = b'"delta":{"type":"text_delta","text":'
_THINKING: Final = b'"delta":{"type":"thinking_delta","thinking":'
_ARGUMENTS: Final = b'"delta":{"type":"input_json_delta","partial_json":'


class Encoder:
    """See `contract.StreamEncoder`. `_head` is what precedes a piece of the block that is open."""

    __slots__ = (
        "_block",
        "_ended",
        "_head",
        "_index",
        "_kind",
        "_losses",
        "_order",
        "_others",
        "_started",
        "_usage",
    )

    def __init__(self, request: Request, now: int) -> None:
        self._usage = Usage()
        self._ended = Ended(Finish.STOP)
        self._losses = Losses("Anthropic's wire")
        self._order = Sequencer()
        self._others: set[int] = set()  # blocks of other choices
        self._index = -1  # of the block on the wire
        self._block = -1  # its number among the events
        self._kind = ""
        self._head = b""
        self._started = False  # the open block's content_block_start was sent

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What could not be said so far."""
        return self._losses.all()

    def push(self, event: Event) -> bytes:
        """The events on the wire. Clients of this wire get the first choice, for they cannot ask for more."""
        if event.__class__ is Piece and event.block == self._block and self._started:
            self._losses.unless(event.logprobs, "logprobs")
            return b"%b%b}}\n\n" % (self._head, _JSON.encode(event.text))
        if self._is_another_choice(event):
            self._losses.drop("n", "one answer at a time")
            return b""
        return b"".join([self._write(each) for each in self._order.order(event)])

    def _is_another_choice(self, event: Event) -> bool:
        if getattr(event, "choice", 0):
            if isinstance(event, Opened):
                self._others.add(event.block)
            return True
        return bool(self._others) and getattr(event, "block", None) in self._others

    def close(self) -> bytes:
        """The stop reason, the counts, the end."""
        delta = {"stop_reason": word_of(self._ended.finish), "stop_sequence": self._ended.stopped_by}
        last = {"type": "message_delta", "delta": delta, "usage": usage_out(self._usage)}
        return _event("message_delta", last) + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def _write(self, event: Event) -> bytes:
        match event:
            case Piece(_, text, logprobs):
                self._losses.unless(logprobs, "logprobs")
                return b"%b%b%b}}\n\n" % (self._start(), self._head, _JSON.encode(text))
            case Began():
                return self._begin(event)
            case Opened():
                return self._open(event)
            case Closed():
                self._block = -1
                return b"" if self._kind == "redacted" else self._start() + self._stop()
            case Sealed(_, signature, redacted):
                if redacted is not None:
                    before = self._stop() if self._started else b""  # what could be read of it is a block of its own
                    self._kind = "redacted"
                    return before + self._whole(thinking_out(Reasoning(redacted=redacted)))
                if signature is not None and self._kind == "reasoning":
                    value = _JSON.encode(wrap(signature, CLAUDE))
                    delta = b'"delta":{"type":"signature_delta","signature":%b}}\n\n' % value
                    return self._start() + self._delta() + delta
                self._losses.drop("text.signature", "text is not signed here")
            case Cited(_, citation):
                row = citation_out(citation, False)
                if row is None:
                    self._losses.drop("citations", "citations without a URL cannot be said here")
                    return b""
                cited = b'"delta":{"type":"citations_delta","citation":%b}}\n\n' % _JSON.encode(row)
                return self._start() + self._delta() + cited
            case Whole(_, part):
                self._losses.drop(getattr(part, "what", "media"), "answers carry text here")
            case Ended():
                self._ended = event
                self._losses.finish(event.finish, word_of(event.finish), word_of(Finish.STOP))
            case Counted(usage):
                self._usage = usage
        return b""

    def _begin(self, event: Began) -> bytes:
        if event.usage is not None:
            self._usage = event.usage
        message: dict[str, Any] = {
            "id": event.id or "msg_0",
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_out(self._usage),
        }
        return _event("message_start", {"type": "message_start", "message": message})

    def _open(self, event: Opened) -> bytes:
        """A block of thought is begun with its first piece, for it may turn out to be redacted."""
        before = b""
        if event.kind == "tool_call" and event.signature is not None:
            before = self._whole(signed_call(event.signature, event.id))
        self._block, self._kind, self._started = event.block, event.kind, False
        if event.kind == "reasoning":
            return before
        if event.kind == "refusal":
            self._losses.drop("refusal", "the words of a refusal are text here")
        block: dict[str, Any] = {"type": "text", "text": ""}
        if event.kind == "tool_call":
            block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
        return before + self._start(block, _ARGUMENTS if event.kind == "tool_call" else _TEXT)

    def _start(self, block: dict[str, Any] | None = None, piece: bytes = _THINKING) -> bytes:
        """The open block's beginning, once."""
        if self._started:
            return b""
        self._started = True
        self._index += 1
        self._head = self._delta() + piece
        block = block or {"type": "thinking", "thinking": "", "signature": ""}
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return _event("content_block_start", start)

    def _delta(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,' % self._index

    def _stop(self) -> bytes:
        self._started = True
        stop = b'{"type":"content_block_stop","index":%d}' % self._index
        return b"event: content_block_stop\ndata: %b\n\n" % stop

    def _whole(self, block: dict[str, Any]) -> bytes:
        """A block without pieces."""
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        self._started = True
        return _event("content_block_start", start) + self._stop()


def _event(name: str, value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _JSON.encode(value))
