"""A request as a wire that is not its own can carry it: blocks that only the client's wire knows, in words.

Done once for every translation, so that no encoder has to know another wire's blocks. What has no words stays, and the
encoder reports it as dropped.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.ir.chat import Dropped, Message, Opaque, Part, Request, Text, ToolResult

_WORDED: Final = (Opaque, ToolResult)  # what may have blocks in it


def in_words(request: Request) -> tuple[Request, tuple[Dropped, ...]]:
    """The request with such blocks as text, and a report of each kind of them."""
    if not any(part.__class__ in _WORDED for message in request.messages for part in message.parts):
        return request, ()
    dropped: dict[str, Dropped] = {}

    def of(part: Part) -> Part:
        if isinstance(part, Opaque) and part.text is not None:
            dropped[part.what] = Dropped(part.what, "said in words: only the client's own wire has such a block")
            return Text(part.text)
        if isinstance(part, ToolResult) and any(isinstance(each, Opaque) for each in part.content):
            return msgspec.structs.replace(part, content=tuple(of(each) for each in part.content))
        return part

    def message_of(message: Message) -> Message:
        return msgspec.structs.replace(message, parts=tuple(of(part) for part in message.parts))

    messages = tuple(message_of(message) for message in request.messages)
    if not dropped:
        return request, ()
    return msgspec.structs.replace(request, messages=messages), tuple(dropped.values())
