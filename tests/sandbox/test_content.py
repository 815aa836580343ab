"""What is said: tokens, echoes, stops, calls; and values that satisfy a schema."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.content import Ask, Tool, say, tokens_of
from gateway.sandbox.instance import instance
from gateway.sandbox.openai_embeddings import vector_of
from gateway.sandbox.script import Script


def ask(said: str, **more: Any) -> Ask:
    return Ask(said=said, prompt_tokens=len(tokens_of(said)), **more)


def text(ask_: Ask, script: Script = Script(), choice: int = 0) -> str:  # noqa: B008 - it is frozen
    return "".join(say(ask_, script, choice).pieces)


@given(st.text())
def test_tokens_joined_are_the_text(said: str) -> None:
    tokens = tokens_of(said)
    assert "".join(tokens) == said
    assert all(tokens)
    assert all(len(token.strip()) <= 8 for token in tokens)


def test_an_echo_shows_what_arrived() -> None:
    assert text(ask("hello")) == "You said: hello"
    assert text(ask("hello"), choice=1) == "You said (2): hello"
    assert text(ask("  two\n\nlines ", verbatim=True)) == "  two\n\nlines "
    assert text(ask("sunny", results=("sunny", "rainy", "sunny"))) == "The tool said: sunny; rainy"
    assert text(ask("", verbatim=True)) == ""


def test_so_many_tokens_as_are_asked_for() -> None:
    for count in (0, 1, 3, 50):
        said = say(ask("hello there"), Script(tokens=count))
        assert (len(said.pieces), said.tokens, said.finish) == (count, count, "stop")
    long = [text(ask("hello"), Script(tokens=20, seed=seed)) for seed in (0, 1, 0)]
    assert long[0] == long[2] != long[1]
    assert text(ask("hello", seed=1), Script(tokens=20)) != long[0], "the request's own seed counts too"


def test_bounds_and_stops() -> None:
    assert say(ask("one two", most=3), Script()).finish == "length"
    assert text(ask("one two", most=3)) == "You said: one"
    assert say(ask("one two", most=4), Script()).finish == "stop", "it fits exactly"
    assert text(ask("one two three", stops=("three", "two", ""))) == "You said: one ", "the earliest one counts"
    cut = say(ask("one two three", stops=("three",), most=3), Script())
    assert ("".join(cut.pieces), cut.finish) == ("You said: one", "length"), "it never came to the stop"
    thought = say(ask("one", most=5), Script(reasoning=3))
    assert (len(thought.reasoning), "".join(thought.pieces), thought.finish) == (3, "You said:", "length")
    assert say(ask("one", most=3), Script(reasoning=3)).pieces == ()
    assert say(ask("one"), Script(finish="content_filter")).finish == "content_filter"


WEATHER = Tool("weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
CLOCK = Tool("clock")


def calls(ask_: Ask, script: Script = Script()) -> list[tuple[str, str]]:  # noqa: B008 - it is frozen
    return [(call.name, "".join(call.pieces)) for call in say(ask_, script).calls]


def test_calls() -> None:
    offered = (WEATHER, CLOCK)
    both = 'call weather({"city": "Oslo"}) and call clock, and call nothing, and call weather({broken)'
    assert calls(ask(both, tools=offered)) == [
        ("weather", '{"city":"Oslo"}'),
        ("clock", "{}"),
        ("weather", '{"city":"text"}'),
    ]
    assert calls(ask(both, tools=offered, parallel=False)) == [("weather", '{"city":"Oslo"}')]
    assert calls(ask(both)) == [], "what is not offered is not called"
    assert calls(ask("hello", tools=offered)) == []
    assert calls(ask("hello", tools=offered, forced="weather")) == [("weather", '{"city":"text"}')]
    assert calls(ask(both, tools=offered, forced="clock")) == [("clock", "{}")]
    assert calls(ask("hello", tools=offered), Script(tools=("clock", "weather"))) == [
        ("clock", "{}"),
        ("weather", '{"city":"text"}'),
    ]
    assert calls(ask("call clock", tools=offered, may_call=False), Script(tools=("clock",))) == []
    assert calls(ask("call clock", tools=offered, results=("noon",)), Script(tools=("clock",))) == []
    ids = [call.id for call in say(ask(both, tools=offered), Script()).calls]
    assert len(set(ids)) == 3
    cut = say(ask(both, tools=offered, most=4), Script())
    assert cut.finish == "length"
    assert [(call.name, call.pieces) for call in cut.calls] == [("weather", ('{"city":', '"Oslo"}')), ("clock", ())]


SCHEMAS: dict[str, Any] = {
    "object": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "null"}, "c": {"type": "boolean"}},
        "required": ["a", "b", "c"],
        "additionalProperties": False,
    },
    "nested": {
        "type": "object",
        "properties": {"rows": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/row"}}},
        "required": ["rows"],
        "$defs": {"row": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
    },
    "recursive": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
                "required": ["next"],
            }
        },
    },
    "escaped": {"$ref": "#/$defs/a~1b~0c", "$defs": {"a/b~c": {"const": [1]}}},
    "all-of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ],
        "properties": {"c": {"enum": ["x", "y"]}},
        "required": ["c"],
    },
    "one-of": {"oneOf": [{"type": "integer", "minimum": 7}, {"type": "string"}]},
    "types": {"type": ["null", "integer"]},
    "const": {"const": {"a": None}},
    "enum": {"type": "string", "enum": ["", "x"]},
    "lengths": {"type": "string", "minLength": 9, "maxLength": 10},
    "short": {"type": "string", "maxLength": 2},
    "unique": {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
    "unique-enum": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2},
    "bounds": {"type": "integer", "minimum": 5, "maximum": 5},
    "below": {"type": "integer", "exclusiveMaximum": 0},
    "above": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 8},
    "low": {"type": "number", "maximum": -3.5},
    "zero": {"type": "integer", "minimum": 0, "maximum": 0},
    "untyped": {"minLength": 6},
    "properties": {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2},
    **{
        format_: {"type": "string", "format": format_}
        for format_ in ("date", "date-time", "email", "ipv4", "ipv6", "time", "uuid", "uri", "hostname", "duration")
    },
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_instance_satisfies_its_schema(name: str) -> None:
    checker = jsonschema.Draft202012Validator(
        SCHEMAS[name], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    checker.validate(instance(SCHEMAS[name]))


def test_schemas_that_have_no_end_end() -> None:
    began = time.perf_counter()
    for schema in (
        {"$ref": "#"},
        {"$ref": "https://example.com/schema"},
        {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]},
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9, "items": {"$ref": "#"}}},
        {"type": "string", "minLength": 10**12},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ):
        assert len(json.dumps(instance(schema))) < 5_000_000
    assert time.perf_counter() - began < 5.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORD = st.sampled_from(
    "type enum const properties required items prefixItems minItems minLength maxLength minimum maximum "
    "exclusiveMinimum exclusiveMaximum multipleOf format $ref allOf anyOf oneOf minProperties".split()
)
KIND = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", "odd", "#/properties"])


@settings(max_examples=150)
@given(st.dictionaries(WORD, JSON | KIND | st.lists(st.dictionaries(WORD, JSON | KIND, max_size=3), max_size=3)))
def test_no_schema_raises(schema: Any) -> None:
    json.dumps(instance(schema))


def test_vectors_have_length_one_and_near_texts_are_near() -> None:
    def cosine(a: str, b: str) -> float:
        return sum(x * y for x, y in zip(vector_of(a, 64), vector_of(b, 64), strict=True))

    assert cosine("the red fox", "the red fox") == pytest.approx(1.0)
    assert cosine("the red fox", "the red dog") > 0.4 > cosine("the red fox", "ships sail far")
    assert len(vector_of("", 7)) == 7
