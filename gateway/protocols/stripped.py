"""A request without its seals, for a provider that answered that it cannot read one.

A seal can be one that the provider made and that it still refuses: another organisation's or region's, one that is too
old, one of a provider that only calls itself by the same wire. `refused` knows that answer by its code or its words,
whichever wire or host they came through. The request that is left says everything but what was thought.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure
from gateway.ir.chat import Dropped, Message, Part, Reasoning, Request, Text, ToolCall

DROPPED: Final = (Dropped("reasoning.signature", "the provider could not read it; the request was sent without"),)

_CODE: Final = "invalid_encrypted_content"
# OpenAI's words (https://platform.openai.com/docs/guides/reasoning), Claude's, on every host of it
# (https://platform.claude.com/docs/en/build-with-claude/extended-thinking), Gemini's and Vertex AI's.
_WORDS: Final = (
    ("encrypted content", "could not be verified"),
    ("invalid `signature` in `thinking` block",),
    ("invalid `data` in `redacted_thinking` block",),
    ("thought signature is not valid",),
    ("invalid thought signature",),
    ("corrupted thought signature",),
)


def refused(failure: Failure) -> bool:
    """Whether a provider answered that it cannot read a seal."""
    if failure.code == _CODE or failure.type == _CODE:
        return True
    message = failure.message.lower()
    return any(all(each in message for each in words) for words in _WORDS)


def stripped(request: Request) -> Request | None:
    """The request without its seals, None where there is none. Thoughts that were sealed go whole.

    The turns that they stood in forget the ids of their items: a provider that knows such an id would miss the thought.
    """
    messages: list[Message] = []
    changed = False
    for message in request.messages:
        parts = tuple(bare for part in message.parts if (bare := _bare(part)) is not None)
        if parts == message.parts:
            messages.append(message)
            continue
        changed = True
        if parts:
            messages.append(msgspec.structs.replace(message, parts=tuple(_nameless(part) for part in parts)))
    return msgspec.structs.replace(request, messages=tuple(messages)) if changed else None


def _bare(part: Part) -> Part | None:
    if isinstance(part, Reasoning):
        return part if part.signature is None and part.redacted is None else None
    if isinstance(part, Text | ToolCall) and part.signature is not None:
        return msgspec.structs.replace(part, signature=None)
    return part


def _nameless(part: Part) -> Part:
    if isinstance(part, Text | ToolCall) and part.extras:
        return msgspec.structs.replace(part, extras=_without_id(part.extras) or None)
    return part


def _without_id(extras: dict[str, Any]) -> dict[str, Any]:
    """Fields without `id`, neither here nor in those of the item that they came in."""
    out = {name: value for name, value in extras.items() if name != "id"}
    if isinstance(out.get("item"), dict):
        out["item"] = {name: value for name, value in out["item"].items() if name != "id"}
    return out
