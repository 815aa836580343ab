"""Seals on their way through clients of another family.

Signatures and encrypted thoughts can only be read by the family of models that made them, and must come back to it
unchanged. A client's own wire has a place for such a value, but no place for whose it is. So a foreign seal travels
there wrapped, `gw1~family~id~value`, and is unwrapped when the client sends it back; a value without the mark is of
the client's own family. `wrapped` finds the mark in raw bytes: a body that holds one must not be forwarded as it is.
"""

from __future__ import annotations

from typing import Final

from gateway.ir.chat import Seal

_MARK: Final = "gw1~"
_BYTES: Final = b'"gw1~'

CALL: Final = "call"  # the id of a seal that belongs to the call after it, on wires that cannot sign calls
CLAUDE: Final = "claude"
GEMINI: Final = "gemini"
OPENAI: Final = "openai"


def wrap(seal: Seal, family: str) -> str:
    """The seal as a value on the wire of `family`."""
    if seal.family == family and seal.id != CALL:
        return seal.value
    return f"{_MARK}{seal.family}~{seal.id or ''}~{seal.value}"


def unwrap(value: str, family: str) -> Seal:
    """The seal that a value on the wire of `family` stands for."""
    if not value.startswith(_MARK):
        return Seal(family, value)
    parts = value.split("~", 3)
    if len(parts) != 4:
        return Seal("unknown", value)
    return Seal(parts[1], parts[3], parts[2] or None)


def wrapped(body: bytes) -> bool:
    """Whether a request body holds a wrapped seal."""
    return _BYTES in body
