"""Requests of other wires, written for Claude: bounds, samplers, thinking, tools and structure, by generation.

Sources: the API reference of /v1/messages and the guides that request_out.py and generations.py name.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ir.chat import (
    Format,
    HostedTool,
    Message,
    Reasoning,
    Request,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.protocols.anthropic.kit import (
    FABLE,
    HAIKU_3,
    OPUS_41,
    OPUS_45,
    OPUS_46,
    OPUS_47,
    SONNET_4,
    SONNET_37,
    SONNET_45,
    THOUGHT,
    USER,
    asked,
    fields,
    plain,
    read,
    write,
)

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOL = Tool(name="f", description="d", schema=SCHEMA)
FORM = Format(kind="json_schema", name="answer", schema=SCHEMA)
CALL = ToolCall(id="c", name="f", arguments='{"n":1}')
RESULT = Message("tool", (ToolResult(call="c", content=(Text("1"),)),))
SEALED = Reasoning(text="hm", signature=Seal("claude", THOUGHT))


def test_a_whole_request() -> None:
    encoded = write(
        asked(
            Message("system", (Text("Be kind."),)),
            USER,
            tools=(TOOL,),
            tool_choice=ToolChoice(mode="auto"),
            temperature=0.5,
            top_k=3,
            stop=("END",),
            user="u",
            service_tier="default",
            stream=True,
        )
    )
    assert encoded.body == {
        "model": SONNET_45,
        "max_tokens": 100,
        "system": "Be kind.",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "temperature": 0.5,
        "top_k": 3,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "service_tier": "standard_only",
        "stream": True,
    }
    assert encoded.dropped == ()


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (HAIKU_3, 4096),
        ("claude-3-5-haiku-20241022", 8192),
        (SONNET_37, 32000),
        (OPUS_41, 32000),
        (OPUS_47, 32000),
        ("anthropic/claude-sonnet-4.5", 32000),
        ("claude-next", 32000),
        ("deepseek-chat", 8192),
    ],
)
def test_a_bound_is_sent_where_the_client_gave_none(model: str, most: int) -> None:
    request = Request(origin="test", model="m", messages=(USER,))
    encoded = write(request, model)
    assert encoded.body["max_tokens"] == most
    assert write(asked(max_tokens=None), model).body["max_tokens"] == most
    assert write(asked(max_tokens=1), model).body["max_tokens"] == 1


# Samplers: https://platform.claude.com/docs/en/about-claude/models/migration-guide: temperature or top_p, not both,
# since Opus 4.1; none of them since Opus 4.7, but for their defaults.
@pytest.mark.parametrize(
    ("model", "given", "wanted", "lost"),
    [
        (SONNET_4, {"temperature": 0, "top_p": 0.5, "top_k": 2}, {"temperature": 0, "top_p": 0.5, "top_k": 2}, []),
        (SONNET_45, {"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0}, ["top_p"]),
        (OPUS_41, {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}, []),
        (OPUS_41, {"temperature": 0.7, "top_p": 1}, {"temperature": 0.7}, []),
        (SONNET_45, {"temperature": 1, "top_p": 1}, {"temperature": 1}, []),
        (SONNET_45, {"top_p": 0.5}, {"top_p": 0.5}, []),
        (OPUS_46, {"temperature": 1.5, "top_k": 5}, {"temperature": 1, "top_k": 5}, ["temperature"]),
        (OPUS_47, {"temperature": 0.5, "top_p": 0.9, "top_k": 1}, {}, ["temperature", "top_p", "top_k"]),
        (FABLE, {"temperature": 1, "top_p": 1.0}, {}, []),
        (SONNET_4, {"temperature": None, "top_p": None, "top_k": None}, {}, []),
    ],
)
def test_samplers(model: str, given: dict[str, Any], wanted: dict[str, Any], lost: list[str]) -> None:
    encoded = write(asked(**given), model)
    sent = {name: encoded.body[name] for name in ("temperature", "top_p", "top_k") if name in encoded.body}
    assert (sent, fields(encoded)) == (wanted, lost)


def test_samplers_beside_thinking() -> None:
    request = asked(thinking=Thinking(effort="low"), max_tokens=9000, temperature=0.2, top_p=0.97, top_k=4)
    encoded = write(request, SONNET_45)
    assert "temperature" not in encoded.body and encoded.body["top_p"] == 0.97
    assert fields(encoded) == ["temperature", "top_k"]
    low = write(asked(thinking=Thinking(effort="low"), max_tokens=9000, top_p=0.5), SONNET_45)
    assert "top_p" not in low.body and fields(low) == ["top_p"]
    warm = write(asked(thinking=Thinking(effort="low"), max_tokens=9000, temperature=1), SONNET_45)
    assert warm.body["temperature"] == 1 and warm.dropped == ()


def test_what_claude_has_no_parameter_for_is_reported() -> None:
    encoded = write(
        asked(
            seed=0, n=2, presence_penalty=0.1, frequency_penalty=-1, logprobs=True, top_logprobs=2,
            logit_bias={"1": 1}, metadata={"a": "b"}, cache_key="k", service_tier="flex", stop=("a", " \n"),
            extras={"store": True, "prediction": None},
        )
    )  # fmt: skip
    assert set(fields(encoded)) == {
        "seed", "n", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias", "metadata",
        "prompt_cache_key", "service_tier", "stop", "store",
    }  # fmt: skip
    assert encoded.body["stop_sequences"] == ["a"]


def test_what_says_nothing_is_not_reported() -> None:
    encoded = write(
        asked(
            seed=None, n=1, presence_penalty=0, frequency_penalty=0.0, logprobs=False, top_logprobs=0, logit_bias={},
            metadata={}, cache_key=None, service_tier=None, stop=(), user=None, parallel_tools=True,
        )
    )  # fmt: skip
    assert encoded.body == {"model": SONNET_45, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    assert encoded.dropped == ()


@pytest.mark.parametrize(("tier", "wanted"), [("auto", "auto"), ("priority", "auto"), ("default", "standard_only")])
def test_tiers(tier: str, wanted: str) -> None:
    assert write(asked(service_tier=tier)).body["service_tier"] == wanted


# Thinking.


def think(model: str, *messages: Message, most: int = 20000, **how: Any) -> tuple[Any, Any, list[str]]:
    encoded = write(asked(*messages, thinking=Thinking(**how), max_tokens=most), model)
    return encoded.body.get("thinking"), encoded.body.get("output_config"), fields(encoded)


SHOWN = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "how", "thinking", "config", "lost"),
    [
        (HAIKU_3, {"effort": "high"}, None, None, ["thinking"]),
        (HAIKU_3, {"effort": "none"}, None, None, []),
        (SONNET_37, {"effort": "low"}, {"type": "enabled", "budget_tokens": 2048}, None, []),
        (SONNET_4, {"budget": 5000, "enabled": True}, {"type": "enabled", "budget_tokens": 5000}, None, []),
        (SONNET_45, {"budget": 10}, {"type": "enabled", "budget_tokens": 1024}, None, []),
        (SONNET_45, {"enabled": True}, {"type": "enabled", "budget_tokens": 8192}, None, []),
        (SONNET_45, {"budget": 0}, {"type": "disabled"}, None, []),
        (SONNET_45, {"enabled": False}, {"type": "disabled"}, None, []),
        (OPUS_45, {"effort": "max"}, {"type": "enabled", "budget_tokens": 10000}, {"effort": "high"}, []),
        (OPUS_46, {"effort": "minimal"}, SHOWN, {"effort": "low"}, []),
        (OPUS_46, {"effort": "xhigh", "summary": ""}, {"type": "adaptive"}, {"effort": "high"}, []),
        (OPUS_46, {"effort": "max"}, SHOWN, {"effort": "max"}, []),
        (OPUS_47, {"effort": "xhigh"}, SHOWN, {"effort": "xhigh"}, []),
        (OPUS_47, {"budget": 8192}, SHOWN, {"effort": "medium"}, []),
        (OPUS_47, {"budget": -1}, SHOWN, None, []),
        (OPUS_47, {"effort": "none"}, {"type": "disabled"}, None, []),
        (FABLE, {"effort": "none"}, None, None, ["thinking"]),
        ("claude-mythos-preview", {"effort": "low"}, SHOWN, {"effort": "low"}, []),
        ("kimi-k2", {"effort": "medium"}, {"type": "enabled", "budget_tokens": 8192}, None, []),
    ],
)
def test_thinking_by_generation(model: str, how: dict[str, Any], thinking: Any, config: Any, lost: list[str]) -> None:
    assert think(model, **how) == (thinking, config, lost)


@pytest.mark.parametrize(
    ("most", "budget", "wanted"),
    [
        (20000, 19999, 19999),
        (20000, 20000, 10000),
        (2048, 50000, 1024),
        (1025, 50000, 1024),
        (1024, 1024, None),
        (100, 5000, None),
    ],
)
def test_bug_25_a_budget_fits_below_max_tokens_which_is_never_raised(most: int, budget: int, wanted: Any) -> None:
    encoded = write(asked(thinking=Thinking(budget=budget), max_tokens=most), SONNET_45)
    assert encoded.body["max_tokens"] == most
    assert encoded.body.get("thinking") == (wanted and {"type": "enabled", "budget_tokens": wanted})
    assert fields(encoded) == ([] if wanted else ["thinking"])


def test_bug_24_thinking_does_not_go_with_a_forced_tool() -> None:
    for choice in (ToolChoice(mode="required"), ToolChoice(mode="tool", name="f")):
        encoded = write(
            asked(tools=(TOOL,), tool_choice=choice, thinking=Thinking(effort="low"), max_tokens=9000), OPUS_46
        )
        assert "thinking" not in encoded.body and fields(encoded) == ["thinking"]
        assert encoded.body["output_config"] == {"effort": "low"}
    free = asked(tools=(TOOL,), tool_choice=ToolChoice(mode="auto"), thinking=Thinking(effort="low"), max_tokens=9000)
    assert "thinking" in write(free, OPUS_46).body


STEP = Message("assistant", (CALL,))
THOUGHT_STEP = Message("assistant", (SEALED, CALL))
AGAIN = Message("assistant", (ToolCall(id="d", name="f"),))
AGAIN_RESULT = Message("tool", (ToolResult(call="d", content=(Text("2"),)),))


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ((USER, STEP, RESULT), False),
        ((USER, THOUGHT_STEP, RESULT), True),
        ((USER, THOUGHT_STEP, RESULT, AGAIN, AGAIN_RESULT), True),
        ((USER, STEP, RESULT, Message("assistant", (SEALED, *AGAIN.parts)), AGAIN_RESULT), False),
        ((USER, STEP, RESULT, Message("assistant", (Text("one"),)), USER), True),
        ((USER, Message("assistant", (Text("once"),)), USER), True),
        ((USER, Message("assistant", (Text("It is"),))), False),
        ((USER, Message("assistant", (Reasoning(redacted=Seal("claude", "Em")), CALL)), RESULT), True),
        ((USER, Message("assistant", (Reasoning(text="x", signature=Seal("openai", "e")), CALL)), RESULT), False),
    ],
)
def test_bug_4_a_budget_wants_the_running_turn_to_begin_with_thinking(
    messages: tuple[Message, ...], thinks: bool
) -> None:
    request = asked(*messages, tools=(TOOL,), thinking=Thinking(budget=2048), max_tokens=9000)
    encoded = write(request, SONNET_45)
    assert ("thinking" in encoded.body) is thinks
    assert ("thinking" in fields(encoded)) is not thinks
    assert "thinking" in write(request, OPUS_46).body, "adaptive thinking has no such rule"


def test_what_a_router_says_of_reasoning_beside_the_effort_is_reported() -> None:
    encoded = write(asked(thinking=Thinking(effort="low", extras={"exclude": True}), max_tokens=9000))
    assert fields(encoded) == ["reasoning.exclude"]


# Tools.


def test_choices() -> None:
    for choice, parallel, wanted in (
        (ToolChoice(mode="auto"), None, {"type": "auto"}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="required"), True, {"type": "any"}),
        (ToolChoice(mode="tool", name="f"), False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ):
        encoded = write(asked(tools=(TOOL,), tool_choice=choice, parallel_tools=parallel))
        assert encoded.body.get("tool_choice") == wanted
        assert encoded.dropped == ()


def test_no_choice_among_no_tools() -> None:
    hosted = HostedTool("web_search", {"type": "web_search"})
    encoded = write(asked(tools=(hosted,), tool_choice=ToolChoice(mode="auto"), parallel_tools=False))
    assert "tools" not in encoded.body and "tool_choice" not in encoded.body
    assert fields(encoded) == ["tools.web_search"]
    raw = write(asked(tools=(TOOL,), tool_choice=ToolChoice(mode="auto", raw={"type": "mcp"})))
    assert "tool_choice" not in raw.body and fields(raw) == ["tool_choice"]


def test_allowed_tools_are_the_only_ones_sent() -> None:
    tools = (TOOL, Tool(name="g"), Tool(name="h"))
    encoded = write(asked(tools=tools, tool_choice=ToolChoice(mode="required", allowed=("f", "h"))))
    assert [tool["name"] for tool in encoded.body["tools"]] == ["f", "h"]
    assert encoded.body["tool_choice"] == {"type": "any"}


def test_a_free_text_tool_is_a_function_of_one_text() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}}
    encoded = write(
        asked(
            USER,
            Message("assistant", (ToolCall(id="c", name="sh", arguments='ls "x"', custom=True),)),
            Message("tool", (ToolResult(call="c", content=(Text("ok"),), custom=True),)),
            tools=(Tool(name="sh", description="Runs.", custom=True, grammar=grammar),),
        )
    )
    (tool,) = encoded.body["tools"]
    assert tool["input_schema"]["properties"] == {"input": {"type": "string"}}
    assert tool["description"] == "Runs.\n\n`input` must follow this lark grammar:\nstart: /x/"
    assert encoded.body["messages"][1]["content"][0]["input"] == {"input": 'ls "x"'}


def test_bug_28_schemas_of_tools_are_objects_at_the_top() -> None:
    union = {"anyOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]}
    both = {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]}
    encoded = write(
        asked(
            tools=(Tool(name="f", schema=union), Tool(name="g", schema=both), Tool(name="h"), Tool(name="i", schema={}))
        )
    )
    first, second, *rest = [tool["input_schema"] for tool in encoded.body["tools"]]
    assert first == {"type": "object", "properties": {"a": {}, "b": {}}}
    assert second == {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]}
    assert rest == [{"type": "object", "properties": {}}] * 2
    assert fields(encoded) == ["tools.parameters.anyOf", "tools.parameters.allOf"]


def test_strict_tools() -> None:
    strict = Tool(name="f", schema=SCHEMA, strict=True)
    (tool,) = write(asked(tools=(strict,)), SONNET_45).body["tools"]
    assert (tool["strict"], tool["input_schema"]) == (True, CLOSED)
    (old,) = write(asked(tools=(strict,)), SONNET_4).body["tools"]
    assert "strict" not in old and old["input_schema"] == SCHEMA
    loose = write(asked(tools=(Tool(name="f", schema=SCHEMA, strict=False),)))
    assert "strict" not in loose.body["tools"][0] and loose.dropped == ()


# Structured answers: https://platform.claude.com/docs/en/build-with-claude/structured-outputs.


@pytest.mark.parametrize("model", [SONNET_45, OPUS_41, OPUS_47])
def test_a_schema_is_followed_natively(model: str) -> None:
    encoded = write(asked(format=FORM), model)
    assert encoded.body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}}
    assert (encoded.answer_tool, encoded.dropped) == (None, ())


def test_a_schema_and_an_effort_share_their_place() -> None:
    encoded = write(asked(format=FORM, thinking=Thinking(effort="low"), max_tokens=9000), OPUS_46)
    assert encoded.body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}, "effort": "low"}


def test_what_is_not_enforced_of_a_schema_is_asked_for_in_words() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "description": "A number."},
            "s": {"type": ["string", "null"], "minLength": 2, "format": "date"},
            "u": {"type": "string", "format": "color"},
            "l": {"type": "array", "items": {"$ref": "#/$defs/x"}, "minItems": 1, "maxItems": 3},
            "e": {"oneOf": [{"type": "object", "properties": {}}, {"type": "null"}]},
        },
        "$defs": {"x": {"type": "object"}},
    }
    encoded = write(asked(format=Format(kind="json_schema", schema=schema)))
    assert encoded.body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": "A number.\n\n{minimum: 1, maximum: 9}"},
            "s": {"type": ["string", "null"], "format": "date", "description": "{minLength: 2}"},
            "u": {"type": "string", "description": '{format: "color"}'},
            "l": {"type": "array", "items": {"$ref": "#/$defs/x"}, "minItems": 1, "description": "{maxItems: 3}"},
            "e": {"anyOf": [{"type": "object", "properties": {}, "additionalProperties": False}, {"type": "null"}]},
        },
        "$defs": {"x": {"type": "object", "additionalProperties": False}},
        "additionalProperties": False,
    }
    assert set(fields(encoded)) == {
        f"response_format.{word}" for word in ("minimum", "maximum", "minLength", "format", "maxItems")
    }


def test_an_object_for_any_names_is_not_closed_but_asked_for_by_a_tool() -> None:
    schema = {
        "type": "object",
        "properties": {"by_name": {"type": "object", "additionalProperties": {"type": "string"}}},
    }
    encoded = write(asked(format=Format(kind="json_schema", schema=schema)))
    (tool,) = encoded.body["tools"]
    assert tool["input_schema"] == schema and encoded.answer_tool == tool["name"]


def test_bug_24_elsewhere_a_tool_stands_for_the_answer() -> None:
    encoded = write(asked(format=FORM), SONNET_4)
    (tool,) = encoded.body["tools"]
    assert (tool["name"], tool["input_schema"]) == (encoded.answer_tool, CLOSED)
    assert encoded.body["tool_choice"] == {"type": "tool", "name": encoded.answer_tool}
    assert encoded.dropped == ()


def test_an_answer_tool_beside_the_clients_own() -> None:
    mine = Tool(name="structured_answer", schema=SCHEMA)
    for choice, parallel, wanted in (
        (None, None, {"type": "any"}),
        (ToolChoice(mode="auto"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="tool", name="structured_answer"), None, {"type": "tool", "name": "structured_answer"}),
        (ToolChoice(mode="none"), None, {"type": "tool", "name": "structured_answer_"}),
    ):
        encoded = write(asked(format=FORM, tools=(mine,), tool_choice=choice, parallel_tools=parallel), SONNET_4)
        assert [tool["name"] for tool in encoded.body["tools"]] == ["structured_answer", "structured_answer_"]
        assert encoded.answer_tool == "structured_answer_"
        assert encoded.body["tool_choice"] == wanted


def test_an_answer_tool_and_thinking() -> None:
    encoded = write(asked(format=FORM, thinking=Thinking(effort="low"), max_tokens=9000), SONNET_4)
    assert "thinking" not in encoded.body and fields(encoded) == ["thinking"]


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    only = "Answer with one JSON object and nothing else."
    bare = write(asked(format=Format(kind="json_object")))
    assert (bare.body["system"], fields(bare)) == (only, ["response_format"])
    told = write(asked(Message("system", (Text("Be kind."),)), USER, format=Format(kind="json_object")))
    assert told.body["system"] == f"Be kind.\n\n{only}"
    said = write(asked(Message("user", (Text("give me json"),)), format=Format(kind="json_object")))
    assert "system" not in said.body
    assert "output_config" not in write(asked(format=Format(kind="text"))).body


# A client of this wire whose request cannot pass as bytes gets back what it wrote.


def test_the_same_wire_gets_back_what_it_wrote() -> None:
    body = {
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "be", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": THOUGHT},
                    {"type": "text", "text": "x", "citations": [{"type": "char_location", "cited_text": "q"}]},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"n": 1}},
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1", "is_error": True},
                    {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "T", "context": "c"},
                ],
            },
        ],
        "tools": [
            {"name": "f", "input_schema": SCHEMA, "strict": False, "input_examples": [{"n": 1}]},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": False},
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": CLOSED}},
        "top_p": 0.96,
        "stop_sequences": ["a"],
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "container": "c",
        "stream": True,
    }
    encoded = write(read(plain(body)), SONNET_45)
    assert encoded.body == {**body, "model": SONNET_45}
    assert encoded.dropped == ()


def test_a_foreign_seal_stays_behind_on_the_way_to_its_own_wire() -> None:
    request = read(
        {
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "gw1~openai~rs_1~gAAA"},
                        {"type": "text", "text": "ho"},
                    ],
                },
                {"role": "user", "content": "and?"},
            ]
        }
    )
    encoded = write(request)
    assert encoded.body["messages"][1] == {"role": "assistant", "content": "ho"}
    assert fields(encoded) == ["reasoning"]
