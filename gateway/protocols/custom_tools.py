"""Free-text tools on wires that have only functions: a function with one string, `input`, and back.

OpenAI's custom tools (https://platform.openai.com/docs/guides/function-calling#custom-tools) take text in the form of a
grammar. Elsewhere they become functions whose description says the grammar; a call of such a function is turned back
into a custom call for the client, who asked for one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Request, Tool
from gateway.protocols.losses import Losses

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
_ANY: Final = msgspec.json.Decoder()


def described(tool: Tool, losses: Losses) -> str | None:
    """The description of a custom tool as a function's: its own words, and the grammar of its input (reported)."""
    grammar = tool.grammar if isinstance(tool.grammar, dict) else {}
    inner = grammar.get("grammar")
    if isinstance(inner, dict):  # the chat wire nests it
        grammar = inner
    definition = grammar.get("definition")
    if not isinstance(definition, str):
        return tool.description
    losses.drop("tools.format", "the grammar of a tool's input is told to the model, not kept to")
    syntax = grammar.get("syntax")
    words = f"`input` must follow this {syntax if isinstance(syntax, str) else ''} grammar:\n{definition}"
    return f"{tool.description}\n\n{words}" if tool.description else words


def names(request: Request) -> frozenset[str]:
    """The custom tools of a request."""
    return frozenset(tool.name for tool in request.tools if isinstance(tool, Tool) and tool.custom)


def to_object(text: str) -> dict[str, str]:
    """A custom call's input as a function's arguments."""
    return {"input": text}


def from_json(arguments: str) -> str:
    """A function's arguments as a custom call's input; what is not of that form stays as it is."""
    try:
        value = _ANY.decode(arguments)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
