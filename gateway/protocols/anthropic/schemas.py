"""JSON Schemas as Anthropic takes them.

Tools: an object at the top, without anyOf, oneOf and allOf there. Structured answers and strict tools: every object
closed by `additionalProperties: false`, and no bounds of numbers, texts and lists, which are asked for in the
description instead (https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.protocols.losses import Losses
from gateway.protocols.reading import compact

_DEPTH: Final = 64
_SCHEMAS: Final = ("properties", "$defs", "definitions", "patternProperties")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_BOUNDS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
    "maxItems", "uniqueItems", "minProperties", "maxProperties", "patternProperties", "propertyNames", "format",
)  # fmt: skip
_FORMATS: Final = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")


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


def plain(schema: Any, losses: Losses, field: str) -> Any:
    """The schema as it is enforced: every object closed, bounds in words."""
    return closed(schema, lambda each: _worded(each, losses, field))


def _worded(schema: dict[str, Any], losses: Losses, field: str) -> dict[str, Any]:
    """One level of a schema, its bounds in its description."""
    bounds = {word: schema[word] for word in _BOUNDS if word in schema and not _enforced(word, schema[word])}
    if "oneOf" in schema and "anyOf" not in schema:  # the same, but that several may hold
        schema = {("anyOf" if word == "oneOf" else word): value for word, value in schema.items()}
    open_ = schema.get("additionalProperties", False)
    if open_ is not False:
        losses.drop(f"{field}.additionalProperties", "objects are closed here")
    if not bounds:
        return schema
    for word in bounds:
        losses.drop(f"{field}.{word}", "it is asked for in the description, not enforced")
    words = f"{{{', '.join(f'{word}: {compact(value)}' for word, value in bounds.items())}}}"
    said = schema.get("description")
    rest = {word: value for word, value in schema.items() if word not in bounds}
    return {**rest, "description": f"{said}\n\n{words}" if isinstance(said, str) and said else words}


def _enforced(word: str, value: Any) -> bool:
    """Whether a bound is one that is enforced all the same."""
    return (word == "minItems" and value in (0, 1)) or (word == "format" and value in _FORMATS)


def closed(
    schema: Any, each: Callable[[dict[str, Any]], dict[str, Any]] = lambda schema: schema, depth: int = 0
) -> Any:
    """The schema with every object closed. `each` is done to every level."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return schema
    out = dict(each(schema))
    for word in _SCHEMAS:
        inner = out.get(word)
        if isinstance(inner, dict):
            out[word] = {name: closed(value, each, depth + 1) for name, value in inner.items()}
    for word in _LISTS:
        inner = out.get(word)
        if isinstance(inner, list):
            out[word] = [closed(value, each, depth + 1) for value in inner]
    if isinstance(out.get("items"), dict):
        out["items"] = closed(out["items"], each, depth + 1)
    kind = out.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or ("properties" in out and kind is None):
        out["additionalProperties"] = False
    return out


def maps(schema: Any, depth: int = 0) -> bool:
    """Whether an object is there for names that the schema does not know: closed, it would always be empty."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return False
    if not schema.get("properties") and schema.get("additionalProperties") not in (None, False):
        return True
    inner = [schema.get("items")]
    inner += [each for word in _SCHEMAS if isinstance(schema.get(word), dict) for each in schema[word].values()]
    inner += [each for word in _LISTS if isinstance(schema.get(word), list) for each in schema[word]]
    return any(maps(each, depth + 1) for each in inner)
