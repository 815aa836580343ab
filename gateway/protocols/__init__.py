"""Wires, sans-I/O: bytes in, values out, and back. A folder per wire, a row per wire in `PROTOCOLS`.

Nothing here awaits, reads a clock or opens anything. Decoders take untrusted bytes: whatever arrives ends in a value
or in `Refused` / `Failed` with a message that names the field, never in another exception.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols import anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses
from gateway.protocols.contract import Protocol

PROTOCOLS: Final[dict[str, Protocol]] = {
    protocol.name: protocol
    for protocol in (
        openai_chat.PROTOCOL,
        openai_responses.PROTOCOL,
        anthropic.PROTOCOL,
        gemini.PROTOCOL,
        bedrock.PROTOCOL,
        cohere.PROTOCOL,
        ollama.PROTOCOL,
    )
}
