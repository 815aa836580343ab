"""Streams, wire → events: a line per piece, calls whole, the last line with `done`, its reason and the counts."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Began, Closed, Counted, Ended, Event, Opened, Piece, Whole
from gateway.protocols.decoding import FrameDecoder
from gateway.protocols.framing import LineReader
from gateway.protocols.ollama.errors import failure_of
from gateway.protocols.ollama.finishes import finish_of, logprobs_of, usage_of
from gateway.protocols.ollama.response import call_of, image_of
from gateway.protocols.ollama.stamps import seconds_of


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: list[Any] | None = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    done: bool | None = None
    model: Any = None
    created_at: Any = None
    done_reason: Any = None
    prompt_eval_count: Any = None
    prompt_eval_cached_count: Any = None
    eval_count: Any = None
    logprobs: Any = None
    error: Any = None


_LINE: Final = msgspec.json.Decoder(_Line)
_NOTHING: Final = _Message(content="")


class Decoder(FrameDecoder[bytes]):
    """See `contract.StreamDecoder`."""

    __slots__ = ("_began", "_block", "_blocks", "_calls", "_kind", "_salt")

    def __init__(self) -> None:
        super().__init__(LineReader())
        self._began = False
        self._salt = ""
        self._kind = ""  # of the open block
        self._block = 0
        self._blocks = 0
        self._calls = 0

    def _frame(self, data: bytes, out: list[Event]) -> None:
        line = self._decoded(_LINE, data, "not one of a chat", out)
        if line is None:
            return
        if line.error is not None:
            self._break(failure_of(line.error, None), out)
            return
        message = line.message
        if not self._began:
            if not (line.model or line.done or (message is not None and message != _NOTHING)):
                return  # a line that only keeps the connection alive
            self._begin(line, out)
        if message is not None:
            if message.thinking:
                self._say("reasoning", message.thinking, None, out)
            if message.content:
                self._say("text", message.content, line.logprobs, out)
            if message.images or message.tool_calls:
                self._whole(message, out)
        if line.done:
            self._finish(line, out)

    def _begin(self, line: _Line, out: list[Event]) -> None:
        self._began = True
        model = line.model if isinstance(line.model, str) else ""
        self._salt = f"{model}{line.created_at}"
        out.append(Began("", model, seconds_of(line.created_at)))

    def _say(self, kind: Any, text: str, logprobs: Any, out: list[Event]) -> None:
        if self._kind != kind:
            self._shut(out)
            self._kind, self._block = kind, self._blocks
            self._blocks += 1
            out.append(Opened(self._block, kind))
        out.append(Piece(self._block, text, None if logprobs is None else logprobs_of(logprobs)))

    def _shut(self, out: list[Event]) -> None:
        if self._kind:
            out.append(Closed(self._block))
            self._kind = ""

    def _whole(self, message: _Message, out: list[Event]) -> None:
        """What comes in one piece: images, calls."""
        self._shut(out)
        for image in message.images or ():
            if isinstance(image, str):
                out.append(Whole(self._blocks, image_of(image)))
                self._blocks += 1
        for each in message.tool_calls or ():
            call = call_of(each, "message.tool_calls", self._salt, self._calls)
            block = self._blocks
            self._blocks += 1
            self._calls += 1
            out += (Opened(block, "tool_call", call.id, call.name), Piece(block, call.arguments), Closed(block))

    def _finish(self, line: _Line, out: list[Event]) -> None:
        self.ended = True
        self._shut(out)
        usage = usage_of(line.prompt_eval_count, line.eval_count, line.prompt_eval_cached_count)
        if usage is not None:
            out.append(Counted(usage))
        out.append(Ended(finish_of(line.done_reason, self._calls > 0)))
