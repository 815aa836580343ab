"""Where each protocol is served: its paths, and what a path says of a request.

A path that means nothing is answered in the protocol whose clients would ask for it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Protocol
from gateway.server.ingress import Asked


class Row(msgspec.Struct, frozen=True):
    """One protocol's operation whose model is named in the body, and the paths it is served under."""

    protocol: str
    operation: str
    paths: tuple[str, ...]


ROWS: Final = (
    Row("openai-chat", "chat", ("/v1/chat/completions", "/openai/v1/chat/completions", "/api/v1/chat/completions")),
    Row("anthropic", "messages", ("/v1/messages", "/anthropic/v1/messages")),
)
MODELS: Final = ("/v1/models", "/openai/v1/models", "/api/v1/models")


def of_row(row: Row) -> Asked:
    """What the path of a row says: nothing but the protocol."""
    return Asked(PROTOCOLS[row.protocol])


def protocol_of(path: str) -> Protocol:
    """The protocol in which a path's errors are told."""
    word = "openai-chat"
    if path.startswith(("/v1/messages", "/anthropic/")):
        word = "anthropic"
    elif path.startswith(("/v1beta/", "/gemini/")):
        word = "gemini"
    elif path.startswith(("/api/", "/ollama/")) and not path.startswith("/api/v1/"):
        word = "ollama"
    return PROTOCOLS.get(word, PROTOCOLS["openai-chat"])
