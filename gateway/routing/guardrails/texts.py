"""Every text of a request and of an answer, rewritten by a function: the same object where nothing changes.

Arguments of calls are JSON text: their values are rewritten, numbers that change become text, so that they stay JSON.
A text that changes loses what was said of the text before: its citations and its signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from gateway.ir.chat import Declined, Message, Part, Reasoning, Request, ToolCall, ToolResult
from gateway.routing.policies.redaction import part_of

Clean: TypeAlias = Callable[[str], str]


def rewritten(request: Request, clean: Clean) -> Request:
    """A request: all roles, arguments of calls and results of tools; not what a model thought."""
    messages = tuple(_message(message, clean) for message in request.messages)
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return msgspec.structs.replace(request, messages=messages)


def _message(message: Message, clean: Clean) -> Message:
    parts = tuple(_asked(part, clean) for part in message.parts)
    if all(new is old for new, old in zip(parts, message.parts, strict=True)):
        return message
    return msgspec.structs.replace(message, parts=parts)


def _asked(part: Part, clean: Clean) -> Part:
    return part if isinstance(part, Reasoning) else answered(part, clean)


def answered(part: Part, clean: Clean) -> Part:
    """A part of an answer."""
    if isinstance(part, ToolCall):
        text = clean(part.arguments) if part.custom else arguments(part.arguments, clean)
        if text == part.arguments:
            return part
        return msgspec.structs.replace(part, arguments=text, signature=None)
    if isinstance(part, Reasoning):
        text = clean(part.text)
        summary = tuple(map(clean, part.summary))
        if text == part.text and summary == part.summary:
            return part
        return msgspec.structs.replace(part, text=text, summary=summary, signature=None)
    if isinstance(part, Declined):
        text = clean(part.text)
        return part if text == part.text else Declined(text)
    if isinstance(part, ToolResult):
        content = tuple(answered(each, clean) for each in part.content)
        if all(new is old for new, old in zip(content, part.content, strict=True)):
            return part
        return msgspec.structs.replace(part, content=content)
    return part_of(part, clean)


def arguments(text: str, clean: Clean) -> str:
    """JSON text of arguments; what is no JSON is rewritten as the text that it is."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return clean(text)
    changed = _value(value, clean)
    return text if changed is value else msgspec.json.encode(changed).decode()


def _value(value: Any, clean: Clean) -> Any:
    if isinstance(value, str):
        text = clean(value)
        return value if text == value else text
    if isinstance(value, dict):
        pairs = {clean(name): _value(inner, clean) for name, inner in value.items()}
        same = pairs.keys() == value.keys() and all(pairs[name] is value[name] for name in value)
        return value if same else pairs
    if isinstance(value, list):
        items = [_value(inner, clean) for inner in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = msgspec.json.encode(value).decode()
        text = clean(written)
        return value if text == written else text
    return value
