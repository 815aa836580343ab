"""JSON Schemas as OpenAI's strict mode takes them.

They (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas) are an object at the top,
every object closed and all its properties required; one that is not is answered with a 400 where `strict` is said.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Request, Tool
from gateway.protocols.losses import Losses

NOT_STRICT: Final = "the schema does not keep to the rules of strict: every object closed, all properties required"
_DEPTH: Final = 64
_NEVER: Final = frozenset("allOf not dependentRequired dependentSchemas if then else patternProperties".split())
_NAMED: Final = ("properties", "$defs", "definitions")


def loosened(request: Request, losses: Losses) -> Request:
    """The request of another maker's client, strict only where OpenAI's rules are kept."""
    if request.origin.startswith("openai-") or not (request.tools or request.format):
        return request
    tools = tuple(
        msgspec.structs.replace(tool, strict=False)
        if isinstance(tool, Tool) and tool.strict and not strict_enough(tool.schema)
        else tool
        for tool in request.tools
    )
    if tools != request.tools:
        losses.drop("tools.strict", NOT_STRICT)
    form = request.format
    if form is not None and form.strict and form.kind == "json_schema" and not strict_enough(form.schema):
        losses.drop("response_format.strict", NOT_STRICT)
        form = msgspec.structs.replace(form, strict=False)
    return msgspec.structs.replace(request, tools=tools, format=form)


def strict_enough(schema: Any) -> bool:
    """Whether the schema keeps to the rules of strict mode."""
    return isinstance(schema, dict) and schema.get("type") == "object" and "anyOf" not in schema and _keeps(schema, 0)


def _keeps(schema: Any, depth: int) -> bool:
    if not isinstance(schema, dict):
        return True
    if depth > _DEPTH or not _NEVER.isdisjoint(schema):
        return False
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or properties:
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or set(properties) != set(required or ()):
            return False
    inner = [schema.get("items"), *(schema.get("anyOf") or ())]
    inner += [each for word in _NAMED if isinstance(schema.get(word), dict) for each in schema[word].values()]
    return all(_keeps(each, depth + 1) for each in inner)
