"""Seals on their way through clients of another family.

Signatures and encrypted thoughts can only be read by the family of models that made them, and must come back to it
unchanged. A client's own wire has a place for such a value, but no place for whose it is. So a foreign seal travels
there wrapped, `gw1~family~id~value`, and is unwrapped when the client sends it back; a value without the mark is of
the client's own family. Gemini's place is of type bytes, which SDKs decode: there the whole is base64. `wrapped` finds
the mark in raw bytes, in either form: a body that holds one must not be forwarded as it is.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from gateway.ir.chat import Seal
from gateway.protocols.tool_ids import fit

_MARK: Final = "gw1~"
_BYTES: Final = b'"gw1~'
_ARMOR: Final = "Z3cxf"  # how the base64 of anything marked begins: its first 30 bits
_ARMORED: Final = b'"Z3cxf'

CALL: Final = "call:"  # how the id of a seal begins that belongs to a call, on wires that cannot sign calls
BEDROCK: Final = "bedrock"  # models of Bedrock that are not Claude
CLAUDE: Final = "claude"
GEMINI: Final = "gemini"
OPENAI: Final = "openai"
SIGNERS: Final = frozenset((BEDROCK, CLAUDE))  # whose signature proves a text; what else they seal is redacted


def wrap(seal: Seal, family: str) -> str:
    """The seal as a value on the wire of `family`."""
    if seal.family == family and not is_of_call(seal):
        return seal.value
    whole = f"{_MARK}{seal.family}~{seal.id or ''}~{seal.value}"
    return base64.b64encode(whole.encode("utf-8", "surrogatepass")).decode() if family == GEMINI else whole


def of_call(seal: Seal, call: str) -> Seal:
    """The signature of a call as a seal of its own, which names the call."""
    return Seal(seal.family, seal.value, CALL + fit(call))


def is_of_call(seal: Seal) -> bool:
    """Whether a seal is the signature of a call."""
    return seal.id is not None and seal.id.startswith(CALL)


def unwrap(value: str, family: str) -> Seal:
    """The seal that a value on the wire of `family` stands for."""
    if value.startswith(_ARMOR):
        value = _bared(value)
    if not value.startswith(_MARK):
        return Seal(family, value)
    parts = value.split("~", 3)
    if len(parts) != 4:
        return Seal("unknown", value)
    return Seal(parts[1], parts[3], parts[2] or None)


def _bared(value: str) -> str:
    """What base64 of either alphabet holds; SDKs change one into the other."""
    plain = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return value


def wrapped(body: bytes) -> bool:
    """Whether a request body holds a wrapped seal."""
    return _BYTES in body or _ARMORED in body
