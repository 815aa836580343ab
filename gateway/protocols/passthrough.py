"""Answers that pass: frames that go by, watched for content, usage, errors and the end.

Until the first content-bearing frame each frame is decoded, so that a stream that fails before it has said anything
can be given up without the client knowing. From then on bytes are forwarded in runs of whole frames, and a frame is
decoded only where it holds a word that can matter, which each wire names; so what becomes of a frame does not depend on
how the bytes were cut. Inside JSON text a quote is always escaped, so content cannot imitate these words. Bounds: 1 MiB
before content, 16 MiB for one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.failure import Failure, Kind
from gateway.ir.usage import Usage
from gateway.protocols.framing import FRAME_MOST, last_frame_end, split_frames

_HELD_MOST: Final = 1 << 20


class Sniffer:
    """See `contract.StreamSniffer`. A wire says which words matter, and what a frame means (`_examine`).

    `_done`: the wire's own last frame has passed. `_finished`: the answer is complete, whatever still follows.
    """

    __slots__ = ("_done", "_finished", "_held", "_partial", "_size", "content", "failure", "usage")

    words: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self.content = False
        self.usage: Usage | None = None
        self.failure: Failure | None = None
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
        cut = self._cut(data)
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
        if partial.strip():  # the last frame lacks its end
            data = self._ended(partial.rstrip(b"\r\n"))
            self._partial.clear()
            out = self._forward(data) if self.content else self._open(data)
            if self.failure is not None:
                return b""
        if not self.content:
            self._fail("the stream ended before it said anything")
        elif not self._done:
            if self._finished:
                self._done = True
                return out + self._closing()
            self._fail(f"the stream ended without {self._end_word}")
        return out

    # What a wire says.

    _end_word: str = "its last event"

    def _examine(self, frame: bytes) -> bool:
        """Decodes one frame; whether the client is to see it."""
        raise NotImplementedError

    def _plain(self, data: bytes) -> bool:
        """Whether a run of frames after the first content holds nothing that matters."""
        return not any(word in data for word in self.words)

    def _cut(self, data: bytes) -> int:
        return last_frame_end(data)

    def _split(self, data: bytes) -> Sequence[bytes]:
        return split_frames(data)

    def _ended(self, frame: bytes) -> bytes:
        return frame + b"\n\n"

    def _closing(self) -> bytes:
        return b""

    # What all wires share.

    def _keep(self, partial: bytes) -> None:
        self._partial.append(partial)
        self._size += len(partial)
        if self._size > FRAME_MOST:
            self._fail("one event of the stream is larger than 16 MiB")

    def _fail(self, message: str) -> None:
        kind = Kind.INTERRUPTED if self.content else Kind.BAD_RESPONSE
        self.failure = Failure(kind=kind, message=message)

    def _broke(self, failure: Failure) -> None:
        """The stream carries an error."""
        self.failure = msgspec.structs.replace(failure, kind=Kind.INTERRUPTED) if self.content else failure

    def _open(self, data: bytes) -> bytes:
        """Frames before content: each is decoded; all are held until one bears content."""
        frames = self._split(data)
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
        if self._plain(data):
            return data
        kept: list[bytes] = []
        for frame in self._split(data):
            if self._plain(frame) or self._examine(frame):
                kept.append(frame)
            if self.failure is not None:
                break
        return b"".join(kept)


class LineSniffer(Sniffer):
    """The same for newline-delimited JSON."""

    __slots__ = ()

    def _cut(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _split(self, data: bytes) -> Sequence[bytes]:
        return data.splitlines(keepends=True)

    def _ended(self, frame: bytes) -> bytes:
        return frame + b"\n"
