"""The other framing of this wire: without `alt=sse` a streamed answer is one JSON array, an element per event.

`ArrayReader` reads it from an upstream, `ArrayFrames` makes it of an event stream for a client.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.protocols.framing import FRAME_MOST, SseReader
from gateway.protocols.reading import Malformed

# Outside of text only braces and quotes matter; inside, escapes and the closing quote.
_OUTSIDE: Final = re.compile(rb'[{}"]')
_INSIDE: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class ArrayReader:
    """Bytes of a JSON array of objects, or of bare objects, however they were cut → the objects."""

    __slots__ = ("_at", "_data", "_depth", "_start")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0  # everything before is read
        self._depth = 0
        self._start = 0  # of the object that is being read

    def feed(self, data: bytes) -> list[bytes]:
        """Every object that is complete now."""
        self._data += data
        data, at, found = self._data, self._at, []
        while (match := _OUTSIDE.search(data, at)) is not None:
            mark = match[0]
            if mark == b'"':
                end = _INSIDE.match(data, match.end())
                if end is None:  # the text goes on in the next bytes, and is read again from its beginning
                    at = match.start()
                    break
                at = end.end()
                continue
            at = match.end()
            if mark == b"{":
                if self._depth == 0:
                    self._start = match.start()
                self._depth += 1
            elif self._depth > 0:
                self._depth -= 1
                if self._depth == 0:
                    found.append(data[self._start : at])
                    self._start = at
        else:
            at = len(data)
        keep = self._start if self._depth else at
        self._data, self._at, self._start = data[keep:], at - keep, 0
        if len(self._data) > FRAME_MOST:
            raise Malformed("", "an element of the stream is larger than 16 MiB")
        return found

    def close(self) -> list[bytes]:
        """Nothing: half an object says nothing."""
        return []


class ArrayFrames:
    """An event stream → the bytes of one JSON array. Comments are left out: an array has no place for them."""

    __slots__ = ("_any", "_reader")

    def __init__(self) -> None:
        self._reader = SseReader()
        self._any = False

    def feed(self, data: bytes) -> bytes:
        """The elements of the events that are complete now."""
        return self._written(self._reader.feed(data))

    def close(self) -> bytes:
        """The end of the array."""
        rest = self._written(self._reader.close())
        return rest + (b"]" if self._any else b"[]")

    def _written(self, events: list[bytes]) -> bytes:
        out = []
        for event in events:
            out.append(b",\r\n" if self._any else b"[")
            out.append(event)
            self._any = True
        return b"".join(out)


def array_frames() -> ArrayFrames:
    """What the server puts behind the encoder, or the sniffer, of a client that asked without `alt=sse`."""
    return ArrayFrames()
