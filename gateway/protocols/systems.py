"""System texts in the middle of a conversation, for wires that know them only at its beginning.

The leading ones go where the wire wants them. A later one is not moved there: that would change what the model reads
before everything that was said since, and would make a cached prompt useless. It stays in its place as a user's words
inside `<system-reminder>` tags, after the results of tools that a call still waits for.
"""

from __future__ import annotations

from gateway.ir.chat import Message, Part, Text
from gateway.protocols.losses import Losses

JSON_ONLY = "Answer with one JSON object and nothing else."  # where no field of the wire can ask for it
_WHY = "a system text in the middle stays in its place, as a user's words in <system-reminder> tags"


def split(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """(leading system messages, the rest)."""
    at = 0
    while at < len(messages) and messages[at].role in ("system", "developer"):
        at += 1
    return messages[:at], messages[at:]


def in_user_words(messages: tuple[Message, ...], losses: Losses) -> tuple[Message, ...]:
    """The messages with later system texts as user's words; the leading ones stay."""
    leading, rest = split(messages)
    if not any(message.role in ("system", "developer") for message in rest):
        return messages
    out: list[Message] = list(leading)
    held: list[Message] = []
    for at, message in enumerate(rest):
        if message.role in ("system", "developer"):
            losses.drop("messages.system", _WHY)
            reminder = Message("user", tuple(_tagged(part) for part in message.parts))
            if at + 1 < len(rest) and _awaits(rest, at):
                held.append(reminder)
            else:
                out.append(reminder)
            continue
        if message.role != "tool" and held:
            out.extend(held)
            held.clear()
        out.append(message)
    return (*out, *held)


def _awaits(messages: tuple[Message, ...], at: int) -> bool:
    """Whether the next message that is no system text is a tool's result."""
    following = (message for message in messages[at + 1 :] if message.role not in ("system", "developer"))
    upcoming = next(following, None)
    return upcoming is not None and upcoming.role == "tool"


def _tagged(part: Part) -> Part:
    if not isinstance(part, Text):
        return part
    return Text(f"<system-reminder>\n{part.text}\n</system-reminder>", cache=part.cache, extras=part.extras)


def mention_json(messages: tuple[Message, ...]) -> bool:
    """Whether the prompt asks for JSON in its own words, as OpenAI's `json_object` demands of it."""
    return any(isinstance(part, Text) and "json" in part.text.lower() for message in messages for part in message.parts)
