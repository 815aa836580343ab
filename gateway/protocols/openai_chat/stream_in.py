"""Streams, wire → events: https://platform.openai.com/docs/api-reference/chat-streaming.

What servers do differently and this reads: tool calls without an index (their place counts), Mistral's calls that all
say index 0 but have ids of their own, a finish reason on every chunk (the last one counts), usage in a chunk of its
own, in the last one, or in Groq's `x_groq`, content as parts, errors as chunks.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Began, Cited, Closed, Counted, Ended, Event, Opened, Piece, Sealed, Whole
from gateway.protocols.decoding import FrameDecoder
from gateway.protocols.framing import SseReader
from gateway.protocols.openai_chat.errors import failure_of
from gateway.protocols.openai_chat.finishes import finish_of, usage_of
from gateway.protocols.openai_chat.reasoning import thoughts_of
from gateway.protocols.openai_chat.request_in import thinking_text
from gateway.protocols.openai_chat.response import citation_of, image_of, signature_of
from gateway.protocols.reading import Fields, compact
from gateway.protocols.tool_ids import made


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None
    input: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: Any = None
    function: _Function | None = None
    custom: _Function | None = None
    extra_content: Any = None


class _Delta(msgspec.Struct):
    content: Any = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    annotations: Any = None
    images: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: Any = None
    logprobs: Any = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    id: Any = None
    model: Any = None
    created: Any = None
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None
    x_groq: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class _Lane:
    """One choice: its open blocks. A call is found by the id that it was begun with, else by its place."""

    __slots__ = ("block", "called", "calls", "empty", "finish", "ids", "kind", "said")

    def __init__(self) -> None:
        self.kind: str | None = None  # of the open block that is no call
        self.block = 0
        self.said = False  # the open block has text
        self.called: list[int] = []  # all calls
        self.calls: dict[Any, int] = {}  # the last call of each place
        self.ids: dict[str, int] = {}
        self.empty: set[int] = set()  # calls without arguments so far
        self.finish: Any = None


class Decoder(FrameDecoder[bytes]):
    """See `contract.StreamDecoder`. A server that gave a finish reason and no [DONE] is forgiven."""

    __slots__ = ("_began", "_blocks", "_id", "_lanes")

    def __init__(self) -> None:
        super().__init__(SseReader())
        self._lanes: dict[int, _Lane] = {}
        self._began = False
        self._blocks = 0
        self._id = ""

    def _closed(self, out: list[Event]) -> None:
        if any(lane.finish is not None for lane in self._lanes.values()):
            self._finish(out)

    def _frame(self, data: bytes, out: list[Event]) -> None:
        if data == b"[DONE]":
            self._finish(out)
            return
        chunk = self._decoded(_CHUNK, data, "not a chat completion chunk", out)
        if chunk is None:
            return
        if chunk.error is not None:
            self._break(failure_of(chunk.error, None), out)
            return
        if not self._began:
            self._begin(chunk, out)
        for choice in chunk.choices or ():
            self._choice(choice, out)
        usage = chunk.usage
        if usage is None and isinstance(chunk.x_groq, dict):
            usage = chunk.x_groq.get("usage")
        counts = usage_of(usage)
        if counts is not None:
            out.append(Counted(counts))

    def _begin(self, chunk: _Chunk, out: list[Event]) -> None:
        self._began = True
        self._id = chunk.id if isinstance(chunk.id, str) else ""
        created = chunk.created if isinstance(chunk.created, int | float) else 0
        model = chunk.model if isinstance(chunk.model, str) else ""
        tier = chunk.service_tier if isinstance(chunk.service_tier, str) else None
        out.append(Began(self._id, model, int(created), None, tier))

    def _choice(self, choice: _Choice, out: list[Event]) -> None:
        lane = self._lanes.get(choice.index)
        if lane is None:
            lane = self._lanes[choice.index] = _Lane()
        delta = choice.delta
        if delta is not None:
            content = delta.content
            if (
                delta.reasoning_content is not None
                or delta.reasoning is not None
                or delta.reasoning_details is not None
            ):
                self._reason(lane, choice.index, delta, out)
            if content:
                if isinstance(content, str):
                    self._say(lane, choice.index, "text", content, out, _logprobs(choice.logprobs, "content"))
                elif isinstance(content, list):
                    self._parts(lane, choice.index, content, out)
            if delta.refusal:
                self._say(lane, choice.index, "refusal", delta.refusal, out, _logprobs(choice.logprobs, "refusal"))
            if delta.tool_calls:
                for place, call in enumerate(delta.tool_calls):
                    self._call(lane, choice.index, place, call, out)
            elif delta.function_call is not None:
                self._call(lane, choice.index, 0, _Call(index=0, function=delta.function_call), out)
            if delta.annotations or delta.images:
                self._attached(lane, choice.index, delta, out)
        elif choice.text:
            self._say(lane, choice.index, "text", choice.text, out, None)
        if choice.finish_reason:  # some say "" until there is one
            lane.finish = choice.finish_reason

    def _open(self, lane: _Lane, kind: Any, choice: int, out: list[Event]) -> int:
        """The number of a new block of this kind; the one before is closed."""
        self._shut(lane, out)
        lane.kind, lane.block, lane.said = kind, self._blocks, False
        self._blocks += 1
        out.append(Opened(lane.block, kind, choice=choice))
        return lane.block

    def _shut(self, lane: _Lane, out: list[Event]) -> None:
        if lane.kind is not None:
            out.append(Closed(lane.block))
            lane.kind = None

    def _say(self, lane: _Lane, choice: int, kind: str, text: str, out: list[Event], logprobs: Any) -> None:
        block = lane.block if lane.kind == kind else self._open(lane, kind, choice, out)
        lane.said = True
        out.append(Piece(block, text, logprobs))

    def _reason(self, lane: _Lane, choice: int, delta: _Delta, out: list[Event]) -> None:
        fields = {
            "reasoning_content": delta.reasoning_content,
            "reasoning": delta.reasoning,
            "reasoning_details": delta.reasoning_details,
        }
        for thought in thoughts_of(Fields(fields, "delta")):
            if thought.text:
                self._say(lane, choice, "reasoning", thought.text, out, None)
            if thought.signature is not None or thought.redacted is not None:
                if lane.kind != "reasoning" or (thought.redacted is not None and lane.said):
                    self._open(lane, "reasoning", choice, out)
                out.append(Sealed(lane.block, thought.signature, thought.redacted))
                self._shut(lane, out)

    def _parts(self, lane: _Lane, choice: int, content: list[Any], out: list[Event]) -> None:
        for part in content:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "thinking":
                text = thinking_text(part.get("thinking"))
                if text:
                    self._say(lane, choice, "reasoning", text, out, None)
            elif isinstance(part.get("text"), str) and part["text"]:
                self._say(lane, choice, "text", part["text"], out, None)

    def _call(self, lane: _Lane, choice: int, place: int, call: _Call, out: list[Event]) -> None:
        function = call.function or call.custom or _Function()
        id_ = call.id if isinstance(call.id, str) and call.id not in ("", "null") else None
        key: Any = call.index if call.index is not None else ("place", place)
        block = lane.ids.get(id_) if id_ is not None else None
        if block is None and not (function.name and (id_ is not None or call.index is None)):
            block = lane.calls.get(key)
            if block is None and call.index is None and not function.name and lane.called:
                block = lane.called[-1]
        if block is None:
            self._shut(lane, out)
            block = self._blocks
            self._blocks += 1
            name = function.name or ""
            opened = id_ or made(self._id, block, name)
            lane.calls[key] = lane.ids[opened] = block
            lane.called.append(block)
            lane.empty.add(block)
            extra = {"extra_content": call.extra_content} if call.extra_content is not None else {}
            out.append(Opened(block, "tool_call", opened, name, choice, call.custom is not None, signature_of(extra)))
        given = function.input if call.custom is not None else function.arguments
        if given:
            lane.empty.discard(block)
            out.append(Piece(block, given if isinstance(given, str) else compact(given)))

    def _attached(self, lane: _Lane, choice: int, delta: _Delta, out: list[Event]) -> None:
        annotations = delta.annotations if isinstance(delta.annotations, list) else []
        for each in annotations:
            if isinstance(each, dict):
                block = lane.block if lane.kind == "text" else self._open(lane, "text", choice, out)
                out.append(Cited(block, citation_of(each)))
        for each in delta.images if isinstance(delta.images, list) else []:
            image = image_of(each)
            if image is not None:
                self._shut(lane, out)
                out.append(Whole(self._blocks, image, choice))
                self._blocks += 1

    def _finish(self, out: list[Event]) -> None:
        """Every choice ends. A stream without any choice says nothing, and its reader will know."""
        self.ended = True
        for index, lane in sorted(self._lanes.items()):
            self._shut(lane, out)
            for block in lane.called:
                if block in lane.empty:
                    out.append(Piece(block, "{}"))
                out.append(Closed(block))
            if lane.finish is not None or lane.called or self._blocks:
                out.append(Ended(finish_of(lane.finish, bool(lane.called)), index))


def _logprobs(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
