"""Streams: SSE frames that go by, watched for content, usage, errors and the end.

Until the first content-bearing frame each frame is decoded, so that a stream that fails before it has said anything
can be given up without the client knowing. From then on bytes are forwarded in runs of whole frames, and a frame is
decoded only where the run holds a word that can matter: `"usage"`, `"error"`, `[DONE]`. Inside JSON text a quote is
always escaped, so content cannot imitate these words. Bounds: 1 MiB before content, 16 MiB for one frame.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind
from gateway.ir.usage import Usage
from gateway.protocols.framing import data_of, last_frame_end, split_frames
from gateway.protocols.openai_chat.errors import failure_of
from gateway.protocols.openai_chat.response import usage_of

_HELD_MOST: Final = 1 << 20
_FRAME_MOST: Final = 16 << 20
_EMPTY: Final = frozenset((b"null", b'""', b"[]", b"{}"))
_DONE: Final = b"data: [DONE]\n\n"


class _Choice(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def _bears_content(chunk: _Chunk) -> bool:
    for choice in chunk.choices or ():
        if choice.finish_reason is not None or choice.text:
            return True
        for name, value in (choice.delta or {}).items():
            if name != "role" and bytes(value) not in _EMPTY:
                return True
    return False


class Sniffer:
    """See `contract.StreamSniffer`."""

    __slots__ = ("_done", "_finished", "_held", "_partial", "_size", "_strip", "content", "failure", "usage")

    def __init__(self, strip_usage: bool) -> None:
        self.content = False
        self.usage: Usage | None = None
        self.failure: Failure | None = None
        self._strip = strip_usage
        self._partial: list[bytes] = []
        self._size = 0
        self._held: list[bytes] = []
        self._done = False
        self._finished = False

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns whole frames for the client, b"" while there are none."""
        if b"\n" not in data and b"\r" not in data:  # the middle of a long frame: joined once, at its end
            self._keep(data)
            return b""
        if self._partial:
            data = b"".join((*self._partial, data))
            self._partial.clear()
            self._size = 0
        cut = last_frame_end(data)
        if cut != len(data):
            self._keep(data[cut:])
            data = data[:cut]
        if not data or self.failure is not None:
            return b""
        if self.content:
            return self._forward(data)
        return self._open(data)

    def finish(self) -> bytes:
        """Takes the end of the body; the last bytes for the client."""
        if self.failure is not None:
            return b""
        out = b""
        partial = b"".join(self._partial)
        if partial.strip():  # the last frame lacks its blank line
            data = partial.rstrip(b"\r\n") + b"\n\n"
            self._partial.clear()
            out = self._forward(data) if self.content else self._open(data)
            if self.failure is not None:
                return b""
        if not self.content:
            self._fail("the stream ended before it said anything")
        elif not self._done:
            if self._finished:
                self._done = True
                return out + _DONE
            self.failure = Failure(
                kind=Kind.INTERRUPTED, message="the stream ended without a finish reason and without [DONE]"
            )
        return out

    def _keep(self, partial: bytes) -> None:
        self._partial.append(partial)
        self._size += len(partial)
        if self._size > _FRAME_MOST:
            self._fail("one event of the stream is larger than 16 MiB")

    def _fail(self, message: str) -> None:
        kind = Kind.INTERRUPTED if self.content else Kind.BAD_RESPONSE
        self.failure = Failure(kind=kind, message=message)

    def _open(self, data: bytes) -> bytes:
        """Frames before content: each is decoded; all are held until one bears content."""
        frames = split_frames(data)
        for index, frame in enumerate(frames):
            keep = self._examine(frame)
            if self.failure is not None:
                return b""
            if keep:
                self._held.append(frame)
            if self.content:
                rest = b"".join(frames[index + 1 :])
                opening, self._held = b"".join(self._held), []
                return opening + (self._forward(rest) if rest else b"")
        if sum(map(len, self._held)) > _HELD_MOST:
            self._fail("the stream sent 1 MiB without content")
        return b""

    def _forward(self, data: bytes) -> bytes:
        """Frames after content: forwarded as they are but where a word in them matters."""
        last = data.rfind(b'"usage"')
        plain = last < 0 or data[last + 7 : last + 16].lstrip(b" \t:").startswith(b"null")
        if plain and b"[DONE]" not in data and b'"error"' not in data:
            if not self._finished:
                at = data.rfind(b'"finish_reason"')
                self._finished = at >= 0 and not data[at + 15 : at + 24].lstrip(b" \t:").startswith(b"null")
            return data
        kept: list[bytes] = []
        for frame in split_frames(data):
            if self._examine(frame):
                kept.append(frame)
            if self.failure is not None:
                break
        return b"".join(kept)

    def _examine(self, frame: bytes) -> bool:
        """Decodes one frame; whether the client is to see it."""
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
            failure = failure_of(chunk.error, None)
            if self.content:
                failure = msgspec.structs.replace(failure, kind=Kind.INTERRUPTED)
            self.failure = failure
            return False
        usage = usage_of(chunk.usage)
        if usage is not None:
            self.usage = usage
        if _bears_content(chunk):
            self.content = True
        for choice in chunk.choices or ():
            if choice.finish_reason is not None:
                self._finished = True
        return not (self._strip and usage is not None and not chunk.choices)
