"""Requests to Converse. Expectations are read from the API reference; numbers are those of known translation bugs."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ir.chat import (
    Cache,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Part,
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
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect, Encoded

BEDROCK = PROTOCOLS["bedrock-converse"]
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_37 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
CLAUDE_46 = "global.anthropic.claude-opus-4-6-v1"
CLAUDE_47 = "anthropic.claude-opus-4-7"
NOVA = "us.amazon.nova-2-lite-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
HI = Message("user", (Text("Hi"),))
WEATHER = Tool(name="weather", description="Weather.", schema={"type": "object", "properties": {"city": {}}})
TIME = Tool(name="time", schema={"type": "object"})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CALL = Message("assistant", (ToolCall(id="c1", name="weather", arguments='{"city":"Paris"}'),))
RESULT = Message("tool", (ToolResult(call="c1", content=(Text("sunny"),)),))


def encode(*messages: Message, model: str = CLAUDE, quirks: frozenset[str] = frozenset(), **fields: Any) -> Encoded:
    request = Request(origin="openai-chat", model="m", messages=messages or (HI,), **fields)
    encoded = BEDROCK.encode_request(request, Dialect("bedrock", model, quirks))
    msgspec.json.encode(encoded.body)
    return encoded


def user(*parts: Part) -> Message:
    return Message("user", parts)


def lost(encoded: Encoded) -> list[str]:
    return [each.field for each in encoded.dropped]


def content(encoded: Encoded, turn: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encoded.body["messages"][turn]["content"]
    return found


def test_endpoints() -> None:
    assert BEDROCK.endpoint(NOVA, False) == "/model/us.amazon.nova-2-lite-v1%3A0/converse"
    assert BEDROCK.endpoint(PROFILE, True) == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2/converse-stream"
    )


def test_the_smallest_request() -> None:
    assert encode() == Encoded({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})


def test_everything_at_once() -> None:
    encoded = encode(
        Message("system", (Text("Be kind."),)),
        Message("developer", (Text("Be brief."),)),
        HI,
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="auto"),
        max_tokens=100,
        temperature=0.5,
        top_k=40,
        stop=("END",),
        service_tier="priority",
        metadata={"team": "a b"},
    )
    assert encoded.dropped == ()
    assert encoded.body == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "system": [{"text": "Be kind."}, {"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "weather",
                        "description": "Weather.",
                        "inputSchema": {"json": {"type": "object", "properties": {"city": {}}}},
                    }
                }
            ],
            "toolChoice": {"auto": {}},
        },
        "additionalModelRequestFields": {"top_k": 40},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "serviceTier": {"type": "priority"},
        "requestMetadata": {"team": "a b"},
    }


def test_bug_20_explicit_zeros_stay_and_say_nothing_else() -> None:
    encoded = encode(
        temperature=0, top_p=0.0, model=NOVA, n=1, logprobs=False, presence_penalty=0, frequency_penalty=0.0,
        parallel_tools=True, logit_bias={}, stop=(), metadata={}, service_tier="auto", seed=None, user=None,
    )  # fmt: skip
    assert encoded.body["inferenceConfig"] == {"temperature": 0, "topP": 0.0}
    assert encoded.dropped == ()


def test_what_converse_lacks_is_reported() -> None:
    encoded = encode(
        seed=0, n=2, presence_penalty=0.1, logprobs=True, top_logprobs=2, logit_bias={"1": 1}, user="u",
        cache_key="k", service_tier="scale", extras={"store": True, "nothing": None}, temperature=1.5,
        metadata={"ok": "x", "bad": "é", "number": 1},
    )  # fmt: skip
    assert set(lost(encoded)) == {
        "seed", "n", "presence_penalty", "logprobs", "top_logprobs", "logit_bias", "user", "prompt_cache_key",
        "service_tier", "store", "temperature", "metadata",
    }  # fmt: skip
    assert encoded.body["inferenceConfig"] == {"temperature": 1}
    assert encoded.body["requestMetadata"] == {"ok": "x"}


def test_converses_own_fields_pass() -> None:
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    encoded = encode(
        top_k=3,
        extras={
            "guardrailConfig": guardrail,
            "performanceConfig": {"latency": "optimized"},
            "additionalModelRequestFields": {"x": 1},
        },
    )
    assert encoded.body["guardrailConfig"] == guardrail
    assert encoded.body["performanceConfig"] == {"latency": "optimized"}
    assert encoded.body["additionalModelRequestFields"] == {"top_k": 3, "x": 1}
    assert encoded.dropped == ()


# Turns.


def test_bug_9_results_of_parallel_calls_are_one_turn_and_first() -> None:
    calls = Message("assistant", tuple(ToolCall(id=f"c{n}", name="weather") for n in (1, 2)))
    encoded = encode(
        HI,
        calls,
        Message("tool", (ToolResult(call="c1", content=(Text("one"),)),)),
        user(Text("and"), Media(kind="image", data=PNG)),
        Message("tool", (ToolResult(call="c2", content=(Text("two"),), error=True),)),
        tools=(WEATHER,),
    )
    assert [turn["role"] for turn in encoded.body["messages"]] == ["user", "assistant", "user"]
    assert content(encoded, 2) == [
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "one"}]}},
        {"toolResult": {"toolUseId": "c2", "content": [{"text": "two"}], "status": "error"}},
        {"text": "and"},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
    ]


def test_turns_alternate() -> None:
    encoded = encode(HI, HI, Message("assistant", (Text("a"),)), Message("assistant", (Text("b"),)), HI)
    assert encoded.body["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}, {"text": "Hi"}]},
        {"role": "assistant", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "user", "content": [{"text": "Hi"}]},
    ]
    assert encoded.dropped == ()


def test_bug_10_blank_text_is_left_out() -> None:
    encoded = encode(
        user(Text(" \n"), Text("Hi")),
        Message("assistant", (Text(""), ToolCall(id="c1", name="weather", arguments=""))),
        Message("tool", (ToolResult(call="c1", content=(Text(""),)),)),
        Message("assistant", (Text("  "),)),
        HI,
        tools=(WEATHER,),
        model=NOVA,
    )
    assert encoded.body["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {}}}]},
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "(no content)"}]}}, {"text": "Hi"}],
        },
    ]


def test_a_turn_with_nothing_left_still_stands() -> None:
    encoded = encode(HI, Message("assistant", (Text("Yes?"),)), user(Text("")))
    assert content(encoded, 2) == [{"text": "(no content)"}]


def test_a_conversation_begins_with_the_user() -> None:
    encoded = encode(Message("assistant", (Text("Hello. "),)))
    assert encoded.body["messages"] == [
        {"role": "user", "content": [{"text": "(no content)"}]},
        {"role": "assistant", "content": [{"text": "Hello."}]},
    ]
    assert lost(encoded) == ["messages"]
    assert encode(Message("system", (Text("s"),))).body["messages"][0]["role"] == "user"


def test_bug_11_a_system_text_in_the_middle_stays_in_its_place() -> None:
    encoded = encode(Message("system", (Text("first"),)), HI, CALL, Message("system", (Text("then"),)), RESULT)
    assert encoded.body["system"] == [{"text": "first"}]
    assert "toolResult" in content(encoded, 2)[0]
    assert content(encoded, 2)[1] == {"text": "<system-reminder>\nthen\n</system-reminder>"}
    assert "messages.system" in lost(encoded)


def test_models_without_a_system_prompt_read_it_as_the_users_words() -> None:
    encoded = encode(Message("system", (Text("s"),)), HI, model="amazon.titan-text-express-v1")
    assert encoded.body == {"messages": [{"role": "user", "content": [{"text": "s"}, {"text": "Hi"}]}]}
    assert lost(encoded) == ["messages.system"]


def test_bug_23_ids_that_converse_refuses_are_replaced_the_same_way_on_both_sides() -> None:
    odd = "call|" + "x" * 90
    encoded = encode(
        HI,
        Message("assistant", (ToolCall(id=odd, name="weather"),)),
        Message("tool", (ToolResult(call=odd, content=(Text("r"),)),)),
        tools=(WEATHER,),
    )
    used = content(encoded, 1)[0]["toolUse"]["toolUseId"]
    assert used == content(encoded, 2)[0]["toolResult"]["toolUseId"]
    assert len(used) <= 64 and "|" not in used


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), ("null", {}), ('{"a":1}', {"a": 1}), ("[1]", {"input": [1]}), ("{broken", {"input": "{broken"})],
)
def test_arguments_are_an_object(arguments: str, given: Any) -> None:
    encoded = encode(HI, Message("assistant", (ToolCall(id="c", name="weather", arguments=arguments),)))
    assert content(encoded, 1)[0]["toolUse"]["input"] == given


def test_free_text_tools_are_functions_with_one_string() -> None:
    tool = Tool(name="run", custom=True, description="Runs.")
    encoded = encode(
        HI, Message("assistant", (ToolCall(id="c", name="run", arguments="ls", custom=True),)), tools=(tool,)
    )
    assert content(encoded, 1)[0]["toolUse"]["input"] == {"input": "ls"}
    schema = encoded.body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert schema["properties"] == {"input": {"type": "string"}} and schema["required"] == ["input"]


def test_blocks_of_other_wires_are_reported() -> None:
    encoded = encode(user(Text("Hi"), Opaque("web_search_result", {})), tools=(HostedTool("web_search", {}),))
    assert lost(encoded) == ["web_search_result", "tools.web_search"]
    assert "toolConfig" not in encoded.body


# Thoughts.


def thought(*seals: Any, text: str = "hm", model: str = CLAUDE) -> Encoded:
    call = ToolCall(id="c1", name="weather")
    return encode(HI, Message("assistant", (*seals, call)), RESULT, tools=(WEATHER,), model=model)


def test_bug_4_thoughts_go_back_before_the_call_that_they_led_to() -> None:
    encoded = thought(Reasoning(text="hm", signature=Seal("claude", "EqSig")))
    assert content(encoded, 1)[0] == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqSig"}}}
    assert "toolUse" in content(encoded, 1)[1]
    assert encoded.dropped == ()


def test_bug_5_a_signature_without_text_is_not_empty() -> None:
    encoded = thought(Reasoning(signature=Seal("claude", "EqSig")))
    assert content(encoded, 1)[0] == {"reasoningContent": {"reasoningText": {"text": "", "signature": "EqSig"}}}


@pytest.mark.parametrize("family", ["gemini", "openai", "unknown"])
def test_bug_6_foreign_signatures_are_not_sent(family: str) -> None:
    encoded = thought(Reasoning(text="hm", signature=Seal(family, "x")), Reasoning(text="unsigned"))
    assert [*content(encoded, 1)[0]] == ["toolUse"]
    assert lost(encoded) == ["reasoning"]


def test_seals_of_claude_go_to_claude_only() -> None:
    assert lost(thought(Reasoning(text="hm", signature=Seal("claude", "Eq")), model=NOVA)) == ["reasoning"]
    kept = thought(Reasoning(text="hm", signature=Seal("bedrock", "sig")), model=NOVA)
    assert content(kept, 1)[0]["reasoningContent"]["reasoningText"]["signature"] == "sig"


def test_redacted_thought_is_base64_here() -> None:
    encoded = thought(Reasoning(redacted=Seal("claude", "EqData")))
    value = content(encoded, 1)[0]["reasoningContent"]["redactedContent"]
    assert base64.b64decode(value) == b"EqData"


def test_bug_7_signatures_of_calls_are_reported() -> None:
    signed = ToolCall(id="c1", name="weather", signature=Seal("gemini", "x"))
    assert lost(encode(HI, Message("assistant", (signed,)), RESULT, tools=(WEATHER,))) == ["tool_call.signature"]


def test_bug_22_the_top_of_a_tools_schema_is_one_object() -> None:
    tool = Tool(name="t", schema={"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]})
    encoded = encode(tools=(tool,))
    schema = encoded.body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert schema == {"type": "object", "properties": {"a": {}, "b": {}}}
    assert lost(encoded) == ["tools.parameters.anyOf"]


# Media.


def test_bug_21_images_by_url_are_reported_and_bytes_are_sniffed() -> None:
    encoded = encode(user(Text("?"), Media(kind="image", url="https://x/y.png"), Media(kind="image", data=PNG)))
    assert content(encoded) == [{"text": "?"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
    assert lost(encoded) == ["image.url"]


def test_places_in_s3() -> None:
    encoded = encode(
        user(
            Text("?"),
            Media(kind="video", url="s3://b/v.mp4"),
            Media(kind="document", url="s3://b/a.pdf", name="a.pdf"),
            Media(kind="image", url="s3://b/raw"),
        )
    )
    assert content(encoded)[1:] == [
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}},
        {"document": {"format": "pdf", "source": {"s3Location": {"uri": "s3://b/a.pdf"}}, "name": "a"}},
        {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/raw"}}}},
    ]
    assert encoded.dropped == ()


def test_documents_have_names_of_their_own() -> None:
    data = base64.b64encode(b"%PDF-1.4").decode()
    names = ("Q3  report_v2.pdf", "Q3 report_v2.pdf", None, "日本.pdf", "x" * 300)
    parts = [Media(kind="document", mime="application/pdf", data=data, name=name) for name in names]
    encoded = encode(user(Text("?"), *parts))
    found = [block["document"]["name"] for block in content(encoded)[1:]]
    assert found == ["Q3 report-v2", "Q3 report-v2 (2)", "document", "--", "x" * 200]
    assert encoded.dropped == ()


def test_a_document_needs_a_text_beside_it() -> None:
    encoded = encode(user(Media(kind="document", text="words", mime="text/plain", citations=True)))
    assert content(encoded) == [
        {
            "document": {
                "format": "txt",
                "source": {"bytes": base64.b64encode(b"words").decode()},
                "name": "document",
                "citations": {"enabled": True},
            }
        },
        {"text": "(document)"},
    ]


def test_media_that_is_not_taken_is_reported() -> None:
    encoded = encode(
        user(
            Text("?"),
            Media(kind="image", mime="image/tiff", data="AAAA"),
            Media(kind="document", file="file-1"),
            Media(kind="audio", mime="audio/x-unknown", data="AAAA"),
        ),
        Message("assistant", (Text("x"), Media(kind="image", data=PNG))),
        HI,
    )
    assert lost(encoded) == ["image", "document", "audio", "assistant.image"]


def test_sound_and_results_with_images() -> None:
    encoded = encode(user(Text("?"), Media(kind="audio", mime="audio/mp3", data="AAAA")), model=NOVA)
    assert content(encoded)[1] == {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}}
    image = Media(kind="image", mime="image/jpeg", data="AAAA")
    encoded = encode(HI, CALL, Message("tool", (ToolResult(call="c1", content=(Text("see"), image)),)))
    assert content(encoded, 2)[0]["toolResult"]["content"] == [
        {"text": "see"},
        {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
    ]


# Cache marks.


def test_bug_19_cache_marks_are_kept_everywhere() -> None:
    mark = Cache()
    encoded = encode(
        Message("system", (Text("s", cache=mark),)),
        user(Text("long", cache=Cache("1h")), Text("short")),
        Message("assistant", (ToolCall(id="c1", name="weather", cache=mark),)),
        Message("tool", (ToolResult(call="c1", content=(Text("r", cache=Cache("5m")),)),)),
        tools=(msgspec.structs.replace(WEATHER, cache=mark),),
    )
    point = {"cachePoint": {"type": "default"}}
    assert encoded.body["system"] == [{"text": "s"}, point]
    assert content(encoded)[1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert content(encoded, 1)[1] == point
    assert content(encoded, 2)[1] == point
    assert encoded.body["toolConfig"]["tools"][1] == point
    assert encoded.dropped == ()


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (LLAMA, ["cache_control"]),
        (NOVA, ["cache_control.ttl", "tools.cache_control"]),
        (CLAUDE_37, ["cache_control.ttl"]),
    ],
)
def test_marks_that_a_model_does_not_take_are_reported(model: str, fields: list[str]) -> None:
    tool = msgspec.structs.replace(WEATHER, cache=Cache())
    encoded = encode(user(Text("x", cache=Cache("1h"))), tools=(tool,), model=model)
    assert lost(encoded) == fields


# Tools.


def test_bug_28_what_one_tool_lacks_does_not_spoil_all() -> None:
    tools = (Tool(name="a", description=" "), Tool(name="b", schema={"properties": {}}), Tool(name="c", schema={}))
    specs = [tool["toolSpec"] for tool in encode(tools=tools).body["toolConfig"]["tools"]]
    assert all("description" not in spec for spec in specs)
    assert all(spec["inputSchema"]["json"]["type"] == "object" for spec in specs)


@pytest.mark.parametrize(
    ("model", "choice", "written", "fields"),
    [
        (CLAUDE, ToolChoice(mode="auto"), {"auto": {}}, []),
        (CLAUDE, ToolChoice(mode="required"), {"any": {}}, []),
        (CLAUDE, ToolChoice(mode="tool", name="time"), {"tool": {"name": "time"}}, []),
        (NOVA, ToolChoice(mode="tool", name="time"), {"tool": {"name": "time"}}, []),
        (MISTRAL, ToolChoice(mode="required"), {"any": {}}, []),
        (MISTRAL, ToolChoice(mode="tool", name="time"), {"any": {}}, []),
        (LLAMA, ToolChoice(mode="auto"), None, []),
        (LLAMA, ToolChoice(mode="required"), None, ["tool_choice"]),
        (PROFILE, ToolChoice(mode="required"), {"any": {}}, []),
    ],
)
def test_choices(model: str, choice: ToolChoice, written: Any, fields: list[str]) -> None:
    encoded = encode(tools=(WEATHER, TIME), tool_choice=choice, model=model)
    assert encoded.body["toolConfig"].get("toolChoice") == written
    assert lost(encoded) == fields
    names = [tool["toolSpec"]["name"] for tool in encoded.body["toolConfig"]["tools"]]
    assert names == (["time"] if model == MISTRAL and choice.mode == "tool" else ["weather", "time"])


def test_a_choice_among_some() -> None:
    encoded = encode(tools=(WEATHER, TIME), tool_choice=ToolChoice(mode="required", allowed=("time",)))
    assert [tool["toolSpec"]["name"] for tool in encoded.body["toolConfig"]["tools"]] == ["time"]
    assert encoded.dropped == ()


def test_no_tools_are_no_tool_config_and_none_takes_them_away() -> None:
    encoded = encode(tools=(WEATHER,), tool_choice=ToolChoice(mode="none"), parallel_tools=False)
    assert "toolConfig" not in encoded.body and encoded.dropped == ()
    assert "additionalModelRequestFields" not in encoded.body
    kept = encode(HI, CALL, RESULT, tools=(WEATHER,), tool_choice=ToolChoice(mode="none"))
    assert "toolChoice" not in kept.body["toolConfig"] and lost(kept) == ["tool_choice"]


def test_a_conversation_with_calls_needs_its_tools() -> None:
    encoded = encode(HI, CALL, RESULT)
    assert encoded.body["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
    }
    assert lost(encoded) == ["tools"]


@pytest.mark.parametrize(
    ("choice", "written", "own"),
    [
        (None, None, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="auto"), None, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="required"), {"any": {}}, {"disable_parallel_tool_use": True}),
    ],
)
def test_one_call_at_a_time(choice: ToolChoice | None, written: Any, own: Any) -> None:
    encoded = encode(tools=(WEATHER,), tool_choice=choice, parallel_tools=False)
    assert encoded.body["toolConfig"].get("toolChoice") == written
    assert encoded.body["additionalModelRequestFields"] == {"tool_choice": own}
    assert lost(encode(tools=(WEATHER,), parallel_tools=False, model=NOVA)) == ["parallel_tool_calls"]


def test_strict_tools() -> None:
    strict = Tool(name="s", schema=SCHEMA, strict=True)
    spec = encode(tools=(strict,)).body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["strict"] is True and spec["inputSchema"]["json"]["additionalProperties"] is False
    assert lost(encode(tools=(strict,), model=NOVA)) == ["tools.strict"]
    assert encode(tools=(msgspec.structs.replace(strict, strict=False),), model=NOVA).dropped == ()


# Structured answers.


def shape(schema: Any = SCHEMA, **more: Any) -> Format:
    return Format(kind="json_schema", schema=schema, name="answer", **more)


def test_a_schema_is_enforced_where_it_can_be() -> None:
    encoded = encode(format=shape(description="D"))
    structure = encoded.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(structure["schema"]) == {**SCHEMA, "additionalProperties": False}
    assert (structure["name"], structure["description"]) == ("answer", "D")
    assert encoded.answer_tool is None and encoded.dropped == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
        {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
        {"type": "object", "properties": {"child": {"$ref": "#"}}},
    ],
)
def test_a_schema_that_is_not_enforced_is_a_tools(schema: Any) -> None:
    encoded = encode(format=shape(schema))
    assert encoded.answer_tool == "structured_answer" and "outputConfig" not in encoded.body


def test_references_without_a_circle_are_enforced() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}, "c": {"$ref": "#/$defs/b"}},
              "$defs": {"b": {"type": "string"}}}  # fmt: skip
    assert "textFormat" in encode(format=shape(schema)).body["outputConfig"]


def test_bug_24_the_answers_tool_stands_beside_the_clients() -> None:
    own = Tool(name="structured_answer", schema={"type": "object"})
    encoded = encode(format=shape(), tools=(own,), model=NOVA)
    tools = encoded.body["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in tools] == ["structured_answer", "structured_answer_"]
    assert encoded.answer_tool == "structured_answer_"
    assert encoded.body["toolConfig"]["toolChoice"] == {"any": {}}
    alone = encode(format=shape(), model=NOVA)
    assert alone.body["toolConfig"]["toolChoice"] == {"tool": {"name": "structured_answer"}}
    asked = encode(format=shape(), tools=(own,), tool_choice=ToolChoice(mode="tool", name=own.name), model=NOVA)
    assert asked.body["toolConfig"]["toolChoice"] == {"tool": {"name": own.name}}


def test_bug_24_a_forced_tool_and_thinking_do_not_meet() -> None:
    encoded = encode(format=shape(), thinking=Thinking(effort="low"), model=CLAUDE_37, max_tokens=9000)
    assert encoded.answer_tool is not None
    assert "additionalModelRequestFields" not in encoded.body
    assert lost(encoded) == ["thinking"]


def test_bug_24_a_model_that_refuses_forced_tools_is_asked() -> None:
    encoded = encode(format=shape(), model=LLAMA)
    assert encoded.answer_tool is not None and "toolChoice" not in encoded.body["toolConfig"]
    assert lost(encoded) == ["response_format"]


def test_any_json_is_asked_for_in_words() -> None:
    encoded = encode(format=Format(kind="json_object"))
    assert "JSON" in encoded.body["system"][0]["text"] and lost(encoded) == ["response_format"]
    assert encode(format=Format(kind="text")).dropped == ()


# Thinking.


@pytest.mark.parametrize(
    ("model", "thinking", "most", "written", "fields"),
    [
        (CLAUDE, Thinking(effort="low"), 10000, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, []),
        (CLAUDE, Thinking(budget=500), 10000, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, []),
        (CLAUDE, Thinking(effort="high"), 4000, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, []),
        (CLAUDE, Thinking(effort="high"), 800, None, ["thinking"]),
        (CLAUDE, Thinking(enabled=False), 800, {"thinking": {"type": "disabled"}}, []),
        (CLAUDE_47, Thinking(effort="xhigh"), 800, {"thinking": {"type": "adaptive", "display": "summarized"}}, []),
        (CLAUDE_46, Thinking(effort="max"), 800, {"thinking": {"type": "adaptive"}}, []),
        (CLAUDE_46, Thinking(budget=2000), 8000, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, []),
        ("anthropic.claude-3-haiku-20240307-v1:0", Thinking(effort="low"), 800, None, ["thinking"]),
        ("anthropic.claude-3-haiku-20240307-v1:0", Thinking(effort="none"), 800, None, []),
        (GPT_OSS, Thinking(effort="minimal"), 800, {"reasoning_effort": "low"}, []),
        (GPT_OSS, Thinking(effort="none"), 800, None, ["thinking"]),
        (LLAMA, Thinking(effort="low"), 800, None, ["thinking"]),
        (LLAMA, Thinking(enabled=False), 800, None, []),
        (NOVA, Thinking(effort="low"), 800, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, []),
        (
            NOVA, Thinking(effort="high"), 800,
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, ["thinking"],
        ),
        ("amazon.nova-pro-v1:0", Thinking(effort="low"), 800, None, ["thinking"]),
    ],
)  # fmt: skip
def test_bugs_25_and_26_thinking(model: str, thinking: Thinking, most: int, written: Any, fields: list[str]) -> None:
    encoded = encode(thinking=thinking, model=model, max_tokens=most)
    assert encoded.body.get("additionalModelRequestFields") == written
    assert encoded.body["inferenceConfig"]["maxTokens"] == most, "what the caller pays for is never raised"
    assert lost(encoded) == fields


def test_effort_words() -> None:
    assert encode(thinking=Thinking(effort="xhigh"), model=CLAUDE_47).body["outputConfig"] == {"effort": "xhigh"}
    opus = encode(thinking=Thinking(effort="low"), model="anthropic.claude-opus-4-5-20251101-v1:0").body
    assert opus["outputConfig"] == {"effort": "low"}
    assert opus["additionalModelRequestFields"]["anthropic_beta"] == ["effort-2025-11-24"]
    assert opus["inferenceConfig"]["maxTokens"] > opus["additionalModelRequestFields"]["thinking"]["budget_tokens"]


def test_bug_4_a_tool_loop_without_its_thoughts_does_not_think() -> None:
    fields: dict[str, Any] = {"tools": (WEATHER,), "thinking": Thinking(effort="low"), "max_tokens": 9000}
    assert lost(encode(HI, CALL, RESULT, **fields)) == ["thinking"]
    signed = Message("assistant", (Reasoning(text="hm", signature=Seal("claude", "Eq")), *CALL.parts))
    assert encode(HI, signed, RESULT, **fields).dropped == ()
    assert encode(HI, CALL, RESULT, Message("assistant", (Text("so"),)), HI, **fields).dropped == ()


def test_samplers_and_thinking_of_claude() -> None:
    encoded = encode(thinking=Thinking(effort="low"), temperature=0.2, top_k=3, max_tokens=9000)
    assert encoded.body["inferenceConfig"] == {"maxTokens": 9000}
    assert set(lost(encoded)) == {"temperature", "top_k"}
    assert lost(encode(temperature=0.2, top_p=0.5)) == ["top_p"]
    assert lost(encode(temperature=0.2, model=CLAUDE_47)) == ["temperature"]
    assert encode(temperature=1, model=CLAUDE_47).dropped == ()


@pytest.mark.parametrize(
    ("model", "written", "fields"),
    [
        (CLAUDE, {"top_k": 5}, []),
        (NOVA, {"inferenceConfig": {"topK": 5}}, []),
        ("cohere.command-r-v1:0", {"k": 5}, []),
        (MISTRAL, {"top_k": 5}, []),
        (LLAMA, None, ["top_k"]),
    ],
)
def test_top_k(model: str, written: Any, fields: list[str]) -> None:
    encoded = encode(top_k=5, model=model)
    assert encoded.body.get("additionalModelRequestFields") == written
    assert lost(encoded) == fields


def test_a_quirk_says_whose_model_a_profile_is() -> None:
    marked = user(Text("x", cache=Cache()))
    assert lost(encode(marked, model=PROFILE)) == ["cache_control"]
    assert encode(marked, model=PROFILE, quirks=frozenset(("claude",))).dropped == ()


def test_a_stream_asks_for_its_stop_sequence() -> None:
    encoded = encode(stop=("a", " "), stream=True)
    assert encoded.body["additionalModelResponseFieldPaths"] == ["/delta/stop_sequence"]
    assert encoded.body["inferenceConfig"]["stopSequences"] == ["a"] and lost(encoded) == ["stop"]


PARTS = st.one_of(
    st.builds(Text, st.text(max_size=5)),
    st.builds(lambda text: Reasoning(text=text), st.text(max_size=3)),
    st.builds(
        lambda id_, text: ToolCall(id=id_, name="weather", arguments=text), st.text(max_size=5), st.text(max_size=5)
    ),
    st.builds(lambda id_, text: ToolResult(call=id_, content=(Text(text),)), st.text(max_size=5), st.text(max_size=3)),
    st.builds(lambda mime, data: Media(kind="image", mime=mime, data=data), st.none() | st.text(max_size=9), st.text()),
    st.builds(lambda name: Media(kind="document", text="t", name=name), st.none() | st.text(max_size=9)),
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.builds(Message, ROLES, st.lists(PARTS, max_size=3).map(tuple)), max_size=6),
    st.sampled_from([CLAUDE, NOVA, LLAMA, PROFILE]),
)
def test_whatever_is_said_the_turns_are_valid(messages: list[Message], model: str) -> None:
    request = Request(origin="openai-chat", model="m", messages=tuple(messages))
    encoded = BEDROCK.encode_request(request, Dialect("bedrock", model))
    turns = encoded.body["messages"]
    assert [turn["role"] for turn in turns] == (["user", "assistant"] * len(turns))[: len(turns)] and turns
    for turn in turns:
        assert turn["content"]
        assert all(block["text"].strip() for block in turn["content"] if "text" in block)
        results = ["toolResult" in block for block in turn["content"]]
        assert results == sorted(results, reverse=True)
    has_tools = any({"toolUse", "toolResult"} & block.keys() for turn in turns for block in turn["content"])
    assert ("toolConfig" in encoded.body) == has_tools
