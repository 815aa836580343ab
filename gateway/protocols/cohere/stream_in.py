"""Streams, wire → events: https://docs.cohere.com/docs/streaming.

Content blocks and calls each count from 0 of their own; the plan has no beginning and no end of its own. A text block
stays open here after its `content-end` until something else begins, for citations may come late.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Began, Cited, Closed, Counted, Ended, Event, Opened, Piece
from gateway.protocols.cohere.citations import citations_of
from gateway.protocols.cohere.errors import failure_of
from gateway.protocols.cohere.finishes import failure_in, finish_of, logprobs_of, usage_of
from gateway.protocols.cohere.response import arguments_of
from gateway.protocols.decoding import FrameDecoder
from gateway.protocols.framing import SseReader
from gateway.protocols.tool_ids import made


class _Content(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    id: Any = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: _Content | list[Any] | None = None
    tool_plan: str | None = None
    tool_calls: _Call | list[Any] | None = None
    citations: Any = None


class _Delta(msgspec.Struct):
    message: _Message | None = None
    finish_reason: Any = None
    usage: Any = None
    error: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    id: Any = None
    logprobs: Any = None
    message: Any = None
    error: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_NOTHING: Final = _Message()
_DELTA: Final = _Delta()


class Decoder(FrameDecoder[bytes]):
    """See `contract.StreamDecoder`."""

    __slots__ = (
        "_block",
        "_blocks",
        "_calls",
        "_empty",
        "_id",
        "_index",
        "_kind",
        "_made",
    )

    def __init__(self) -> None:
        super().__init__(SseReader())
        self._id = ""
        self._kind = ""  # of the open block that is no call: text, reasoning, plan
        self._index = -1  # its content index
        self._block = 0
        self._blocks = 0
        self._calls: dict[int, int] = {}  # open calls: block by index
        self._empty: set[int] = set()  # calls without arguments so far
        self._made = 0

    def _frame(self, data: bytes, out: list[Event]) -> None:
        if data == b"[DONE]":
            return
        event = self._decoded(_EVENT, data, "not one of a chat", out)
        if event is None:
            return
        delta = event.delta or _DELTA
        message = delta.message or _NOTHING
        match event.type:
            case "content-delta" | "content-start":
                if isinstance(message.content, _Content):
                    self._content(event, message.content, out)
            case "tool-plan-delta":
                if message.tool_plan:
                    self._say("plan", -1, message.tool_plan, None, out)
            case "tool-call-delta":
                if isinstance(message.tool_calls, _Call):
                    self._arguments(event.index, message.tool_calls, out)
            case "tool-call-start":
                self._call(event.index, message.tool_calls, out)
            case "tool-call-end":
                self._end(event.index, out)
            case "citation-start":
                self._cite(message.citations, out)
            case "message-start":
                self._id = event.id if isinstance(event.id, str) else ""
                out.append(Began(self._id, ""))
            case "message-end":
                self._finish(delta, out)
            case "error" | "":
                said = event.error.get("message") if isinstance(event.error, dict) else event.error
                self._break(failure_of(event.message or said, None), out)

    def _content(self, event: _Event, content: _Content, out: list[Event]) -> None:
        if content.thinking:
            self._say("reasoning", event.index, content.thinking, None, out)
        if content.text:
            rows = None if event.logprobs is None else logprobs_of(event.logprobs) or None
            self._say("text", event.index, content.text, rows, out)

    def _say(self, kind: str, index: int, text: str, logprobs: Any, out: list[Event]) -> None:
        if self._kind != kind or self._index != index:
            self._shut(out)
            self._kind, self._index, self._block = kind, index, self._blocks
            self._blocks += 1
            out.append(Opened(self._block, "text" if kind == "text" else "reasoning"))
        out.append(Piece(self._block, text, logprobs))

    def _shut(self, out: list[Event]) -> None:
        if self._kind:
            out.append(Closed(self._block))
            self._kind = ""

    def _cite(self, value: Any, out: list[Event]) -> None:
        if self._kind == "text":
            spans = value if isinstance(value, list) else [value]
            out.extend(Cited(self._block, each) for span in spans for each in citations_of(span))

    def _call(self, index: int, value: _Call | list[Any] | None, out: list[Event]) -> None:
        call = value if isinstance(value, _Call) else _Call()
        function = call.function or _Function()
        self._shut(out)
        self._end(index, out)
        block = self._calls[index] = self._blocks
        self._blocks += 1
        name = function.name or ""
        id_ = call.id if isinstance(call.id, str) and call.id else made(self._id, self._made, name)
        self._made += 1
        self._empty.add(block)
        out.append(Opened(block, "tool_call", id_, name))
        self._arguments(index, call, out)

    def _arguments(self, index: int, call: _Call, out: list[Event]) -> None:
        given = None if call.function is None else call.function.arguments
        block = self._calls.get(index)
        if given and block is not None:
            self._empty.discard(block)
            out.append(Piece(block, arguments_of(given, "delta.message.tool_calls.function.arguments")))

    def _end(self, index: int, out: list[Event]) -> None:
        block = self._calls.pop(index, None)
        if block is None:
            return
        if block in self._empty:
            self._empty.discard(block)
            out.append(Piece(block, "{}"))
        out.append(Closed(block))

    def _finish(self, delta: _Delta, out: list[Event]) -> None:
        failure = failure_in(delta.finish_reason, delta.error)
        if failure is not None:
            self._break(failure, out)
            return
        self.ended = True
        self._shut(out)
        for index in list(self._calls):
            self._end(index, out)
        usage = usage_of(delta.usage)
        if usage is not None:
            out.append(Counted(usage))
        out.append(Ended(finish_of(delta.finish_reason, self._made > 0)))
