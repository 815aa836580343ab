"""Streams that pass on Ollama's wire: the line with `done` and a line with `error` are what matters."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.protocols.ollama.errors import failure_of
from gateway.protocols.ollama.finishes import usage_of
from gateway.protocols.passthrough import LineSniffer

_EMPTY: Final = frozenset((b"null", b'""', b"[]"))


class _Line(msgspec.Struct):
    message: dict[str, msgspec.Raw] | None = None
    done: bool | None = None
    prompt_eval_count: Any = None
    prompt_eval_cached_count: Any = None
    eval_count: Any = None
    error: Any = None


_LINE: Final = msgspec.json.Decoder(_Line)


class Sniffer(LineSniffer):
    """See `passthrough.Sniffer`."""

    __slots__ = ()

    _end_word = "its last line"

    def __init__(self, _strip_usage: bool) -> None:
        super().__init__()

    def _plain(self, data: bytes) -> bool:
        return b'"error"' not in data and data.count(b'"done"') == data.count(b'"done":false')

    def _examine(self, frame: bytes) -> bool:
        if not frame.strip():
            return True
        try:
            line = _LINE.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            self._fail(f"a line of the stream is not one of a chat: {error}")
            return False
        if line.error is not None:
            self._broke(failure_of(line.error, None))
            return False
        if any(name != "role" and bytes(value) not in _EMPTY for name, value in (line.message or {}).items()):
            self.content = True
        if line.done:
            self.content = self._done = True
            usage = usage_of(line.prompt_eval_count, line.eval_count, line.prompt_eval_cached_count)
            self.usage = usage or self.usage
        return True
