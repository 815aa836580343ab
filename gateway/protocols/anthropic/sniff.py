"""Streams that pass on the messages wire: `message_delta`, `message_stop` and `error` are the events that matter."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.protocols.anthropic.errors import failure_of
from gateway.protocols.anthropic.finishes import usage_of
from gateway.protocols.framing import data_of
from gateway.protocols.passthrough import Sniffer as Base

_CONTENT: Final = ("content_block_delta", "message_delta")
_BLOCKS: Final = ("text", "thinking")


class _Event(msgspec.Struct):
    type: str = ""
    delta: Any = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)


class Sniffer(Base):
    """See `passthrough.Sniffer`."""

    __slots__ = ("_counts",)

    words = (b'"message_delta"', b'"message_stop"', b'"error"')
    _end_word = "message_stop"

    def __init__(self, _strip_usage: bool) -> None:
        super().__init__()
        self._counts: dict[str, Any] = {}

    def _examine(self, frame: bytes) -> bool:
        data = data_of(frame)
        if data is None:
            return True
        try:
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._fail(f"an event of the stream is not one of a message: {error}")
            return False
        match event.type:
            case "error":
                self._broke(failure_of(event.error, None))
                return False
            case "message_start":
                self._count(event.message.get("usage") if isinstance(event.message, dict) else None)
            case "message_delta":
                self._count(event.usage)
                delta = event.delta if isinstance(event.delta, dict) else {}
                self._finished = self._finished or delta.get("stop_reason") is not None
            case "message_stop":
                self._done = True
                if not self.content:
                    self._fail("the stream ended before it said anything")
            case "content_block_start":
                block = event.content_block
                self.content = self.content or (isinstance(block, dict) and block.get("type") not in _BLOCKS)
        self.content = self.content or event.type in _CONTENT
        return True

    def _closing(self) -> bytes:
        return b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._counts.update({name: value for name, value in usage.items() if value is not None})
            self.usage = usage_of(self._counts)
