"""Framing over bytes: SSE, newline-delimited JSON, AWS event streams; where frames end, and what they carry.

An SSE frame ends at a blank line; the lines of one stream end in \\n, \\r\\n or \\r (WHATWG HTML §9.2.6). Providers use
\\n or \\r\\n. The bytes are never decoded as text here, so no split can tear a character.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple
from zlib import crc32

from gateway.protocols.reading import Malformed

_PRELUDE: Final = struct.Struct(">III")
_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def last_frame_end(data: bytes) -> int:
    """The position after the last complete frame in `data`, 0 where there is none."""
    end = data.rfind(b"\n\n")
    end = end + 2 if end >= 0 else 0
    if b"\r" in data:
        crlf = data.rfind(b"\r\n\r\n")
        end = max(end, crlf + 4 if crlf >= 0 else 0)
        cr = data.rfind(b"\r\r")
        end = max(end, cr + 2 if cr >= 0 else 0)
    return end


def split_frames(data: bytes) -> list[bytes]:
    """Whole frames, each with its own blank line, in order; their concatenation is `data`."""
    if b"\r" not in data:
        *whole, rest = data.split(b"\n\n")
        frames = [frame + b"\n\n" for frame in whole]
        if rest:
            frames.append(rest)
        return frames
    frames = []
    start = 0
    for match in _END.finditer(data):
        frames.append(data[start : match.end()])
        start = match.end()
    if start < len(data):
        frames.append(data[start:])
    return frames


def data_of(frame: bytes) -> bytes | None:
    """The `data` of one frame, several lines joined by \\n; None for comments and frames without data."""
    return _data(frame.rstrip(b"\r\n"))


def _data(frame: bytes) -> bytes | None:
    """The same of a frame without its end. Most are one line, or one after the event's name."""
    breaks = frame.count(b"\n")
    if breaks == 0 and frame.startswith(b"data:") and b"\r" not in frame:
        return frame[5:].strip()
    if breaks == 1 and frame.startswith(b"event:") and b"\r" not in frame:
        data = frame.partition(b"\n")[2]
        return data[5:].strip() if data.startswith(b"data:") else None if data != b"data" else b""
    lines = []
    for line in frame.splitlines():
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines).strip() if lines else None


FRAME_MOST: Final = 16 << 20


class SseReader:
    """Bytes of an event stream, however they were cut → the data of its events."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The data of every event that is complete now; comments and events without data are left out."""
        if self._parts:
            if b"\n" not in data and b"\r" not in data:
                self._keep(data)
                return []
            self._parts.append(data)
            data = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
        if b"\r" not in data:
            data, end, rest = data.rpartition(b"\n\n")
            if rest:
                self._keep(rest)
            return [found for part in data.split(b"\n\n") if (found := _data(part)) is not None] if end else []
        cut = last_frame_end(data)
        if cut != len(data):
            self._keep(data[cut:])
            data = data[:cut]
        return [found for frame in split_frames(data) if (found := data_of(frame)) is not None] if data else []

    def close(self) -> list[bytes]:
        """The last event, where it lacks its blank line."""
        rest = b"".join(self._parts)
        self._parts.clear()
        found = data_of(rest.rstrip(b"\r\n") + b"\n\n") if rest.strip() else None
        return [found] if found is not None else []

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > FRAME_MOST:
            raise Malformed("", "an event of the stream is larger than 16 MiB")


class LineReader:
    """Bytes of newline-delimited JSON, however they were cut → its lines."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Every line that is complete now, empty ones left out."""
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._keep(data)
            return []
        lines = b"".join((*self._parts, head)).split(b"\n")
        self._parts.clear()
        self._size = 0
        if rest:
            self._keep(rest)
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """The last line, where it lacks its end."""
        rest = b"".join(self._parts).strip()
        self._parts.clear()
        return [rest] if rest else []

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > FRAME_MOST:
            raise Malformed("", "a line of the stream is larger than 16 MiB")


class AwsMessage(NamedTuple):
    """One message of an AWS event stream: its string headers and its payload."""

    headers: dict[str, str]
    payload: bytes


class AwsReader:
    """Bytes of `application/vnd.amazon.eventstream`, however they were cut → messages.

    Format: https://smithy.io/2.0/aws/amazon-eventstream.html: total length, header length, CRC32 of these two,
    headers, payload, CRC32 of everything before. Both sums are checked. `broken` is what is wrong with the bytes after
    the messages that were found; nothing more is fed then.
    """

    __slots__ = ("_held", "_seen", "broken")

    def __init__(self) -> None:
        self.broken: Malformed | None = None
        self._held = b""
        self._seen: dict[bytes, dict[str, str]] = {}  # the same few headers come again and again

    def feed(self, data: bytes) -> list[AwsMessage]:
        """Every message that is complete now; `broken` is set by what is no message."""
        data = self._held + data if self._held else data
        found: list[AwsMessage] = []
        at = 0
        while len(data) - at >= 12:
            total, headers, check = _PRELUDE.unpack_from(data, at)
            if total < 16 or headers > total - 16 or total > FRAME_MOST or crc32(data[at : at + 8]) != check:
                self.broken = Malformed("", "a message of the stream has a broken beginning")
                break
            if len(data) - at < total:
                break
            message = data[at : at + total]
            if crc32(message[:-4]) != int.from_bytes(message[-4:], "big"):
                self.broken = Malformed("", "a message of the stream has a wrong checksum")
                break
            try:
                found.append(AwsMessage(self._headers(message[12 : 12 + headers]), message[12 + headers : -4]))
            except Malformed as malformed:
                self.broken = malformed
                break
            at += total
        self._held = data[at:]
        return found

    def close(self) -> list[AwsMessage]:
        """Nothing: half a message says nothing."""
        return []

    def _headers(self, data: bytes) -> dict[str, str]:
        known = self._seen.get(data)
        if known is None:
            known = _aws_headers(data)
            if len(self._seen) < 16:
                self._seen[data] = known
        return known


# Sizes of the header values that are not strings, by type: booleans, byte, short, int, long, timestamp, UUID.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


def _aws_headers(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            length = data[at]
            name = data[at + 1 : at + 1 + length].decode()
            kind = data[at + 1 + length]
            at += 2 + length
            if kind in (6, 7):
                size = int.from_bytes(data[at : at + 2], "big")
                if kind == 7:
                    headers[name] = data[at + 2 : at + 2 + size].decode()
                at += 2 + size
            else:
                at += _SIZES[kind]
    except (IndexError, KeyError, UnicodeDecodeError):
        raise Malformed("", "a message of the stream has headers that cannot be read") from None
    return headers
