"""Server-sent events, with the oddities that a script asks for: comments between frames, CR LF at the ends of lines."""

from __future__ import annotations

from gateway.sandbox.refusal import Headers
from gateway.sandbox.script import Script

HEADERS: Headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


class Sse:
    """Writes frames."""

    def __init__(self, script: Script) -> None:
        self._end = b"\r\n" if script.crlf else b"\n"
        self._comment = b": the sandbox is thinking" + self._end + self._end if script.comments else b""

    def frame(self, data: bytes, event: str | None = None) -> bytes:
        """A frame; with its `event` line where it has one."""
        end = self._end
        name = b"event: %b%b" % (event.encode(), end) if event is not None else b""
        return b"%b%bdata: %b%b%b" % (self._comment, name, data, end, end)
