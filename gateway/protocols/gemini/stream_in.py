"""Streams, wire → events: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent.

Every event is a GenerateContentResponse of its own with more parts; functions are called whole. Neither framing has a
last event, so an answer ends where the body does after a finish reason: it may stand in an event without content, on
every event (the last one counts), or before an event that only counts. Counts are snapshots.
"""

from __future__ import annotations

from typing import Any, Final

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
    Media,
    Opaque,
    Opened,
    Piece,
    Reasoning,
    Sealed,
    Text,
    ToolCall,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.framing import SseReader
from gateway.protocols.gemini.citations import citations_of
from gateway.protocols.gemini.errors import failure_of
from gateway.protocols.gemini.finishes import Counts, blocked, counted, finish_of, logprobs_of
from gateway.protocols.gemini.framing import ArrayReader
from gateway.protocols.gemini.parts import parts_of
from gateway.protocols.gemini.response import epoch
from gateway.protocols.gemini.shapes import Answering, tier_of
from gateway.protocols.reading import Malformed
from gateway.protocols.seals import GEMINI, unwrap


class _Part(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: Any = None
    inline_data: Any = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: Any = None
    index: int = 0
    grounding_metadata: Any = None
    citation_metadata: Any = None
    logprobs_result: Any = None


class _Chunk(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Candidate] | None = None
    usage_metadata: Counts | None = None
    model_version: Any = None
    response_id: Any = None
    prompt_feedback: Any = None
    create_time: Any = None
    error: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_CHUNKS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Loose(msgspec.Struct):
    candidates: Any = None


_LOOSE: Final = msgspec.json.Decoder(_Loose)


class _Lane:
    """One candidate: its open block, and what its end needs to know."""

    __slots__ = ("block", "called", "citing", "finish", "grounding", "kind", "texts")

    def __init__(self) -> None:
        self.kind: str | None = None
        self.block = 0
        self.called = False
        self.finish: Any = None
        self.grounding: Any = None
        self.citing: Any = None
        self.texts: list[str] = []


class Decoder:
    """See `contract.StreamDecoder`. `ended` is set by `close`: the body's end is the answer's."""

    __slots__ = ("_began", "_blocked", "_blocks", "_ids", "_lanes", "_reader", "_usage", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._reader: SseReader | ArrayReader | None = None
        self._lanes: dict[int, _Lane] = {}
        self._began = False
        self._blocked = False
        self._blocks = 0
        self._ids = Answering("")
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events of the next bytes, in either framing."""
        out: list[Event] = []
        reader = self._reader
        if reader is None:
            data = data.lstrip()
            if not data:
                return out
            reader = self._reader = ArrayReader() if data[:1] in (b"[", b"{") else SseReader()
        try:
            for found in reader.feed(data):
                if not self._frame(found, out):
                    break
        except Malformed as malformed:
            out.append(Broke(malformed.failed().failure))
        return out

    def close(self) -> list[Event]:
        """The end of the body, and of the answer where it gave a finish reason or refused the prompt."""
        out: list[Event] = []
        try:
            for found in self._reader.close() if self._reader is not None else ():
                if not self._frame(found, out):
                    return out
        except Malformed as malformed:
            return [*out, Broke(malformed.failed().failure)]
        if not self.ended and (self._blocked or any(lane.finish is not None for lane in self._lanes.values())):
            self._finish(out)
        return out

    def _frame(self, data: bytes, out: list[Event]) -> bool:
        """One event; whether the stream goes on."""
        try:
            if data[:1] == b"[":  # an event, or an error, alone in an array
                return all(self._frame(bytes(each), out) for each in _CHUNKS.decode(data))
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            if data == b"[DONE]":  # what some that imitate Gemini send
                return True
            message = f"an event of the stream is no GenerateContentResponse: {error}"
            out.append(Broke(Failure(kind=Kind.BAD_RESPONSE, message=message)))
            return False
        if chunk.error is not None:
            out.append(Broke(failure_of(chunk.error, None)))
            return False
        if not self._began:
            self._begin(chunk, out)
        for place, candidate in enumerate(chunk.candidates or ()):
            self._candidate(candidate, data, place, out)
        if chunk.usage_metadata is not None:
            usage = counted(chunk.usage_metadata)
            if usage != self._usage:
                self._usage = usage
                out.append(Counted(usage))
        if chunk.prompt_feedback is not None and blocked(chunk.prompt_feedback):
            self._blocked = True
        return True

    def _begin(self, chunk: _Chunk, out: list[Event]) -> None:
        self._began = True
        id_ = chunk.response_id if isinstance(chunk.response_id, str) else ""
        self._ids.salt = id_
        model = chunk.model_version if isinstance(chunk.model_version, str) else ""
        given = chunk.usage_metadata
        tier = tier_of(given.service_tier) if given is not None else None
        out.append(Began(id_, model, epoch(chunk.create_time), None, tier))

    def _candidate(self, candidate: _Candidate, data: bytes, place: int, out: list[Event]) -> None:
        choice = candidate.index
        lane = self._lanes.get(choice)
        if lane is None:
            lane = self._lanes[choice] = _Lane()
        if candidate.content is not None and candidate.content.parts:
            rows = logprobs_of(candidate.logprobs_result) if candidate.logprobs_result is not None else None
            for at, part in enumerate(candidate.content.parts):
                text = part.text
                if text is None or part.function_call is not None:
                    self._other(lane, choice, part, data, place, at, out)
                    continue
                if text:
                    kind = "reasoning" if part.thought else "text"
                    block = lane.block if lane.kind == kind else self._open(lane, kind, choice, out)
                    if kind == "text":
                        lane.texts.append(text)
                        out.append(Piece(block, text, rows))
                        rows = None
                    else:
                        out.append(Piece(block, text))
                if part.thought_signature:
                    self._seal(lane, choice, part, out)
        if candidate.finish_reason is not None:
            lane.finish = candidate.finish_reason
        if candidate.grounding_metadata is not None:
            lane.grounding = candidate.grounding_metadata
        if candidate.citation_metadata is not None:
            lane.citing = candidate.citation_metadata

    def _open(self, lane: _Lane, kind: Any, choice: int, out: list[Event]) -> int:
        """The number of a new block of this kind; the one before is closed."""
        self._shut(lane, out)
        lane.kind, lane.block = kind, self._blocks
        self._blocks += 1
        out.append(Opened(lane.block, kind, choice=choice))
        return lane.block

    def _shut(self, lane: _Lane, out: list[Event]) -> None:
        if lane.kind is not None:
            out.append(Closed(lane.block))
            lane.kind = None

    def _seal(self, lane: _Lane, choice: int, part: _Part, out: list[Event]) -> None:
        kind = "reasoning" if part.thought else "text"
        block = lane.block if lane.kind == kind else self._open(lane, kind, choice, out)
        out.append(Sealed(block, unwrap(part.thought_signature or "", GEMINI)))
        self._shut(lane, out)

    def _other(self, lane: _Lane, choice: int, part: _Part, data: bytes, place: int, at: int, out: list[Event]) -> None:
        """A part that is no text, read as in whole answers."""
        if part.function_call is None and part.inline_data is None and part.thought_signature and _bare(part):
            self._seal(lane, choice, part, out)
            return
        for read in parts_of([_raw(data, place, at)], "parts", self._ids):
            match read:
                case ToolCall():
                    self._shut(lane, out)
                    block, self._blocks = self._blocks, self._blocks + 1
                    out.append(Opened(block, "tool_call", read.id, read.name, choice, False, read.signature))
                    out.append(Piece(block, read.arguments))
                    out.append(Closed(block))
                    lane.called = True
                case Media() | Opaque():
                    self._shut(lane, out)
                    out.append(Whole(self._blocks, read, choice))
                    self._blocks += 1
                case Text(text) | Reasoning(text=text) if text:
                    kind = "text" if isinstance(read, Text) else "reasoning"
                    block = lane.block if lane.kind == kind else self._open(lane, kind, choice, out)
                    out.append(Piece(block, text))

    def _finish(self, out: list[Event]) -> None:
        """Every candidate ends. A prompt that was refused has none, and ends as one that was filtered."""
        self.ended = True
        if not self._lanes:
            out.append(Ended(Finish.CONTENT_FILTER))
        for index, lane in sorted(self._lanes.items()):
            if lane.grounding is not None or lane.citing is not None:
                self._cite(lane, index, out)
            self._shut(lane, out)
            refused = self._blocked and lane.finish is None
            out.append(Ended(Finish.CONTENT_FILTER if refused else finish_of(lane.finish, lane.called), index))

    def _cite(self, lane: _Lane, choice: int, out: list[Event]) -> None:
        citations = citations_of(lane.grounding, lane.citing, "".join(lane.texts))
        if not citations:
            return
        block = lane.block if lane.kind == "text" else self._open(lane, "text", choice, out)
        out.extend(Cited(block, citation) for citation in citations)


def _bare(part: _Part) -> bool:
    """Whether a part holds nothing but its signature."""
    return part.file_data is None and all(
        each is None for each in (part.executable_code, part.code_execution_result, part.tool_call, part.tool_response)
    )


def _raw(data: bytes, place: int, at: int) -> Any:
    """A part as it was written, for parts that are rare."""
    try:
        return _LOOSE.decode(data).candidates[place]["content"]["parts"][at]
    except (msgspec.DecodeError, LookupError, TypeError, RecursionError):
        return {}
