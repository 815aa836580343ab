"""The names of the wires that the sandbox speaks. Importing this costs nothing, so the command line may."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Wire(StrEnum):
    """A wire, as `gateway sandbox --wire` names it."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    COHERE = "cohere"
    BEDROCK = "bedrock-converse"


FIRST: Final = Wire.OPENAI_CHAT

# by wire: what precedes the wire's own paths at its provider
BASES: Final[dict[Wire, str]] = {
    Wire.OPENAI_CHAT: "/v1",
    Wire.OPENAI_RESPONSES: "/v1",
    Wire.ANTHROPIC: "/v1",
    Wire.GEMINI: "/v1beta",
    Wire.OLLAMA: "",
    Wire.COHERE: "",
    Wire.BEDROCK: "",
}
