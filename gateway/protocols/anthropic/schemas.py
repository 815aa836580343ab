"""JSON Schemas as Anthropic takes them.

Tools: an object at the top, without anyOf, oneOf and allOf there. Structured answers and strict tools: every object
closed by `additionalProperties: false` (https://platform.claude.com/docs/en/build-with-claude/structured-outputs).
Those are enforced, on Anthropic's wire and on Bedrock's, and a schema is answered with a 400 where it cannot be: with
open objects, with bounds of numbers, texts and lists, or with references to itself.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.protocols.losses import Losses

_DEPTH: Final = 64
_SCHEMAS: Final = ("properties", "$defs", "definitions", "patternProperties")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED: Final = ("properties", "$defs", "definitions")
_NOT_ENFORCED: Final = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems"
    " minProperties maxProperties patternProperties propertyNames not if dependentSchemas unevaluatedProperties".split()
)


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


def enforced(schema: Any) -> bool:
    """Whether the schema can be enforced as it is, once its objects are closed."""
    return isinstance(schema, dict) and _plain(schema, 0) and not _refers_to_itself(schema)


def _plain(schema: Any, depth: int) -> bool:
    if not isinstance(schema, dict):
        return True
    if depth > _DEPTH or not _NOT_ENFORCED.isdisjoint(schema):
        return False
    if schema.get("additionalProperties", False) is not False or schema.get("minItems", 0) not in (0, 1):
        return False
    inner = [schema.get("items")]
    inner += [each for word in _NAMED if isinstance(schema.get(word), dict) for each in schema[word].values()]
    inner += [each for word in _LISTS if isinstance(schema.get(word), list) for each in schema[word]]
    return all(_plain(each, depth + 1) for each in inner)


def _refers_to_itself(schema: dict[str, Any]) -> bool:
    """Whether a reference leads back to a definition that it stands in, or out of the schema."""
    definitions = {
        f"#/{word}/{name}": value
        for word in ("$defs", "definitions")
        if isinstance(schema.get(word), dict)
        for name, value in schema[word].items()
    }
    edges = {name: _references(value) for name, value in definitions.items()}
    edges["#"] = _references({key: value for key, value in schema.items() if key not in ("$defs", "definitions")})
    done: set[str] = set()

    def circles(name: str, above: tuple[str, ...]) -> bool:
        if name in above or name not in edges or len(above) > _DEPTH:
            return True
        if name in done:
            return False
        found = any(circles(each, (*above, name)) for each in edges[name])
        done.add(name)
        return found

    return circles("#", ())


def _references(value: Any) -> set[str]:
    found: set[str] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            reference = each.get("$ref")
            if isinstance(reference, str):
                found.add(reference)
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return found
