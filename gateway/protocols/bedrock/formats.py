"""Structured answers: whether a schema is one that Bedrock enforces, and how it is asked for.

Enforced are schemas without open objects, without bounds of numbers, texts and lists, and without references to
themselves (https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html). Any other schema, and any
model without the feature, gets a tool whose arguments are the answer.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.ir.chat import Format
from gateway.protocols.reading import compact

ANSWER_TOOL: Final = "structured_answer"

_DEPTH: Final = 64
_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_NOT_ENFORCED: Final = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems"
    " minProperties maxProperties patternProperties propertyNames not if dependentSchemas unevaluatedProperties".split()
)


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
    inner += [each for word in _MAPS if isinstance(schema.get(word), dict) for each in schema[word].values()]
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


def text_format(format_: Format, schema: Any) -> dict[str, Any]:
    """`outputConfig.textFormat`; the schema is JSON text there."""
    inner = {"schema": compact(schema)}
    if format_.name:
        inner["name"] = format_.name
    if format_.description:
        inner["description"] = format_.description
    return {"type": "json_schema", "structure": {"jsonSchema": inner}}


def answer_tool(format_: Format, schema: dict[str, Any], taken: set[str]) -> tuple[str, dict[str, Any]]:
    """(name, tool) that stands for the answer; the name is none of `taken`."""
    name = ANSWER_TOOL
    while name in taken:
        name += "_"
    description = format_.description or "Gives the answer. Call it once, at the end, with the whole answer."
    return name, {"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}}
