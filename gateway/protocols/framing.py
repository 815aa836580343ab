"""SSE framing over bytes: where frames end, and what they carry.

A frame ends at a blank line; the lines of one stream end in \\n, \\r\\n or \\r (WHATWG HTML §9.2.6). Providers use \\n
or \\r\\n. The bytes are never decoded as text here, so no split can tear a character.
"""

from __future__ import annotations

import re
from typing import Final

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
    frames: list[bytes] = []
    start = 0
    for match in _END.finditer(data):
        frames.append(data[start : match.end()])
        start = match.end()
    if start < len(data):
        frames.append(data[start:])
    return frames


def data_of(frame: bytes) -> bytes | None:
    """The `data` of one frame, several lines joined by \\n; None for comments and frames without data."""
    if frame.startswith(b"data:") and frame.count(b"\n") <= 2 and b"\r" not in frame:
        return frame[5:].strip()
    lines = []
    for line in frame.splitlines():
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines).strip() if lines else None
