"""Streams that pass on this wire: `"error"` and `"finishReason"` are the words that matter.

Every event says its usage so far, so of a run of events only the last one is read for it. The wire has no last event:
a body that ends after a finish reason, or after the refusal of a prompt, is complete.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind
from gateway.ir.chat import Finish
from gateway.protocols.framing import data_of, last_frame_end, split_frames
from gateway.protocols.gemini.errors import failure_of
from gateway.protocols.gemini.finishes import Counts, blocked, counted, finish_of, usage_of
from gateway.protocols.passthrough import Sniffer as Base

_SILENT: Final = frozenset(("thoughtSignature", "thought_signature", "thought", "partMetadata"))


class _Content(msgspec.Struct):
    parts: list[dict[str, msgspec.Raw]] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: Any = None
    prompt_feedback: Any = None
    error: Any = None


class _Counts(msgspec.Struct, rename="camel"):
    usage_metadata: Counts | None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_COUNTS: Final = msgspec.json.Decoder(_Counts)


def _says(candidate: _Candidate) -> bool:
    for part in (candidate.content.parts if candidate.content is not None else None) or ():
        for name, value in part.items():
            if name not in _SILENT and bytes(value) not in (b'""', b"null"):
                return True
    return False


class Sniffer(Base):
    """See `passthrough.Sniffer`. Usage is never stripped: it is in every event."""

    __slots__ = ()

    _end_word = "a finish reason"

    def __init__(self, strip_usage: bool) -> None:
        super().__init__()
        del strip_usage

    def _plain(self, data: bytes) -> bool:
        if b'"error"' in data or b'"finishReason"' in data:
            return False
        if (at := data.rfind(b'"usageMetadata"')) >= 0:
            self._count(split_frames(data[last_frame_end(data[:at]) :])[0])
        return True

    def _count(self, frame: bytes) -> None:
        """The usage that a frame says. One that cannot be read is the client's to complain about."""
        try:
            counts = _COUNTS.decode(data_of(frame) or b"null").usage_metadata
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if counts is not None:
            self.usage = counted(counts)

    def _examine(self, frame: bytes) -> bool:
        data = data_of(frame)
        if not data:
            return True
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._fail(f"an event of the stream is no GenerateContentResponse: {error}")
            return False
        if chunk.error is not None:
            self._broke(failure_of(chunk.error, None))
            return False
        self.usage = usage_of(chunk.usage_metadata) or self.usage
        for candidate in chunk.candidates or ():
            if candidate.finish_reason is not None:
                if not self.content and not _says(candidate):
                    self._unread(candidate.finish_reason)
                self._finished = True
                self.content = self.content or self.failure is None
            elif not self.content and _says(candidate):
                self.content = True
        if blocked(chunk.prompt_feedback):
            self._finished = self.content = True
        return self.failure is None

    def _unread(self, reason: Any) -> None:
        """A call that the model wrote so that nobody can read it, before anything else was said, is worth a retry."""
        if finish_of(reason, called=False) is Finish.MALFORMED_CALL:
            message = "the model wrote a tool call that cannot be read"
            self.failure = Failure(kind=Kind.BAD_RESPONSE, message=message)
