"""Numbers of a request that can be read off its head, so that a question about one does not decode the whole body.

Only wires that say them at the top level are listed; of the others, and of values that are no numbers, nothing can be
told here, and the request has to be decoded.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from gateway.protocols.contract import Head

_NUMBER: Final = msgspec.json.Decoder(float)

# (wire, neutral name) → its names there; the first that has a value counts.
_FIELDS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("openai-chat", "max_tokens"): ("max_completion_tokens", "max_tokens"),
    ("openai-chat", "temperature"): ("temperature",),
    ("openai-responses", "max_tokens"): ("max_output_tokens",),
    ("openai-responses", "temperature"): ("temperature",),
    ("anthropic", "max_tokens"): ("max_tokens",),
    ("anthropic", "temperature"): ("temperature",),
}


def number_of(wire: str, head: Head, name: str) -> float | UnsetType | None:
    """The number that the client wrote; UNSET where it wrote none, or null; None where only decoding can tell."""
    known = _FIELDS.get((wire, name))
    if known is None:
        return None
    for field in known:
        value = head.fields.get(field)
        if value is None or bytes(value) == b"null":
            continue
        try:
            return _NUMBER.decode(value)
        except msgspec.MsgspecError:
            return None
    return UNSET
