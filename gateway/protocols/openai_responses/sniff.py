"""Streams that pass on the responses wire: the last event (`response.completed` and its like) and errors matter."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.protocols.framing import data_of
from gateway.protocols.openai_responses.errors import failure_of
from gateway.protocols.openai_responses.finishes import usage_of
from gateway.protocols.passthrough import Sniffer as Base


class _Response(msgspec.Struct):
    status: Any = None
    usage: Any = None
    error: Any = None


class _Item(msgspec.Struct):
    type: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    delta: Any = None
    item: _Item | None = None
    response: _Response | None = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_LAST: Final = ("response.completed", "response.incomplete", "response.cancelled")
_CALLS: Final = ("function_call", "custom_tool_call")


def _done(kind: Any) -> bool:
    return bool(kind == "response.output_item.done")


class Sniffer(Base):
    """See `passthrough.Sniffer`. A stream of this wire always says its usage; nothing is stripped."""

    __slots__ = ()

    words = (b"response.completed", b"response.incomplete", b"response.failed", b"response.cancelled", b'"error"')
    _end_word = "response.completed"

    def __init__(self, _strip_usage: bool = False) -> None:
        super().__init__()

    def _examine(self, frame: bytes) -> bool:
        data = data_of(frame)
        if data is None or data == b"[DONE]":
            return True
        try:
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._fail(f"an event of the stream cannot be read: {error}")
            return False
        kind = event.type
        if kind == "error" or event.error is not None:
            plain = {"code": event.code, "message": event.message, "param": event.param}
            self._broke(failure_of(event.error if event.error is not None else plain))
            return False
        response = event.response
        if kind == "response.failed":
            self._broke(failure_of(response.error if response is not None else None))
            return False
        if kind in _LAST:
            self.content = self._done = True
            if response is not None:
                self.usage = usage_of(response.usage) or self.usage
        elif event.delta:
            self.content = True
        elif event.item is not None:  # a call that begins, or whatever is complete and not a thought kept secret
            begun = kind == "response.output_item.added" and event.item.type in _CALLS
            self.content = self.content or begun or (_done(kind) and event.item.type != "reasoning")
        return True
