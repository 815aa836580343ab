"""What can be read off the head of a request, so that a question about it does not decode the whole body.

Only wires that say them at the top level are listed; of the others, and of values that `NUMBER` raises `MsgspecError`
for, since they are no numbers, nothing can be told here, and the request has to be decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.protocols.contract import Head

NUMBER: Final[Callable[[msgspec.Raw], float | None]] = msgspec.json.Decoder(float | None).decode
_TEXT: Final = msgspec.json.Decoder(str | None)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_USERS: Final[dict[str, tuple[str, ...]]] = {
    "openai-chat": ("user",),
    "openai-responses": ("user",),
    "anthropic": ("metadata", "user_id"),
}

# (wire, neutral name) → its names there; the first that has a value counts, and `null` is none.
NUMBERS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("openai-chat", "max_tokens"): ("max_completion_tokens", "max_tokens"),
    ("openai-chat", "temperature"): ("temperature",),
    ("openai-responses", "max_tokens"): ("max_output_tokens",),
    ("openai-responses", "temperature"): ("temperature",),
    ("anthropic", "max_tokens"): ("max_tokens",),
    ("anthropic", "temperature"): ("temperature",),
}


def user_of(wire: str, head: Head) -> str | None:
    """Whom the client says that it asks for; None where the wire has no such field, or it says nobody."""
    path = _USERS.get(wire, ())
    value = head.fields.get(path[0]) if path else None
    try:
        for step in path[1:]:
            value = _OBJECT.decode(value).get(step) if value is not None else None
        return _TEXT.decode(value) if value is not None else None
    except msgspec.MsgspecError:
        return None
