"""Wires, sans-I/O: bytes in, values out, and back. A folder per wire, a row per wire in `PROTOCOLS`.

Nothing here awaits, reads a clock or opens anything. Decoders take untrusted bytes: whatever arrives ends in a value
or in `Refused` / `Failed` with a message that names the field, never in another exception.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols import anthropic, gemini, openai_chat
from gateway.protocols.contract import Protocol

PROTOCOLS: Final[dict[str, Protocol]] = {p.name: p for p in (openai_chat.PROTOCOL, anthropic.PROTOCOL, gemini.PROTOCOL)}
