"""What the sandbox says: text, reasoning, tool calls, structured values; a pure function of the request.

A token is a word with the space before it. Prompt tokens are the words of all message texts.
"""

from __future__ import annotations

import re
from hashlib import sha256
from random import Random
from typing import Any, Final

import msgspec

_WORDS: Final = (
    "alpha beta gamma delta river stone cloud amber north south quiet bright seven eleven copper maple harbor signal "
    "paper garden window bridge candle meadow orbit pocket ribbon silver thunder velvet winter yellow zephyr café naïve"
).split()
_CALL: Final = re.compile(r"\bcall ([A-Za-z0-9_-]{1,64})\b")


class Call(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Said(msgspec.Struct, frozen=True):
    """An answer, in no wire's words. `pieces` joined are the text."""

    reasoning: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[Call, ...]
    finish: str  # stop | length | tool_calls
    prompt_tokens: int


def text_of(content: Any) -> str:
    """The text of a message's content, parts joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""


def say(
    messages: list[dict[str, Any]],
    *,
    tools: list[dict[str, Any]],
    forced: str | None,
    schema: Any,
    wants_json: bool,
    most: int | None,
    stops: list[str],
    tokens: int | None,
    reasoning: int,
    seed: int,
) -> Said:
    """The answer. `forced` is the tool that must be called; `schema` what a structured answer must satisfy."""
    prompt = sum(len(text_of(message.get("content")).split()) for message in messages)
    last = messages[-1] if messages else {}
    asked = text_of(last.get("content"))
    random = Random(f"{seed}:{asked}:{len(messages)}")  # noqa: S311 - it must be repeatable, not secret
    thought = tuple(f"{random.choice(_WORDS)} " for _ in range(reasoning))
    calls = _calls(asked, tools, forced) if last.get("role") != "tool" else ()
    if calls:
        return Said(thought, (), calls, "tool_calls", prompt)
    if schema is not None:
        text = msgspec.json.encode(instance(schema)).decode()
    elif wants_json:
        text = msgspec.json.encode({"answer": asked[:200]}).decode()
    elif last.get("role") == "tool":
        text = f"The tool said: {asked}"
    else:
        text = f"You said: {asked}"
    pieces = re.findall(r"\s*\S+", text)
    if tokens is not None and schema is None and not wants_json:
        pieces = pieces[:tokens] + [f" {random.choice(_WORDS)}" for _ in range(tokens - len(pieces))]
    finish = "stop"
    for stop in stops:
        at = "".join(pieces).find(stop)
        if stop and at >= 0:
            pieces = re.findall(r"\s*\S+", "".join(pieces)[:at])
    if most is not None and len(pieces) > most:
        pieces, finish = pieces[:most], "length"
    return Said(thought, tuple(pieces), (), finish, prompt)


def _calls(asked: str, tools: list[dict[str, Any]], forced: str | None) -> tuple[Call, ...]:
    offered = {tool["name"]: tool for tool in tools if isinstance(tool.get("name"), str)}
    names = [forced] if forced is not None else [name for name in _CALL.findall(asked) if name in offered]
    calls = []
    for index, name in enumerate(names):
        parameters = offered.get(name, {}).get("parameters")
        arguments = msgspec.json.encode(instance(parameters or {"type": "object"})).decode()
        calls.append(Call(f"call_{sha256(f'{asked}{index}{name}'.encode()).hexdigest()[:16]}", name, arguments))
    return tuple(calls)


def instance(schema: Any, depth: int = 0) -> Any:
    """A small value that satisfies a JSON Schema's types, required properties, enums, constants and bounds."""
    if not isinstance(schema, dict) or depth > 20:
        return {}
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return instance(schema[key][0], depth + 1)
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        return {name: instance(properties.get(name), depth + 1) for name in required if isinstance(name, str)}
    if kind == "array":
        return [instance(schema.get("items"), depth + 1) for _ in range(min(int(schema.get("minItems") or 0), 10))]
    if kind == "string":
        return "text".ljust(min(int(schema.get("minLength") or 0), 1000), ".")
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return kind == "boolean" or None
