"""Schemas between JSON Schema and what Gemini takes.

Gemini has two fields for a schema. `parametersJsonSchema` and `responseJsonSchema` take JSON Schema (models from 2.5
on); of it `const`, `allOf`, `definitions` and neighbours of `$ref` say nothing there and are written in words that
count. `parameters` and `responseSchema` take a subset of OpenAPI 3.0 whose types are in upper case, and refuse a whole
request for one unknown word. Source of facts: https://ai.google.dev/api/generate-content (GenerationConfig),
https://ai.google.dev/api/caching (FunctionDeclaration, Schema).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.protocols.gemini.shapes import camel
from gateway.protocols.losses import Losses

_DEEP: Final = 48
_MANY: Final = 5000  # sub-schemas of one schema, references inlined
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_SAME: Final = (
    *("title", "description", "nullable", "pattern", "minimum", "maximum", "default", "example", "propertyOrdering"),
    *_COUNTS,
)
# Words that say nothing about a value.
_NOTES: Final = frozenset(
    ("$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "examples", "deprecated", "readOnly", "writeOnly")
)
_FORMATS: Final = {
    "STRING": ("enum", "date-time"),
    "NUMBER": ("float", "double"),
    "INTEGER": ("int32", "int64"),
}
_READ: Final = frozenset(
    (
        *(*_SAME, *_NOTES, "type", "anyOf", "oneOf", "allOf", "enum", "const", "format", "properties", "required"),
        *("items", "prefixItems", "additionalProperties", "exclusiveMinimum", "exclusiveMaximum"),
    )
)
_TYPES: Final[dict[type, str]] = {bool: "BOOLEAN", int: "INTEGER", float: "NUMBER"}
_LOWER: Final = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))


def from_gemini(schema: Any, depth: int = 0) -> Any:
    """A schema of either field as JSON Schema: types in lower case, `nullable` as a type, counts as numbers."""
    if not isinstance(schema, dict) or depth > _DEEP:
        return schema
    out: dict[str, Any] = {}
    for name, value in schema.items():
        word = name if name.startswith("$") else camel(name)
        if word in ("properties", "$defs", "definitions") and isinstance(value, dict):
            out[word] = {key: from_gemini(each, depth + 1) for key, each in value.items()}
        elif word in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            out[word] = [from_gemini(each, depth + 1) for each in value]
        elif word in ("items", "additionalProperties"):
            out[word] = from_gemini(value, depth + 1)
        elif word == "type":
            if isinstance(kind := _lowered(value), str | list) and kind != "type_unspecified":
                out["type"] = kind
        elif word in _COUNTS and isinstance(value, str) and value.isdecimal() and len(value) < 19:
            out[word] = int(value)
        elif word == "example":
            out["examples"] = [value]
        elif not (word == "format" and value == "enum"):
            out[word] = value
    _number_enum(out)
    _in_order(out)
    if out.get("nullable") is not None:
        _nullable(out)
    return out


def _lowered(kind: Any) -> Any:
    if isinstance(kind, str):
        return kind.lower()
    return [_lowered(each) for each in kind] if isinstance(kind, list) else kind


def _number_enum(out: dict[str, Any]) -> None:
    """Gemini's subset writes every `enum` as strings."""
    values = out.get("enum")
    if out.get("type") == "integer" and isinstance(values, list):
        out["enum"] = [int(v) if isinstance(v, str) and v.isdecimal() and len(v) < 19 else v for v in values]


def _in_order(out: dict[str, Any]) -> None:
    """JSON Schema's properties stand in the order that `propertyOrdering` asks for."""
    order, inner = out.get("propertyOrdering"), out.get("properties")
    if isinstance(order, list) and isinstance(inner, dict) and all(isinstance(each, str) for each in order):
        del out["propertyOrdering"]
        first = {name: inner[name] for name in order if name in inner}
        out["properties"] = {**first, **inner}


def _nullable(out: dict[str, Any]) -> None:
    if not out.pop("nullable"):
        return
    kind = out.get("type")
    if isinstance(kind, str):
        out["type"] = [kind, "null"]
        if isinstance(out.get("enum"), list) and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
    elif isinstance(out.get("anyOf"), list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]


def to_json(schema: Any, losses: Losses, field: str) -> Any:
    """JSON Schema for `parametersJsonSchema` and `responseJsonSchema`."""
    read = from_gemini(schema)
    return _Json(read, losses, field).write(read, (), 0)


def to_openapi(schema: Any, losses: Losses, field: str) -> dict[str, Any]:
    """JSON Schema for `parameters` and `responseSchema`."""
    read = from_gemini(schema)
    return _OpenApi(read, losses, field).write(read, (), 0)


class _Refs:
    """What `$ref` points to inside one schema."""

    def __init__(self, root: Any, losses: Losses, field: str) -> None:
        self.root = root
        self.losses = losses
        self.field = field
        self.count = 0

    def lose(self, word: str, why: str = "Gemini's schemas have no such word") -> None:
        """Reports a word of the schema."""
        self.losses.drop(f"{self.field}.{word}", why)

    def target(self, ref: Any) -> Any:
        """The schema that a pointer inside this one names (RFC 6901), None where there is none."""
        if not isinstance(ref, str) or not ref.startswith("#"):
            return None
        found = self.root
        for step in ref[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and len(name) < 6 and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found

    def merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`allOf` as one schema, where that can be said: properties and requirements add up."""
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            return schema
        out = {name: value for name, value in schema.items() if name != "allOf"}
        for part in parts:
            target = self.target(part.get("$ref")) if isinstance(part, dict) and "$ref" in part else part
            if not isinstance(target, dict):
                self.lose("allOf")
                continue
            for name, value in target.items():
                mine = out.get(name)
                if name == "properties" and isinstance(mine, dict) and isinstance(value, dict):
                    out[name] = {**value, **mine}
                elif name == "required" and isinstance(mine, list) and isinstance(value, list):
                    out[name] = [*mine, *(each for each in value if each not in mine)]
                elif name not in out:
                    out[name] = value
                elif mine != value and name not in ("title", "description", "type"):
                    self.lose("allOf")
        return out

    def bounded(self, depth: int) -> bool:
        """Whether there is room for one schema more."""
        self.count += 1
        return depth <= _DEEP and self.count <= _MANY


class _Json(_Refs):
    """JSON Schema in words that count. References stay; only one with neighbours is written out."""

    def write(self, schema: Any, within: tuple[str, ...], depth: int) -> Any:
        if not isinstance(schema, dict):
            return schema
        if not self.bounded(depth):
            self.lose("depth", "the schema is too deep or too large")
            return {"type": "object"}
        schema = self.merged(schema)
        ref = schema.get("$ref")
        if isinstance(ref, str):
            beside = {name: value for name, value in schema.items() if not name.startswith("$")}
            target = self.target(ref)
            if not beside or not isinstance(target, dict) or ref in within:
                if beside:
                    self.lose("$ref", "nothing may stand beside a reference that contains itself")
                return {"$ref": ref.replace("#/definitions/", "#/$defs/", 1)}
            schema, within = {**target, **beside}, (*within, ref)
        out: dict[str, Any] = {}
        for name, value in schema.items():
            if name == "$schema":
                continue
            if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
                word = "$defs" if name == "definitions" else name
                inner = {key: self.write(each, within, depth + 1) for key, each in value.items()}
                out[word] = {**out.get(word, {}), **inner}
            elif name in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
                out[name] = [self.write(each, within, depth + 1) for each in value]
            elif name in ("items", "additionalProperties"):
                out[name] = self.write(value, within, depth + 1)
            elif name == "const":
                out.setdefault("enum", [value])
            else:
                out[name] = value
        return out


class _OpenApi(_Refs):
    """Gemini's subset of OpenAPI 3.0: what it has no word for is reported."""

    def write(self, schema: Any, within: tuple[str, ...], depth: int) -> dict[str, Any]:
        if not isinstance(schema, dict):
            if schema is False:
                self.lose("false")
            return self.anything()
        if not self.bounded(depth):
            self.lose("depth", "the schema is too deep or too large")
            return {"type": "OBJECT"}
        ref = schema.get("$ref")
        if isinstance(ref, str):
            target = self.target(ref)
            if ref in within or not isinstance(target, dict):
                self.lose("$ref", "a schema that contains itself, or is elsewhere, cannot be written here")
                words = schema.get("description")
                return {"type": "OBJECT", **({"description": words} if isinstance(words, str) else {})}
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            return self.write({**target, **beside}, (*within, ref), depth + 1)
        schema = self.merged(schema)
        out: dict[str, Any] = {name: schema[name] for name in _SAME if name in schema}
        examples = schema.get("examples")
        if isinstance(examples, list) and examples:
            out.setdefault("example", examples[0])
        self.kind(schema, out, within, depth)
        if "anyOf" not in out or "type" in out:
            self.inside(schema, out, within, depth)
            self.values(schema, out)
            self.bounds(schema, out)
        for name in schema:
            if name not in _READ:
                self.lose(name)
        if schema.get("additionalProperties") not in (None, False):
            self.lose("additionalProperties", "objects have named properties only here")
        return out

    def anything(self) -> dict[str, Any]:
        """A value of any type, which has no words here."""
        self.lose("type", "a value of any type is said as a text")
        return {"type": "STRING"}

    def kind(self, schema: dict[str, Any], out: dict[str, Any], within: tuple[str, ...], depth: int) -> None:
        """The type, or several."""
        given = schema.get("type")
        kinds = [
            each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str) and each in _LOWER
        ]
        ways = schema.get("anyOf")
        if not isinstance(ways, list):
            ways = schema.get("oneOf")
        if isinstance(ways, list) and ways:
            some = [each for each in ways if not (isinstance(each, dict) and each.get("type") == "null")]
            if len(some) < len(ways):
                out["nullable"] = True
            written = [self.write(each, within, depth + 1) for each in some]
            if len(written) == 1:
                out.update({name: value for name, value in written[0].items() if name not in out})
                return
            if not kinds:
                out["anyOf"] = written
                return
            self.lose("anyOf", "it cannot stand beside a type")
        if "null" in kinds:
            out["nullable"] = True
            kinds.remove("null")
        if len(kinds) > 1:
            out["anyOf"] = [self.write({"type": each, **_fit(each, schema)}, within, depth + 1) for each in kinds]
        elif kinds:
            out["type"] = kinds[0].upper()
        elif "properties" in schema:
            out["type"] = "OBJECT"
        elif "items" in schema or "prefixItems" in schema:
            out["type"] = "ARRAY"
        elif "const" in schema or "enum" in schema:
            values = [schema["const"]] if "const" in schema else schema["enum"]
            out["type"] = _type_of(values if isinstance(values, list) else [])
        elif "type" not in out and "anyOf" not in out:
            out.update(self.anything() if not out.get("nullable") else {"type": "STRING"})

    def inside(self, schema: dict[str, Any], out: dict[str, Any], within: tuple[str, ...], depth: int) -> None:
        """What objects and arrays hold."""
        inner = schema.get("properties")
        if out.get("type") == "OBJECT" and isinstance(inner, dict) and inner:
            out["properties"] = {name: self.write(each, within, depth + 1) for name, each in inner.items()}
            required = schema.get("required")
            if isinstance(required, list) and (
                there := [each for each in required if isinstance(each, str) and each in inner]
            ):
                out["required"] = there
        if out.get("type") == "ARRAY" and "items" not in out:
            items, first = schema.get("items"), schema.get("prefixItems")
            if isinstance(items, dict):
                out["items"] = self.write(items, within, depth + 1)
            elif isinstance(first, list) and first:
                self.lose("prefixItems", "all items of an array have one schema here")
                out["items"] = {"anyOf": [self.write(each, within, depth + 1) for each in first]}
            else:
                out["items"] = self.anything()

    def values(self, schema: dict[str, Any], out: dict[str, Any]) -> None:
        """`enum` and `const`: lists of texts only; one number is its own bounds."""
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if not isinstance(values, list):
            return
        if None in values:
            out["nullable"] = True
        values = [each for each in values if each is not None]
        kind = out.get("type")
        if all(isinstance(each, str) for each in values) and kind == "STRING":
            if "" in values:
                self.lose("enum", "an empty text cannot be one of the values here")
            out["enum"] = [each for each in values if each]
        elif len(values) == 1 and kind in ("INTEGER", "NUMBER") and not isinstance(values[0], bool | str):
            out["minimum"] = out["maximum"] = values[0]
        elif values and not (kind == "BOOLEAN" and len(values) == 2):
            self.lose("enum", "only texts can be listed here; the values are in the description")
            words = f"One of: {', '.join(str(each) for each in values[:50])}."
            said = out.get("description")
            out["description"] = f"{said} {words}" if isinstance(said, str) and said else words

    def bounds(self, schema: dict[str, Any], out: dict[str, Any]) -> None:
        """Formats that are known, and open bounds as closed ones."""
        format_ = schema.get("format")
        if format_ is not None and format_ != "enum":
            if format_ in _FORMATS.get(out.get("type", ""), ()):
                out["format"] = format_
            else:
                self.lose("format", "Gemini knows date-time, float, double, int32 and int64")
        for name, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            value = schema.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if out.get("type") == "INTEGER" and isinstance(value, int):
                out.setdefault(bound, value + step)
            else:
                out.setdefault(bound, value)
                self.lose(name, "bounds are inclusive here")


def _fit(kind: str, words: dict[str, Any]) -> dict[str, Any]:
    """The words that mean something for one of several types."""
    if kind == "object":
        return {name: value for name, value in words.items() if name in ("properties", "required")}
    if kind == "array":
        return {name: value for name, value in words.items() if name == "items"}
    values = words.get("enum")
    if isinstance(values, list) and (mine := [each for each in values if _type_of([each]) == kind.upper()]):
        return {"enum": mine}
    return {}


def _type_of(values: list[Any]) -> str:
    """The type that all of some values have."""
    kinds = {_TYPES.get(each.__class__, "STRING") for each in values if each is not None}
    if kinds == {"INTEGER", "NUMBER"}:
        return "NUMBER"
    return kinds.pop() if len(kinds) == 1 else "STRING"
