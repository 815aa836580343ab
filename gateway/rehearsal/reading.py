"""What an answer says, whatever its wire: its text, its error's code, the value at a path."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.failure import Failed
from gateway.ir.chat import Piece, Text
from gateway.protocols import PROTOCOLS
from gateway.protocols.reading import Malformed
from gateway.rehearsal.request import FIRST


def text_of(wire: str | None, stream: bool, body: bytes) -> str:
    """The text of an answer; of what is none, its bytes."""
    protocol = PROTOCOLS[wire or FIRST]
    try:
        if stream:
            decoder = protocol.stream_decoder()
            events = [*decoder.feed(body), *decoder.close()]
            return "".join(event.text for event in events if isinstance(event, Piece))
        answer = protocol.decode_response(body)
        return "".join(part.text for choice in answer.choices for part in choice.parts if isinstance(part, Text))
    except (Malformed, Failed):
        return body.decode("utf-8", "replace")


def code_of(body: bytes) -> list[str]:
    """What an error calls itself: its code, its type, its status; [] where there is none."""
    try:
        value = msgspec.json.decode(body)
    except ValueError:
        return []
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return [error] if isinstance(error, str) else []
    return [str(error[name]) for name in ("code", "type", "status") if error.get(name) is not None]


def message_of(body: bytes) -> str:
    """What an error says, "" where it is none."""
    try:
        value = msgspec.json.decode(body)
    except ValueError:
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def at_path(value: Any, path: str) -> Any:
    """The value at `choices.0.message`; None where there is none."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
