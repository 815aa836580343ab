"""Streams, wire → events: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html.

Messages of an AWS event stream. A text or reasoning block may begin with its first delta; the signature of a thought
comes last in its block; usage comes in `metadata`, usually after `messageStop`. An exception is a message of its own
type. Tools that Bedrock runs itself come whole, as blocks that only this wire knows.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from gateway.failure import Failure, Kind
from gateway.ir.chat import (
    Began,
    Broke,
    Cited,
    Closed,
    Counted,
    Ended,
    Event,
    Finish,
    Opaque,
    Opened,
    Piece,
    Sealed,
    Whole,
)
from gateway.protocols.bedrock.errors import failure_of
from gateway.protocols.bedrock.finishes import finish_of, redacted_of, signature_of, stopped_by, unreadable, usage_of
from gateway.protocols.bedrock.response import citation_of, hosted, image_of
from gateway.protocols.framing import AwsMessage, AwsReader
from gateway.protocols.reading import Malformed, json_of
from gateway.protocols.tool_ids import made


class _Call(msgspec.Struct, gc=False):
    toolUseId: str | None = None  # noqa: N815 - the wire's names
    name: str | None = None
    type: str | None = None
    input: str | None = None


class _Thought(msgspec.Struct, gc=False):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None  # noqa: N815 - the wire's name


class _Start(msgspec.Struct):
    toolUse: _Call | None = None  # noqa: N815 - the wire's names
    toolResult: Any = None  # noqa: N815
    image: Any = None


class _Delta(msgspec.Struct):
    text: str | None = None
    toolUse: _Call | None = None  # noqa: N815 - the wire's names
    reasoningContent: _Thought | None = None  # noqa: N815
    citation: Any = None
    toolResult: Any = None  # noqa: N815
    image: Any = None


class _BlockStart(msgspec.Struct):
    contentBlockIndex: int = 0  # noqa: N815 - the wire's name
    start: _Start | None = None


class _BlockDelta(msgspec.Struct):
    contentBlockIndex: int = 0  # noqa: N815 - the wire's name
    delta: _Delta | None = None


class _BlockStop(msgspec.Struct):
    contentBlockIndex: int = 0  # noqa: N815 - the wire's name


class _MessageStop(msgspec.Struct):
    stopReason: Any = None  # noqa: N815 - the wire's names
    additionalModelResponseFields: Any = None  # noqa: N815


class _Metadata(msgspec.Struct):
    usage: Any = None


_START: Final = msgspec.json.Decoder(_BlockStart)
_DELTA: Final = msgspec.json.Decoder(_BlockDelta)
_STOP: Final = msgspec.json.Decoder(_BlockStop)
_END: Final = msgspec.json.Decoder(_MessageStop)
_METADATA: Final = msgspec.json.Decoder(_Metadata)
_HIDDEN: Final = ("call", "result", "image")  # kinds of blocks that come whole


class _Block:
    """One open block. `held` is what is said only at its end: a signature, a text's citations (which are about the
    whole of it), or the whole of a hidden block."""

    __slots__ = ("empty", "held", "kind", "number", "raw", "redacted", "size")

    def __init__(self, kind: str, number: int, raw: dict[str, Any] | None = None) -> None:
        self.kind = kind
        self.number = number
        self.raw = raw
        self.empty = True
        self.held: list[Any] = []
        self.redacted: list[str] = []
        self.size = 0  # characters of a text so far


class Decoder:
    """See `contract.StreamDecoder`."""

    __slots__ = ("_began", "_blocks", "_called", "_counted", "_finished", "_numbers", "_reader", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._reader = AwsReader()
        self._blocks: dict[int, _Block] = {}
        self._numbers = 0
        self._began = False
        self._called = False
        self._finished = False
        self._counted = False

    def feed(self, data: bytes) -> list[Event]:
        """The events of the next bytes."""
        out: list[Event] = []
        broken: Malformed | None = None
        try:
            for message in self._reader.feed(data):
                self._message(message, out)
                if out and out[-1].__class__ is Broke:
                    return out
        except Malformed as malformed:
            broken = malformed
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            broken = Malformed("", f"an event of the stream is none of Converse's: {error}")
        broken = broken or self._reader.broken
        if broken is not None:
            out.append(Broke(broken.failed().failure))
        return out

    def close(self) -> list[Event]:
        """The end of the body: a message that has stopped is complete, also without `metadata`."""
        self.ended = self.ended or self._finished
        return []

    def _message(self, message: AwsMessage, out: list[Event]) -> None:
        if self.ended:
            return
        headers, payload = message
        name = headers.get(":event-type")
        if name == "contentBlockDelta" and headers.get(":message-type", "event") == "event":
            event = _DELTA.decode(payload)
            if event.delta is not None and not self._finished:
                self._delta(event.contentBlockIndex, event.delta, out)
            return
        if headers.get(":message-type", "event") != "event" or name is None:
            out.append(Broke(_exception(headers, payload)))
            return
        if not self._began:
            self._begin(out)
        if name == "contentBlockStop":
            self._close(_STOP.decode(payload).contentBlockIndex, out)
        elif name == "contentBlockStart":
            start = _START.decode(payload)
            if start.start is not None and not self._finished:
                self._start(start.contentBlockIndex, start.start, out)
        elif name == "messageStop":
            self._finish(_END.decode(payload), out)
        elif name == "metadata":
            counts = usage_of(_METADATA.decode(payload).usage)
            if counts is not None:
                out.append(Counted(counts))
            self._counted = True
        self.ended = self._finished and self._counted

    def _begin(self, out: list[Event]) -> None:
        self._began = True
        out.append(Began("", ""))

    def _new(self, index: int, kind: str, raw: dict[str, Any] | None = None) -> _Block:
        block = self._blocks[index] = _Block(kind, self._numbers, raw)
        self._numbers += 1
        return block

    def _start(self, index: int, start: _Start, out: list[Event]) -> None:
        self._close(index, out)
        call = start.toolUse
        if call is not None:
            if hosted(call.type):
                self._new(index, "call", {"toolUseId": call.toolUseId, "name": call.name, "type": call.type})
                return
            block = self._new(index, "tool_call")
            self._called = True
            name = call.name or ""
            out.append(Opened(block.number, "tool_call", call.toolUseId or made("", block.number, name), name))
        elif isinstance(start.toolResult, dict):
            self._new(index, "result", start.toolResult)
        elif isinstance(start.image, dict):
            self._new(index, "image", start.image)

    def _open(self, index: int, kind: Literal["text", "reasoning"], out: list[Event]) -> _Block:
        """The open block of this index, if it is of this kind; else a new one."""
        block = self._blocks.get(index)
        if block is not None:
            if block.kind == kind:
                return block
            self._close(index, out)
        if not self._began:
            self._begin(out)
        block = self._new(index, kind)
        out.append(Opened(block.number, kind))
        return block

    def _delta(self, index: int, delta: _Delta, out: list[Event]) -> None:
        text = delta.text
        if text is not None:
            if text:
                block = self._blocks.get(index)
                if block is None or block.kind != "text":
                    block = self._open(index, "text", out)
                block.size += len(text)
                out.append(Piece(block.number, text))
            return
        thought = delta.reasoningContent
        if thought is not None:
            self._think(index, thought, out)
        elif delta.toolUse is not None:
            block = self._blocks.get(index)
            if block is None or block.kind not in ("tool_call", "call"):
                raise Malformed("", "the stream has arguments of a call that never began")
            given = delta.toolUse.input
            if given and block.kind == "tool_call":
                block.empty = False
                out.append(Piece(block.number, given))
            elif given:
                block.held.append(given)
        elif isinstance(delta.citation, dict):
            self._open(index, "text", out).held.append(delta.citation)
        elif delta.toolResult is not None or delta.image is not None:
            hidden = self._blocks.get(index)
            if hidden is not None and hidden.kind in _HIDDEN:
                more = delta.toolResult if delta.toolResult is not None else delta.image
                hidden.held += more if isinstance(more, list) else [more]

    def _think(self, index: int, thought: _Thought, out: list[Event]) -> None:
        if not (thought.text or thought.signature or thought.redactedContent):
            return
        block = self._open(index, "reasoning", out)
        if thought.text:
            out.append(Piece(block.number, thought.text))
        if thought.signature:
            block.held.append(thought.signature)
        if thought.redactedContent:
            block.redacted.append(thought.redactedContent)

    def _close(self, index: int, out: list[Event]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.kind in _HIDDEN:
            part = _whole(block)
            if part is not None:
                out.append(Whole(block.number, part))
            return
        if block.kind == "tool_call" and block.empty:
            out.append(Piece(block.number, "{}"))
        if block.kind == "text":
            out += [Cited(block.number, citation_of(each, block.size)) for each in block.held]
        elif block.held:
            out.append(Sealed(block.number, signature=signature_of("".join(block.held))))
        out += [Sealed(block.number, redacted=redacted_of(each)) for each in block.redacted]
        out.append(Closed(block.number))

    def _finish(self, stop: _MessageStop, out: list[Event]) -> None:
        if self._finished:
            return
        self._finished = True
        for index in sorted(self._blocks):
            self._close(index, out)
        failure = unreadable(stop.stopReason)
        if failure is not None:
            out.append(Broke(failure))
            return
        word = stopped_by(stop.additionalModelResponseFields)
        finish = finish_of(stop.stopReason, self._called)
        if word is not None and finish is Finish.STOP:
            finish = Finish.STOP_SEQUENCE
        out.append(Ended(finish, stopped_by=word))


def _whole(block: _Block) -> Any:
    """A block that came in pieces and is shown as one."""
    raw = block.raw or {}
    if block.kind == "image":
        source = next((each["source"] for each in block.held if isinstance(each, dict) and "source" in each), None)
        return image_of({**raw, "source": source})
    if block.kind == "result":
        return Opaque("tool_result", {"toolResult": {**raw, "content": block.held}})
    text = "".join(block.held)
    try:
        given = json_of(text.encode()) if text else {}
    except Malformed:
        given = text
    return Opaque("server_tool_use", {"toolUse": {**raw, "input": given}})


def _exception(headers: dict[str, str], payload: bytes) -> Failure:
    """The failure of a message that is no event."""
    try:
        body = json_of(payload)
    except Malformed:
        body = None
    name = headers.get(":exception-type") or headers.get(":error-code")
    if not isinstance(body, dict):
        body = {"message": headers.get(":error-message")}
    failure = failure_of(body, name, None)
    if name is None and failure.kind is Kind.BAD_RESPONSE:
        return msgspec.structs.replace(
            failure, message="a message of the stream says neither what it is nor what failed"
        )
    return failure
