"""Schemas, both ways (bug 22): nothing that Gemini refuses is sent, and what is lost is reported."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.gemini.schemas import from_gemini, to_json, to_openapi
from gateway.protocols.losses import Losses

KNOWN = {
    *("type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required"),
    *("minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering"),
    *("default", "items", "minimum", "maximum"),
}


def openapi(schema: Any) -> tuple[Any, list[str]]:
    losses = Losses("Gemini")
    return to_openapi(schema, losses, "s"), [each.field for each in losses.all()]


def json_schema(schema: Any) -> tuple[Any, list[str]]:
    losses = Losses("Gemini")
    return to_json(schema, losses, "s"), [each.field for each in losses.all()]


@pytest.mark.parametrize(
    ("schema", "wanted", "lost"),
    [
        ({"type": "string"}, {"type": "STRING"}, []),
        (
            {"$schema": "x", "$id": "y", "type": "object", "additionalProperties": False, "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]},
            [],
        ),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}, []),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}, []),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}, []),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}, []),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}, []),
        ({"const": 3}, {"type": "INTEGER", "minimum": 3, "maximum": 3}, []),
        ({"type": "integer", "enum": [1, 2]}, {"type": "INTEGER", "description": "One of: 1, 2."}, ["s.enum"]),
        ({"type": "string", "enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}, []),
        ({"type": "string", "enum": ["", "a"]}, {"type": "STRING", "enum": ["a"]}, ["s.enum"]),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "INTEGER", "minimum": 1}, []),
        ({"type": "number", "exclusiveMaximum": 1}, {"type": "NUMBER", "maximum": 1}, ["s.exclusiveMaximum"]),
        ({"type": "string", "format": "uri"}, {"type": "STRING"}, ["s.format"]),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}, []),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}, ["s.type"]),
        ({"type": "object", "propertyNames": {"pattern": "a"}}, {"type": "OBJECT"}, ["s.propertyNames"]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "OBJECT"}, ["s.additionalProperties"]),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, {"type": "ARRAY", "items": {"type": "STRING"}}, ["s.uniqueItems"]),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]}, {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}, []),
        (
            {"$defs": {"A": {"type": "string", "title": "t"}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/A", "description": "d"}}},
            {"type": "OBJECT", "properties": {"a": {"type": "STRING", "title": "t", "description": "d"}}},
            [],
        ),
        (
            {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}}, "required": ["b"]},
            [],
        ),
    ],
)  # fmt: skip
def test_bug_22_the_openapi_subset(schema: Any, wanted: Any, lost: list[str]) -> None:
    written, reported = openapi(schema)
    assert _sorted(written) == _sorted(wanted)
    assert reported == lost


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def test_bug_22_a_schema_that_contains_itself_ends() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "name": {"type": "string"}}}
    written, lost = openapi(tree)
    assert lost == ["s.$ref"]
    assert written["properties"]["left"]["properties"]["left"] == {"type": "OBJECT"}
    wide = {
        "$defs": {
            f"d{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in "abcd"}}
            for n in range(40)
        }
    }
    written, lost = openapi({**wide, "$ref": "#/$defs/d0"})
    assert "s.depth" in lost


def test_bug_22_json_schema_where_it_is_taken() -> None:
    written, lost = json_schema(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "definitions": {
                "A": {"type": "string"},
                "T": {"type": "object", "properties": {"t": {"$ref": "#/definitions/T"}}},
            },
            "type": "object",
            "properties": {
                "a": {"$ref": "#/definitions/A", "description": "beside"},
                "b": {"anyOf": [{"const": "x"}, {"const": 1}]},
                "t": {"$ref": "#/definitions/T"},
            },
            "additionalProperties": False,
        }
    )
    assert lost == []
    assert written == {
        "$defs": {"A": {"type": "string"}, "T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}},
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "beside"},
            "b": {"anyOf": [{"enum": ["x"]}, {"enum": [1]}]},
            "t": {"$ref": "#/$defs/T"},
        },
        "additionalProperties": False,
    }


def test_from_gemini() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": True},
            "a": {"type": "INTEGER", "format": "int64", "enum": ["1"]},
            "max_items": {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
        },
        "propertyOrdering": ["a", "b"],
        "any_of": [{"type": "OBJECT"}],
    }
    read = from_gemini(schema)
    assert list(read["properties"]) == ["a", "b", "max_items"]
    assert read == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "format": "int64", "enum": [1]},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "max_items": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
        },
        "anyOf": [{"type": "object"}],
    }


WORDS = (
    "type properties items anyOf oneOf allOf enum const $ref $defs format nullable required additionalProperties "
    "propertyNames prefixItems exclusiveMinimum minimum not default description propertyOrdering examples maxItems"
).split()
SCHEMA = st.recursive(
    st.sampled_from(
        [None, True, False, 0, 1.5, "", "string", "object", "array", "#", "#/$defs/a", "#/anyOf/0", "null"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "a"]), inner, max_size=5),
    max_leaves=30,
)


def _unknown(schema: Any) -> set[str]:
    found = set(schema) - KNOWN
    for each in schema.get("properties", {}).values():
        found |= _unknown(each)
    for each in schema.get("anyOf", ()):
        found |= _unknown(each)
    return found | (_unknown(schema["items"]) if "items" in schema else set())


@given(SCHEMA)
def test_bug_22_any_json_becomes_words_that_gemini_knows(schema: Any) -> None:
    written, _ = openapi(schema)
    assert _unknown(written) == set()
    json_schema(schema)
    from_gemini(schema)
