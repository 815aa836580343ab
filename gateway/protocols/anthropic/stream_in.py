"""Streams, wire → events: https://platform.claude.com/docs/en/build-with-claude/streaming.

The usage of `message_start` and of every `message_delta` is a snapshot; a count that a later one leaves out stays, and
the last stop reason counts. The choice ends with the stream, so that a block which comes late is still inside of it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Began, Cited, Closed, Counted, Ended, Event, Opaque, Opened, Piece, Sealed, Whole
from gateway.protocols.anthropic.citations import citation_of
from gateway.protocols.anthropic.errors import failure_of
from gateway.protocols.anthropic.finishes import finish_of, tier_of, usage_of
from gateway.protocols.decoding import FrameDecoder
from gateway.protocols.framing import SseReader
from gateway.protocols.reading import compact
from gateway.protocols.seals import CLAUDE, unwrap


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    stop_reason: Any = None
    stop_sequence: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_CALL: Final = "tool_call"


class Decoder(FrameDecoder[bytes]):
    """See `contract.StreamDecoder`. A server that gave a stop reason and no `message_stop` is forgiven."""

    __slots__ = ("_cited", "_empty", "_finish", "_kinds", "_sizes", "_usage")

    def __init__(self) -> None:
        super().__init__(SseReader())
        self._kinds: dict[int, str] = {}  # the open blocks
        self._empty: set[int] = set()  # calls without arguments so far
        self._sizes: dict[int, int] = {}  # characters of the open texts
        self._cited: dict[int, list[dict[str, Any]]] = {}  # their citations, which are about the whole of each
        self._usage: dict[str, Any] = {}
        self._finish: Ended | None = None

    def _closed(self, out: list[Event]) -> None:
        if self._finish is not None:
            self._end(out)

    def _end(self, out: list[Event]) -> None:
        """The choice ends, once. A stream without a stop reason says nothing of it."""
        if self.ended:
            return
        self.ended = True
        for block in list(self._kinds):
            self._close(block, out)
        if self._finish is not None:
            out.append(self._finish)

    def _frame(self, data: bytes, out: list[Event]) -> None:
        event = self._decoded(_EVENT, data, "not one of a message", out)
        if event is None:
            return
        delta = event.delta
        match event.type:
            case "content_block_delta":
                if delta is not None:
                    self._piece(event.index, delta, out)
            case "content_block_start":
                self._open(event.index, event.content_block, out)
            case "content_block_stop":
                self._close(event.index, out)
            case "message_start":
                self._begin(event.message, out)
            case "message_delta":
                self._count(event.usage, out)
                if delta is not None and delta.stop_reason is not None:
                    sequence = delta.stop_sequence if isinstance(delta.stop_sequence, str) else None
                    self._finish = Ended(finish_of(delta.stop_reason), 0, sequence)
            case "message_stop":
                self._end(out)
            case "error":
                self._break(failure_of(event.error, None), out)

    def _begin(self, message: Any, out: list[Event]) -> None:
        message = message if isinstance(message, dict) else {}
        usage = message.get("usage")
        self._usage.update(usage if isinstance(usage, dict) else {})
        id_, model = message.get("id"), message.get("model")
        out.append(
            Began(
                id_ if isinstance(id_, str) else "",
                model if isinstance(model, str) else "",
                0,
                usage_of(usage),
                tier_of(self._usage),
            )
        )
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            self._open(index, block, out)  # an answer that began before the stream did

    def _count(self, usage: Any, out: list[Event]) -> None:
        if isinstance(usage, dict):
            self._usage.update({name: value for name, value in usage.items() if value is not None})
            counts = usage_of(self._usage)
            if counts is not None:
                out.append(Counted(counts))

    def _open(self, index: int, block: Any, out: list[Event]) -> None:
        block = block if isinstance(block, dict) else {}
        kind = block.get("type")
        self._close(index, out)  # of a server that numbers its blocks oddly
        match kind:
            case "text":
                self._kinds[index] = "text"
                out.append(Opened(index, "text"))
                if isinstance(block.get("text"), str) and block["text"]:
                    out.append(Piece(index, block["text"]))
                    self._sizes[index] = len(block["text"])
                cited = block.get("citations")
                if isinstance(cited, list) and cited:
                    self._cited[index] = [each for each in cited if isinstance(each, dict)]
            case "thinking":
                self._kinds[index] = "reasoning"
                out.append(Opened(index, "reasoning"))
                if isinstance(block.get("thinking"), str) and block["thinking"]:
                    out.append(Piece(index, block["thinking"]))
                if isinstance(block.get("signature"), str) and block["signature"]:
                    out.append(Sealed(index, unwrap(block["signature"], CLAUDE)))
            case "redacted_thinking":
                self._kinds[index] = "reasoning"
                out.append(Opened(index, "reasoning"))
                if isinstance(block.get("data"), str):
                    out.append(Sealed(index, None, unwrap(block["data"], CLAUDE)))
            case "tool_use":
                self._kinds[index] = _CALL
                self._empty.add(index)
                out.append(Opened(index, _CALL, str(block.get("id") or ""), str(block.get("name") or "")))
                if isinstance(block.get("input"), dict) and block["input"]:
                    self._empty.discard(index)
                    out.append(Piece(index, compact(block["input"])))
            case _:
                self._kinds[index] = "opaque"
                out.append(Whole(index, Opaque(str(kind), block)))

    def _piece(self, index: int, delta: _Delta, out: list[Event]) -> None:
        kind = self._kinds.get(index)
        if delta.text is not None:
            if kind is None:
                self._open(index, {"type": "text"}, out)
            if delta.text and self._kinds.get(index) == "text":
                self._sizes[index] = self._sizes.get(index, 0) + len(delta.text)
                out.append(Piece(index, delta.text))
        elif delta.partial_json is not None:
            if kind == _CALL and delta.partial_json:
                self._empty.discard(index)
                out.append(Piece(index, delta.partial_json))
        elif delta.thinking is not None:
            if kind is None:
                self._open(index, {"type": "thinking"}, out)
            if delta.thinking and self._kinds.get(index) == "reasoning":
                out.append(Piece(index, delta.thinking))
        elif delta.signature is not None:
            if kind == "reasoning" and delta.signature:
                out.append(Sealed(index, unwrap(delta.signature, CLAUDE)))
        elif isinstance(delta.citation, dict) and kind == "text":
            self._cited.setdefault(index, []).append(delta.citation)

    def _close(self, index: int, out: list[Event]) -> None:
        kind = self._kinds.pop(index, None)
        if kind is None or kind == "opaque":
            return
        size = self._sizes.pop(index, 0)
        out.extend(Cited(index, citation_of(each, size)) for each in self._cited.pop(index, ()))
        if index in self._empty:
            self._empty.discard(index)
            out.append(Piece(index, "{}"))
        out.append(Closed(index))
