"""A whole answer as the events of a stream: for a client that streams what was not streamed to the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.ir.chat import (
    Began,
    Cited,
    Closed,
    Counted,
    Declined,
    Ended,
    Event,
    Media,
    Opaque,
    Opened,
    Part,
    Piece,
    Reasoning,
    Response,
    Sealed,
    Text,
    ToolCall,
    Whole,
)


def events_of(response: Response) -> Iterator[Event]:
    """Every part as a block, each text in one piece."""
    yield Began(response.id, response.model, response.created, response.usage, response.service_tier)
    block = 0
    for number, choice in enumerate(response.choices):
        for part in choice.parts:
            yield from _block(block, part, number)
            block += 1
        yield Ended(choice.finish, number, choice.stopped_by)
    if response.usage is not None:
        yield Counted(response.usage)


def _block(block: int, part: Part, choice: int) -> Iterator[Event]:
    match part:
        case Text(text):
            yield Opened(block, "text", choice=choice)
            yield Piece(block, text)
            for citation in part.citations:
                yield Cited(block, citation)
            if part.signature is not None:
                yield Sealed(block, part.signature)
        case Declined(text):
            yield Opened(block, "refusal", choice=choice)
            yield Piece(block, text)
        case Reasoning():
            yield Opened(block, "reasoning", part.id or "", choice=choice)
            if part.text:
                yield Piece(block, part.text)
            if part.signature is not None or part.redacted is not None:
                yield Sealed(block, part.signature, part.redacted)
        case ToolCall():
            yield Opened(block, "tool_call", part.id, part.name, choice, part.custom, part.signature)
            yield Piece(block, part.arguments)
        case Media() | Opaque():
            yield Whole(block, part, choice)
            return
        case _:
            return
    yield Closed(block)
