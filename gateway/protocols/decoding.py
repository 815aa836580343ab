"""What every reader of a stream shares: frames as they are complete, one failure at most, nothing after it."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import msgspec

from gateway.failure import Failure, Kind
from gateway.ir.chat import Broke, Event
from gateway.protocols.reading import Malformed

F = TypeVar("F")
T = TypeVar("T")


class Reader(Protocol[F]):
    """Bytes, however they were cut → frames (framing.py). Raises `Malformed`."""

    def feed(self, data: bytes) -> list[F]: ...

    def close(self) -> list[F]: ...


class FrameDecoder(Generic[F]):
    """A `contract.StreamDecoder` over a reader. A wire says what a frame means, and what the end of the body does."""

    __slots__ = ("_broke", "_reader", "ended")

    def __init__(self, reader: Reader[F]) -> None:
        self.ended = False
        self._reader = reader
        self._broke = False

    def feed(self, data: bytes) -> list[Event]:
        """The events of the next bytes."""
        out: list[Event] = []
        try:
            for found in self._reader.feed(data):
                if self.ended or self._broke:
                    break
                self._frame(found, out)
        except Malformed as malformed:
            self._break(malformed.failed().failure, out)
        return out

    def close(self) -> list[Event]:
        """The end of the body. The last frame may lack its end."""
        out: list[Event] = []
        try:
            for found in self._reader.close():
                if self.ended or self._broke:
                    break
                self._frame(found, out)
        except Malformed as malformed:
            self._break(malformed.failed().failure, out)
        if not self.ended and not self._broke:
            self._closed(out)
        return out

    # What a wire says.

    def _frame(self, found: F, out: list[Event]) -> None:
        """Reads one frame."""
        raise NotImplementedError

    def _closed(self, out: list[Event]) -> None:
        """The body has ended without the wire's own last event. A wire may forgive that, and set `ended`."""

    # What all wires share.

    def _break(self, failure: Failure, out: list[Event]) -> None:
        if not self._broke:
            self._broke = True
            out.append(Broke(failure))

    def _decoded(self, decoder: msgspec.json.Decoder[T], data: bytes, what: str, out: list[Event]) -> T | None:
        """The value of a frame; None, and the failure, where it is not `what`."""
        try:
            return decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            message = f"an event of the stream is {what}: {error}"
            self._break(Failure(kind=Kind.BAD_RESPONSE, message=message), out)
            return None
