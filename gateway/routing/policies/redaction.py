"""`redact`: text that the caller wrote, and results of its tools, without what a pattern matches.

What the model itself said earlier and what it thought stay: providers check the signatures of some of it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway import regex
from gateway.ir.chat import Media, Message, Part, Request, Text, ToolResult
from gateway.routing.policies.ruling import Hearing


class Pattern(msgspec.Struct, frozen=True):
    """What is looked for, in RE2's words, and what stands in its place, literally."""

    pattern: str
    instead: str


class Redact(msgspec.Struct, frozen=True, tag=True):
    """Patterns, applied one after the other."""

    patterns: tuple[Pattern, ...]


def redact(action: Redact, hearing: Hearing) -> None:
    """Takes it out. Raises `Refused` (400) where the request cannot be read."""

    def clean(text: str) -> str:
        for each in action.patterns:
            text = regex.compiled(each.pattern).replaced(text, each.instead)
        return text

    hearing.edit(rewritten(hearing.job.request(), clean, ("user", "tool")))


def rewritten(request: Request, clean: Callable[[str], str], roles: tuple[str, ...]) -> Request:
    """The request with every text of these roles rewritten; the same object where nothing changes."""
    messages = tuple(_message(message, clean) if message.role in roles else message for message in request.messages)
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return msgspec.structs.replace(request, messages=messages)


def _message(message: Message, clean: Callable[[str], str]) -> Message:
    parts = tuple(part_of(part, clean) for part in message.parts)
    if all(new is old for new, old in zip(parts, message.parts, strict=True)):
        return message
    return msgspec.structs.replace(message, parts=parts)


def part_of(part: Part, clean: Callable[[str], str]) -> Part:
    """A part with its text rewritten; one whose text changes loses what was said of the text before."""
    if isinstance(part, Text):
        text = clean(part.text)
        if text == part.text:
            return part
        return msgspec.structs.replace(part, text=text, citations=(), signature=None)
    if isinstance(part, ToolResult):
        content = tuple(part_of(each, clean) for each in part.content)
        if all(new is old for new, old in zip(content, part.content, strict=True)):
            return part
        return msgspec.structs.replace(part, content=content)
    if isinstance(part, Media) and part.text is not None:
        text = clean(part.text)
        return part if text == part.text else msgspec.structs.replace(part, text=text)
    return part
