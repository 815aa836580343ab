"""Cohere's requests: what is written, and what is lost. Facts: https://docs.cohere.com/reference/chat."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.ir.chat import (
    Cache,
    Citation,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
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
from gateway.protocols.contract import Dialect

COHERE = PROTOCOLS["cohere"]
CHAT = PROTOCOLS["openai-chat"]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
REASONS = "command-a-reasoning-08-2025"


def asked(*messages: Message, **fields: Any) -> Request:
    return Request(origin="elsewhere", model="m", messages=messages or (Message("user", (Text("hi"),)),), **fields)


def written(request: Request, model: str = "command-a-03-2025", *quirks: str) -> tuple[dict[str, Any], dict[str, str]]:
    encoded = COHERE.encode_request(request, Dialect("cohere", model, frozenset(quirks)))
    return json.loads(msgspec.json.encode(encoded.body)), {each.field: each.why for each in encoded.dropped}


def test_where_it_goes() -> None:
    assert COHERE.endpoint("m", True) == "/v2/chat"


def test_a_plain_request() -> None:
    request = asked(
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("hi"),)),
        max_tokens=5,
        temperature=0,
        top_p=0.9,
        top_k=0,
        seed=0,
        stop=("a", "b"),
        frequency_penalty=0,
        logprobs=False,
        stream=True,
    )
    body, dropped = written(request)
    assert body == {
        "model": "command-a-03-2025",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "stream": True,
        "max_tokens": 5,
        "temperature": 0,
        "seed": 0,
        "k": 0,
        "p": 0.9,
        "logprobs": False,
        "frequency_penalty": 0,
        "stop_sequences": ["a", "b"],
    }
    assert dropped == {}


def test_a_conversation_with_tools() -> None:
    request = asked(
        Message("user", (Text("look"), Media(kind="image", mime="image/png", data="iVBORw0KGgo=", detail="low"))),
        Message("assistant", (Reasoning(text="I will ask."), ToolCall(id="c_1", name="f", arguments='{"a": 1}'))),
        Message("tool", (ToolResult(call="c_1", content=(Text("rain"),)),)),
        tools=(Tool(name="f", description="d", schema=SCHEMA),),
    )
    body, dropped = written(request)
    url = {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": url}]},
        {
            "role": "assistant",
            "tool_plan": "I will ask.",
            "tool_calls": [{"id": "c_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c_1", "content": "rain"},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}]
    assert dropped == {}


def test_what_changes_nothing_is_not_reported() -> None:
    request = asked(
        n=1,
        parallel_tools=True,
        logit_bias={},
        top_logprobs=0,
        service_tier="default",
        user=None,
        temperature=None,
        format=Format(kind="text"),
        tool_choice=ToolChoice(mode="auto"),
        tools=(Tool(name="f", strict=False),),
    )
    body, dropped = written(request)
    assert dropped == {}
    assert "tool_choice" not in body
    assert "strict_tools" not in body


def test_what_the_wire_has_no_place_for_is_reported() -> None:
    seal = Seal("claude", "x")
    request = asked(
        Message("user", (Text("a", cache=Cache()), Media(kind="audio", data="x")), name="Ann"),
        Message(
            "assistant",
            (
                Text("b", citations=(Citation(url="u"),), signature=seal),
                Reasoning(text="t", signature=seal),
                Opaque("web_search", {}),
            ),
            extras={"strange": 1},
        ),
        Message("assistant", (ToolCall(id="1", name="f", signature=seal, extras={"odd": 1}),)),
        Message("tool", (ToolResult(call="1", error=True, content=(Media(kind="image", url="https://x/y"),)),)),
        Message("user", (Media(kind="document", mime="application/pdf", data="JVBERi0="),)),
        n=2,
        parallel_tools=False,
        logit_bias={"1": 1},
        top_logprobs=2,
        user="u",
        metadata={"a": "b"},
        cache_key="k",
        service_tier="flex",
        stop=tuple("abcdef"),
        tools=(HostedTool("web_search", {}), Tool(name="f", strict=True), Tool(name="g")),
        extras={"store": True},
    )
    body, dropped = written(request)
    assert set(dropped) == {
        "cache_control", "audio", "messages.name", "citations", "text.signature", "reasoning", "reasoning.signature",
        "web_search", "strange", "tool_call.signature", "odd", "tool_result.is_error", "tool_result.media", "document", "n",
        "parallel_tool_calls", "logit_bias", "top_logprobs", "user", "metadata", "prompt_cache_key", "service_tier", "stop",
        "tools.web_search", "tools.strict", "store",
    }  # fmt: skip
    roles = [each["role"] for each in body["messages"]]
    assert roles == ["user", "assistant", "assistant", "tool", "user", "user"]
    assert body["messages"][4]["content"][0]["image_url"] == {"url": "https://x/y"}


def test_fields_that_only_cohere_has_reach_it() -> None:
    own = {"documents": ["a"], "citation_options": {"mode": "OFF"}, "safety_mode": "NONE"}
    body, dropped = written(asked(extras={**own, "store": False}))
    assert {name: body[name] for name in own} == own
    assert set(dropped) == {"store"}


@pytest.mark.parametrize(
    ("choice", "word", "names", "reported"),
    [
        (ToolChoice(mode="auto"), None, ["f", "g"], False),
        (ToolChoice(mode="none"), "NONE", ["f", "g"], False),
        (ToolChoice(mode="required"), "REQUIRED", ["f", "g"], False),
        (ToolChoice(mode="tool", name="g"), "REQUIRED", ["g"], True),
        (ToolChoice(mode="auto", allowed=("f",)), None, ["f"], True),
        (ToolChoice(mode="required", allowed=("f", "g")), "REQUIRED", ["f", "g"], False),
        (ToolChoice(mode="auto", raw={"type": "x"}), None, ["f", "g"], True),
    ],
)
def test_a_choice_of_tools(choice: ToolChoice, word: str | None, names: list[str], reported: bool) -> None:
    body, dropped = written(asked(tools=(Tool(name="f"), Tool(name="g")), tool_choice=choice))
    assert body.get("tool_choice") == word
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert ("tool_choice" in dropped) is reported


def test_the_only_tool_by_name_loses_nothing() -> None:
    body, dropped = written(asked(tools=(Tool(name="f"),), tool_choice=ToolChoice(mode="tool", name="f")))
    assert body["tool_choice"] == "REQUIRED"
    assert dropped == {}


def test_strict_tools_are_all_or_none() -> None:
    assert written(asked(tools=(Tool(name="f", strict=True),)))[0]["strict_tools"] is True


def test_a_free_text_tool_is_a_function_of_one_string() -> None:
    request = asked(
        Message("assistant", (ToolCall(id="1", name="sh", arguments="ls", custom=True),)),
        tools=(Tool(name="sh", custom=True),),
    )
    body, _ = written(request)
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"input":"ls"}'
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]


def test_penalties_go_one_at_a_time_and_inside_their_bounds() -> None:
    body, dropped = written(asked(frequency_penalty=0, presence_penalty=0.5))
    assert (body.get("frequency_penalty"), body["presence_penalty"], dropped) == (None, 0.5, {})
    body, dropped = written(asked(frequency_penalty=2, presence_penalty=0.5, top_p=1))
    assert (body["frequency_penalty"], body.get("presence_penalty"), body["p"]) == (1, None, 0.99)
    assert set(dropped) == {"frequency_penalty", "presence_penalty", "top_p"}


def test_bug_5_and_6_seals_of_others_do_not_travel() -> None:
    seal = Seal("claude", "secret")
    request = asked(Message("assistant", (Reasoning(text="t", signature=seal), Reasoning(redacted=seal), Text("a"))))
    body, dropped = written(request, REASONS)
    thought = {"type": "thinking", "thinking": "t"}
    assert body["messages"][:1] == [{"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]}]
    assert set(dropped) == {"reasoning.signature", "messages"}


def test_bug_9_results_stand_each_for_themselves() -> None:
    results = (ToolResult(call="2", content=(Text("b"),)), ToolResult(call="1", content=(Text("a"), Text("c"))))
    body, _ = written(asked(Message("tool", results)))
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "c"}]
    assert body["messages"] == [
        {"role": "tool", "tool_call_id": "2", "content": "b"},
        {"role": "tool", "tool_call_id": "1", "content": texts},
    ]


def test_bug_10_empty_texts_leave_no_trace() -> None:
    request = asked(Message("user", (Text(""), Text("a"))), Message("assistant", (Text(""),)), Message("user", ()))
    assert written(request)[0]["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "(no content)"},
    ]


def test_bug_11_system_texts_stand_first_and_later_ones_stay_in_their_place() -> None:
    request = asked(
        Message("system", (Text("a"),)),
        Message("developer", (Text("b"),)),
        Message("user", (Text("c"),)),
        Message("system", (Text("d"),)),
    )
    body, dropped = written(request)
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert body["messages"][0] == {"role": "system", "content": texts}
    assert [each["role"] for each in body["messages"]] == ["system", "user", "user"]
    assert "d" in body["messages"][2]["content"]
    assert "messages.system" in dropped


def test_bug_20_zeros_are_values() -> None:
    body, _ = written(asked(temperature=0, max_tokens=0, seed=0, presence_penalty=0, logprobs=False))
    assert [body[name] for name in ("temperature", "max_tokens", "seed", "presence_penalty", "logprobs")] == [0] * 5


def test_bug_21_images_by_url_and_by_their_bytes_documents_by_their_text() -> None:
    parts = (
        Media(kind="image", url="https://x/y"),
        Media(kind="image", data="iVBORw0KGgo="),
        Media(kind="document", text="note"),
        Media(kind="document", mime="text/plain", data="aGk="),
    )
    body, dropped = written(asked(Message("user", parts)))
    assert body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x/y"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "text", "text": "note"},
        {"type": "text", "text": "hi"},
    ]
    assert dropped == {}


def test_bug_24_a_schema_is_native_alone_and_a_tool_beside_tools() -> None:
    format_ = Format(kind="json_schema", schema=SCHEMA, name="n")
    body, dropped = written(asked(format=format_))
    assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert dropped == {}
    request = asked(format=format_, tools=(Tool(name="structured_answer"), Tool(name="f")))
    encoded = COHERE.encode_request(request, Dialect("cohere", "command-a-03-2025"))
    assert "response_format" not in encoded.body
    assert encoded.body["tool_choice"] == "REQUIRED"
    assert encoded.answer_tool == "structured_answer_", "the caller's tools keep their names"
    assert encoded.body["tools"][2]["function"]["parameters"] == SCHEMA


def test_bug_24_a_form_beside_tools_that_may_or_must_not_be_called() -> None:
    tools = (Tool(name="f"),)
    schema = Format(kind="json_schema", schema=SCHEMA)
    body, dropped = written(asked(format=schema, tools=tools, tool_choice=ToolChoice(mode="none")))
    assert ("tools" in body, "tool_choice" in body, "response_format" in body) == (False, False, True)
    assert set(dropped) == {"tools"}
    body, dropped = written(asked(format=schema, tools=tools, tool_choice=ToolChoice(mode="required")))
    assert (len(body["tools"]), "response_format" in body, dropped) == (1, False, {})
    body, dropped = written(asked(format=Format(kind="json_object"), tools=tools))
    assert set(dropped) == {"response_format"}
    assert written(asked(format=Format(kind="json_object")))[0]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("model", "thinking", "most", "wanted", "reported"),
    [
        (REASONS, Thinking(enabled=True), None, {"type": "enabled"}, set()),
        (REASONS, Thinking(budget=2000), None, {"type": "enabled", "token_budget": 2000}, set()),
        (REASONS, Thinking(effort="low"), None, {"type": "enabled", "token_budget": 2048}, set()),
        (REASONS, Thinking(effort="none"), None, {"type": "disabled"}, set()),
        (REASONS, Thinking(budget=2000), 1000, {"type": "enabled", "token_budget": 500}, {"thinking.budget"}),
        (REASONS, Thinking(effort="high"), 1000, {"type": "enabled", "token_budget": 500}, set()),
        ("command-r7b-12-2024", Thinking(effort="high"), None, None, {"thinking"}),
        ("command-r7b-12-2024", Thinking(enabled=False), None, None, set()),
    ],
)
def test_bug_25_and_26_thinking_within_bounds(
    model: str, thinking: Thinking, most: int | None, wanted: Any, reported: set[str]
) -> None:
    body, dropped = written(asked(thinking=thinking, max_tokens=most), model)
    assert body.get("thinking") == wanted
    assert set(dropped) == reported


def test_bug_26_a_quirk_says_that_a_model_reasons() -> None:
    assert written(asked(thinking=Thinking(enabled=True)), "my-own", "thinking")[0]["thinking"] == {"type": "enabled"}


def test_bug_28_a_tool_always_has_parameters() -> None:
    body, _ = written(asked(tools=(Tool(name="f"),)))
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_no_client_speaks_it() -> None:
    with pytest.raises(LookupError):
        COHERE.decode_head(b"{}", None, None)
