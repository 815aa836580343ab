"""JSON Schemas as Anthropic takes them.

Tools: an object at the top, without anyOf, oneOf and allOf there. Structured answers and strict tools: every object
closed by `additionalProperties: false` (https://platform.claude.com/docs/en/build-with-claude/structured-outputs).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.protocols.losses import Losses

_DEPTH: Final = 64
_SCHEMAS: Final = ("properties", "$defs", "definitions", "patternProperties")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def input_schema(schema: Any, losses: Losses) -> dict[str, Any]:
    """The schema of a tool's input."""
    if not isinstance(schema, dict) or not schema:
        return {"type": "object", "properties": {}}
    out = dict(schema)
    for word in ("anyOf", "oneOf", "allOf"):
        branches = out.pop(word, None)
        if isinstance(branches, list):
            losses.drop(f"tools.parameters.{word}", "its branches are merged: the top of a tool's schema is one object")
            objects = [branch for branch in branches if isinstance(branch, dict)]
            properties = _object(out.get("properties"))
            for branch in objects:
                properties = {**_object(branch.get("properties")), **properties}
            out["properties"] = properties
            if word == "allOf":
                required = [name for each in (out, *objects) for name in _names(each.get("required"))]
                out["required"] = list(dict.fromkeys(required))
    out["type"] = "object"
    return out


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def closed(schema: Any, depth: int = 0) -> Any:
    """The schema with every object closed."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return schema
    out = dict(schema)
    for word in _SCHEMAS:
        inner = out.get(word)
        if isinstance(inner, dict):
            out[word] = {name: closed(value, depth + 1) for name, value in inner.items()}
    for word in _LISTS:
        inner = out.get(word)
        if isinstance(inner, list):
            out[word] = [closed(value, depth + 1) for value in inner]
    if isinstance(out.get("items"), dict):
        out["items"] = closed(out["items"], depth + 1)
    kind = out.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or ("properties" in out and kind is None):
        out["additionalProperties"] = False
    return out
