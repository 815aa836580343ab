"""Requests of other wires, written for Gemini."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ir.chat import (
    Cache,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Reasoning,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.protocols.gemini.kit import FLASH, OLD, THREE, asked, chat, fields, read, write

USER = Message("user", (Text("hi"),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
TOOL = Tool(name="f", description="d", schema=SCHEMA)


def think(model: str, max_tokens: int | None = None, **how: Any) -> tuple[Any, list[str]]:
    more = {"max_tokens": max_tokens} if max_tokens is not None else {}
    encoded = write(asked(USER, thinking=Thinking(**how), **more), model)
    return encoded.body.get("generationConfig", {}).get("thinkingConfig"), fields(encoded)


def test_a_conversation() -> None:
    encoded = write(
        asked(
            Message("system", (Text("a"),)),
            Message("developer", (Text("b"),)),
            USER,
            Message("user", (Text("there"),)),
            Message("assistant", (Text(""), ToolCall(id="1", name="f", arguments='{"a":1.0}'))),
            Message("tool", (ToolResult(call="1", content=(Text("x"), Text("y"))),)),
        )
    )
    assert encoded.body == {
        "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}, {"text": "there"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "1", "name": "f", "args": {"a": 1.0}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"output": "x\ny"}}}]},
        ],
    }
    assert encoded.dropped == ()


def test_only_a_system_text() -> None:
    encoded = write(asked(Message("system", (Text("a"),))))
    assert encoded.body == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}
    assert fields(encoded) == ["messages.system"]


def test_ids_may_be_left_out_by_a_quirk() -> None:
    call = Message("assistant", (ToolCall(id="1", name="f"),))
    result = Message("tool", (ToolResult(call="1", content=(Text("x"),)),))
    contents = write(asked(USER, call, result), FLASH, "no_call_ids").body["contents"]
    assert contents[1]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert contents[2]["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]


def test_errors_of_tools_and_arguments_that_are_no_object() -> None:
    call = Message("assistant", (ToolCall(id="1", name="f", arguments='{"a'), ToolCall(id="2", name="g", arguments="")))
    result = Message("tool", (ToolResult(call="1", content=(Text("bad"),), error=True), ToolResult(call="9")))
    encoded = write(asked(USER, call, result))
    assert encoded.body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": '{"a'}
    assert encoded.body["contents"][1]["parts"][1]["functionCall"]["args"] == {}
    first, second = (part["functionResponse"] for part in encoded.body["contents"][2]["parts"])
    assert first == {"id": "1", "name": "f", "response": {"error": "bad"}}
    assert second == {"id": "9", "name": "9", "response": {"output": ""}}
    assert fields(encoded) == ["tool_call.arguments"]


def test_tools_by_generation_and_choices() -> None:
    new = write(asked(USER, tools=(TOOL,), tool_choice=ToolChoice(mode="tool", name="f")))
    assert new.body["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}]}
    ]
    assert new.body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    old = write(
        asked(USER, tools=(TOOL, Tool(name="g", schema={"type": "object", "properties": {}})), parallel_tools=True), OLD
    )
    first, second = old.body["tools"][0]["functionDeclarations"]
    assert first["parameters"] == {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}
    assert second == {"name": "g"}, "an object without properties is no parameters here"
    for choice, wanted in (
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="auto", allowed=("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice(mode="required", allowed=("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ):
        body = write(asked(USER, tools=(TOOL,), tool_choice=choice)).body
        assert body["toolConfig"]["functionCallingConfig"] == wanted
    assert old.dropped == () and new.dropped == ()


def test_a_free_text_tool_becomes_a_function_of_one_text() -> None:
    encoded = write(
        asked(
            USER,
            Message("assistant", (ToolCall(id="1", name="sh", arguments="ls -l", custom=True),)),
            tools=(Tool(name="sh", custom=True),),
        )
    )
    declared = encoded.body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert declared["properties"] == {"input": {"type": "string"}} and declared["required"] == ["input"]
    assert encoded.body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "ls -l"}


def test_what_gemini_cannot_say_is_reported_and_what_it_need_not_is_not() -> None:
    encoded = write(
        asked(
            Message("user", (Text("hi", cache=Cache()), Opaque("search", {})), "bob", {"z": 1}),
            Message("assistant", (Reasoning(text="hm", signature=Seal("claude", "s")), Text("ho"))),
            tools=(HostedTool("web_search", {}), Tool(name="f", strict=True)),
            tool_choice=ToolChoice(mode="auto", raw={"x": 1}),
            logit_bias={"1": 1.0}, user="u", metadata={"a": "b"}, cache_key="k", service_tier="scale",
            parallel_tools=False, stop=tuple("abcdef"), extras={"prediction": {}, "store": None},
        )
    )  # fmt: skip
    assert set(fields(encoded)) == {
        *(
            "messages.name",
            "cache_control",
            "search",
            "z",
            "reasoning",
            "tools.web_search",
            "tools.strict",
            "tool_choice",
        ),
        *(
            "logit_bias",
            "user",
            "metadata",
            "prompt_cache_key",
            "service_tier",
            "parallel_tool_calls",
            "stop",
            "prediction",
        ),
    }
    assert encoded.body["generationConfig"]["stopSequences"] == list("abcde")
    silent = asked(USER, parallel_tools=True, user=None, logit_bias={}, metadata=None, service_tier="auto", n=1)
    assert write(silent).dropped == ()
    assert write(asked(USER, service_tier="priority")).body["serviceTier"] == "priority"


def test_explicit_values_survive() -> None:
    request = asked(
        USER, temperature=0, top_p=0.0, max_tokens=0, seed=0, presence_penalty=0, stop=(), logprobs=False, n=1
    )
    assert write(request).body["generationConfig"] == {
        "maxOutputTokens": 0, "temperature": 0, "topP": 0.0, "candidateCount": 1, "stopSequences": [], "seed": 0,
        "presencePenalty": 0, "responseLogprobs": False,
    }  # fmt: skip
    assert "generationConfig" not in write(asked(USER, temperature=None)).body, "null of another wire is no value"
    assert fields(write(asked(USER, presence_penalty=0), FLASH, "no_presencePenalty")) == ["presencePenalty"]


@pytest.mark.parametrize(
    ("model", "how", "wanted", "lost"),
    [
        (FLASH, {"effort": "none"}, {"thinkingBudget": 0}, []),
        (FLASH, {"effort": "low"}, {"thinkingBudget": 2048, "includeThoughts": True}, []),
        (FLASH, {"budget": 99999}, {"thinkingBudget": 24576, "includeThoughts": True}, ["thinking.budget"]),
        (FLASH, {"budget": -1, "summary": ""}, {"thinkingBudget": -1}, []),
        (FLASH, {"enabled": True}, {"thinkingBudget": -1, "includeThoughts": True}, []),
        ("gemini-2.5-pro", {"effort": "none"}, {"thinkingBudget": 128}, ["thinking"]),
        ("gemini-2.5-pro", {"effort": "xhigh"}, {"thinkingBudget": 32768, "includeThoughts": True}, []),
        ("gemini-2.5-flash-lite", {"budget": 100}, {"thinkingBudget": 512, "includeThoughts": True}, ["thinking.budget"]),
        (THREE, {"effort": "high"}, {"thinkingLevel": "HIGH", "includeThoughts": True}, []),
        (THREE, {"effort": "medium"}, {"thinkingLevel": "LOW", "includeThoughts": True}, ["thinking"]),
        (THREE, {"effort": "none"}, {"thinkingLevel": "LOW"}, ["thinking"]),
        ("gemini-3.1-pro-preview", {"effort": "medium"}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, []),
        ("gemini-3-flash", {"effort": "minimal"}, {"thinkingLevel": "MINIMAL", "includeThoughts": True}, []),
        ("gemini-3.8-flash", {"budget": 20000}, {"thinkingLevel": "HIGH", "includeThoughts": True}, ["thinking"]),
        ("gemini-3-flash", {"adaptive": True}, {"includeThoughts": True}, []),
        ("gemini-flash-latest", {"effort": "low"}, {"thinkingBudget": 2048, "includeThoughts": True}, []),
        (OLD, {"effort": "high"}, None, ["thinking"]),
        (OLD, {"effort": "none"}, None, []),
        ("gemini-2.5-flash-image", {"effort": "low"}, None, ["thinking"]),
    ],
)  # fmt: skip
def test_bug_26_thinking_by_generation(model: str, how: dict[str, Any], wanted: Any, lost: list[str]) -> None:
    assert think(model, **how) == (wanted, lost)


def test_bug_25_a_budget_leaves_room_for_the_answer() -> None:
    assert think(FLASH, 1000, effort="high") == ({"thinkingBudget": 500, "includeThoughts": True}, ["thinking.budget"])
    assert think(FLASH, 100000, effort="high")[1] == []


def test_thinking_of_its_own_wire_is_kept_but_for_a_generation_that_refuses_it() -> None:
    def own(config: dict[str, Any], model: str) -> Any:
        body = {"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"thinkingConfig": config}}
        return write(read(body), model).body.get("generationConfig")

    for config in ({"thinkingBudget": 7}, {"includeThoughts": False}, {"thinkingBudget": -1, "includeThoughts": True}):
        for model in (FLASH, THREE, OLD):
            assert own(config, model) == {"thinkingConfig": config}
    assert own({"thinkingLevel": "HIGH"}, THREE) == {"thinkingConfig": {"thinkingLevel": "HIGH"}}
    assert own({"thinkingLevel": "LOW"}, FLASH) == {"thinkingConfig": {"thinkingBudget": 2048}}


def test_forms_of_answers() -> None:
    form = Format(kind="json_schema", schema=SCHEMA, name="n", description="d", strict=True)
    assert write(asked(USER, format=form)).body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"title": "n", "description": "d", **SCHEMA},
    }
    assert write(asked(USER, format=form), OLD).body["generationConfig"]["responseSchema"]["type"] == "OBJECT"
    assert write(asked(USER, format=Format(kind="json_object"))).body["generationConfig"] == {
        "responseMimeType": "application/json"
    }
    assert "generationConfig" not in write(asked(USER, format=Format(kind="text"))).body


def test_bug_24_a_schema_beside_tools() -> None:
    form = Format(kind="json_schema", schema=SCHEMA)
    user = Tool(name="answer", schema=SCHEMA)
    both = write(asked(USER, format=form, tools=(user,)))
    names = [each["name"] for each in both.body["tools"][0]["functionDeclarations"]]
    assert names == ["answer", "answer_2"] and both.answer_tool == "answer_2", "a client's tool is not overwritten"
    assert both.body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert "generationConfig" not in both.body and both.dropped == ()
    three = write(asked(USER, format=form, tools=(user,)), THREE)
    assert three.answer_tool is None and "responseJsonSchema" in three.body["generationConfig"]
    forced = write(asked(USER, format=form, tools=(user,), tool_choice=ToolChoice(mode="required")))
    assert forced.answer_tool is None and fields(forced) == ["response_format"]
    none = write(asked(USER, format=form, tools=(user,), tool_choice=ToolChoice(mode="none")))
    assert (
        "tools" not in none.body and "responseJsonSchema" in none.body["generationConfig"] and fields(none) == ["tools"]
    )


PNG = "iVBORw0KGgoAAAANSUhEUg=="


def test_bug_21_images() -> None:
    def sent(part: Any, model: str = FLASH) -> tuple[Any, list[str]]:
        encoded = write(asked(Message("user", (Text("x"), part))), model)
        return encoded.body["contents"][0]["parts"][1:], fields(encoded)

    assert sent(Media(kind="image", mime="image/jpg", data=PNG)) == (
        [{"inlineData": {"mimeType": "image/png", "data": PNG}}],
        [],
    )
    url = Media(kind="image", url="https://a.example/x.webp?y=1")
    assert sent(url) == ([{"fileData": {"mimeType": "image/webp", "fileUri": "https://a.example/x.webp?y=1"}}], [])
    assert sent(url, OLD) == ([], ["image.url"])
    assert sent(Media(kind="document", mime="text/plain", text="hé"))[0] == [
        {"inlineData": {"mimeType": "text/plain", "data": "aMOp"}}
    ]
    assert sent(Media(kind="document", file="file-1")) == ([], ["document"])
    assert sent(Media(kind="image", data=PNG, detail="high"))[1] == ["image.detail"]
    assert sent(Media(kind="audio", mime="audio/x-wav", data="UklGRg=="))[0][0]["inlineData"]["mimeType"] == "audio/wav"
    assert sent(Media(kind="document", mime="application/pdf", data="JVBERi0=", name="a.pdf"))[1] == ["document.name"]


def test_media_in_results() -> None:
    call = Message("assistant", (ToolCall(id="1", name="f"), ToolCall(id="2", name="f")))
    image = Media(kind="image", mime="image/png", data=PNG)
    results = Message(
        "tool", (ToolResult(call="1", content=(Text("see"), image)), ToolResult(call="2", content=(Text("b"),)))
    )
    three = write(asked(USER, call, results), THREE)
    assert three.body["contents"][2]["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": PNG}}
    ]
    assert fields(three) == []
    older = write(asked(USER, call, results))
    assert [next(iter(part)) for part in older.body["contents"][2]["parts"]] == [
        "functionResponse",
        "inlineData",
        "functionResponse",
    ]
    assert fields(older) == ["tool_result.media"]


def test_a_chat_clients_request() -> None:
    request = chat(
        {"max_tokens": 5, "response_format": {"type": "json_object"}, "reasoning_effort": "low", "temperature": 0}
    )
    assert write(request, THREE).body["generationConfig"] == {
        "responseMimeType": "application/json",
        "maxOutputTokens": 5,
        "temperature": 0,
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
    }
