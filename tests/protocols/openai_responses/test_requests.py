"""Responses requests: from the wire into the IR and back to it, to the chat wire and from it. Numbers in names are those
of well-known translation bugs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from gateway.failure import Refused
from gateway.ir.chat import (
    Cache,
    Citation,
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
from gateway.protocols.contract import Dialect, Edits, Encoded
from gateway.protocols.translate import request_of

WIRE = PROTOCOLS["openai-responses"]
CHAT = PROTOCOLS["openai-chat"]
OPENAI = Dialect("openai", "gpt-5.1", frozenset(("max_completion_tokens", "developer")))
PLAIN = Dialect("openai", "gpt-4.1", frozenset(("max_completion_tokens", "developer")))


def read(**body: Any) -> Request:
    return request_of(WIRE, WIRE.decode_head(json.dumps({"model": "m", "input": "hi", **body}).encode()))


def again(**body: Any) -> dict[str, Any]:
    encoded = WIRE.encode_request(read(**body), Dialect("openai", "m"))
    assert encoded.dropped == ()
    return json.loads(json.dumps(encoded.body))


def to_chat(**body: Any) -> Encoded:
    return CHAT.encode_request(read(**body), PLAIN)


def sent(*messages: Message, to: Dialect = OPENAI, **fields: Any) -> Encoded:
    return WIRE.encode_request(Request(origin="anthropic", model="m", messages=messages, **fields), to)


def fields_of(encoded: Encoded) -> set[str]:
    return {each.field for each in encoded.dropped}


def user(*parts: Part) -> Message:
    return Message("user", parts)


def model(*parts: Part) -> Message:
    return Message("assistant", parts)


WEATHER = {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"},
}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Sub-agents.",
    "tools": [
        {"type": "function", "name": "spawn", "description": "s", "strict": False, "parameters": {"type": "object"}},
        {"type": "function", "name": "close", "strict": False, "parameters": {"type": "object"}},
    ],
}
SEARCH = {"type": "tool_search", "execution": "client", "description": "Finds.", "parameters": {"type": "object"}}

IDENTICAL: list[dict[str, Any]] = [
    {"input": "hello", "instructions": "be brief"},
    {"input": "hello", "instructions": ""},
    {"temperature": 0, "top_p": 0.0, "max_output_tokens": 0, "parallel_tool_calls": False, "user": "", "metadata": {}},
    {"temperature": None, "top_p": None, "max_output_tokens": None, "parallel_tool_calls": None, "metadata": None},
    {"store": False, "include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "top_logprobs": 3},
    {"store": True, "include": ["web_search_call.action.sources"], "truncation": "auto", "background": True},
    {"truncation": "disabled", "background": False, "client_metadata": {"a": "b"}, "stream_options": {"x": False}},
    {"previous_response_id": "resp_1", "prompt_cache_key": "k", "service_tier": "flex", "safety_identifier": "s"},
    {"reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"}},
    {"text": {"verbosity": "low"}},
    {"text": {"format": {"type": "json_object"}, "verbosity": "high", "new": 1}},
    {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
    {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "description": "d"}}},
    {"tools": [WEATHER, PATCH, AGENTS, SEARCH, {"type": "local_shell"}, {"type": "web_search", "x": 1}]},
    {"tools": [WEATHER], "tool_choice": "required"},
    {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "weather"}},
    {"tools": [PATCH], "tool_choice": {"type": "custom", "name": "apply_patch"}},
    {"tool_choice": {"type": "web_search"}},
    {
        "tools": [WEATHER, PATCH],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "weather"}, {"type": "custom", "name": "apply_patch"}],
        },
    },
    {
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "a"}, {"type": "mcp", "server_label": "s"}],
        },
    },
    {"stream": True},
    {"field_of_tomorrow": {"a": [1]}},
]


@pytest.mark.parametrize("body", IDENTICAL, ids=lambda body: "-".join(body))
def test_fields_return_as_they_came(body: dict[str, Any]) -> None:
    assert again(**body) == {"model": "m", "input": "hi", **body}


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **fields}


IMAGE = "data:image/png;base64,iVBORw0KGgo="
ITEMS: list[list[dict[str, Any]]] = [
    [
        {"type": "message", "role": "user", "content": "a"},
        said("b", id="msg_1", status="completed", phase="commentary"),
    ],
    [{"type": "message", "role": "system", "content": "s"}, {"type": "message", "role": "user", "content": "a"}],
    [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": IMAGE, "detail": "high"},
                {"type": "input_image", "image_url": "https://x/y.png"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
                {"type": "input_file", "file_url": "https://x/y.pdf"},
                {"type": "input_file", "file_id": "file-2"},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "input_of_tomorrow", "x": 1},
            ],
        },
    ],
    [
        {"type": "message", "role": "user", "content": "a"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "t"}],
            "encrypted_content": "E",
        },
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "F"},
        said("one", id="msg_1", status="completed"),
        {
            "type": "function_call",
            "id": "fc_1",
            "status": "completed",
            "call_id": "c1",
            "name": "f",
            "arguments": "{ }",
        },
        {"type": "function_call", "call_id": "c2", "name": "spawn", "namespace": "agents", "arguments": "{}"},
        {"type": "function_call_output", "id": "o", "call_id": "c1", "output": "ok"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": IMAGE}],
        },
        said("two"),
        said("three", id="msg_3"),
    ],
    [
        {"type": "custom_tool_call", "id": "ctc", "call_id": "c", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        {
            "type": "local_shell_call",
            "id": "lsh",
            "status": "completed",
            "call_id": "d",
            "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5},
        },
        {"type": "local_shell_call_output", "call_id": "d", "output": "a.txt", "status": "completed"},
    ],
    [
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "cited",
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 5},
                        {"type": "file_citation", "file_id": "f", "filename": "n", "index": 1},
                    ],
                },
                {"type": "refusal", "refusal": "no"},
            ],
        },
    ],
    [
        {"type": "message", "role": "user", "content": "a"},
        {
            "type": "tool_search_call",
            "call_id": "t",
            "status": "completed",
            "execution": "client",
            "arguments": {"query": "q"},
        },
        {"type": "tool_search_output", "call_id": "t", "status": "completed", "execution": "client", "tools": [AGENTS]},
    ],
    [
        {"type": "additional_tools", "role": "developer", "tools": [AGENTS]},
        {"type": "message", "role": "user", "content": "a"},
    ],
    [{"type": "item_reference", "id": "msg_1"}, {"type": "compaction", "id": "c", "encrypted_content": "E"}],
    [{"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "open"}]}],
]


@pytest.mark.parametrize("items", ITEMS, ids=lambda items: "-".join(each["type"] for each in items))
def test_items_return_as_they_came(items: list[dict[str, Any]]) -> None:
    assert again(input=items)["input"] == items


def test_a_turn_of_the_model_is_one_message() -> None:
    request = read(instructions="sys", input=ITEMS[3])
    assert [each.role for each in request.messages] == ["system", "user", "assistant", "tool", "tool"] + [
        "assistant"
    ] * 2
    kinds = [type(part).__name__ for part in request.messages[2].parts]
    assert kinds == ["Reasoning", "Reasoning", "Text", "ToolCall", "ToolCall"]
    first, second = request.messages[2].parts[:2]
    assert isinstance(first, Reasoning)
    assert (first.text, first.summary, first.signature) == ("t", ("t",), Seal("openai", "E", "rs_1"))
    assert isinstance(second, Reasoning)
    assert second.signature == Seal("openai", "F", "rs_2"), "5: a sealed thought without words is a thought"


def test_what_was_left_out_stays_so() -> None:
    request = read()
    assert request.temperature is UNSET
    assert request.max_tokens is UNSET
    assert request.parallel_tools is UNSET
    assert request.thinking is None
    assert read(temperature=0).temperature == 0, "20"


def test_on_the_chat_wire() -> None:
    encoded = to_chat(
        instructions="sys",
        input=ITEMS[3],
        tools=[WEATHER, AGENTS],
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        max_output_tokens=5,
        store=False,
        include=["reasoning.encrypted_content"],
        client_metadata={"turn": "1"},
    )
    body = encoded.body
    roles = [each["role"] for each in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user", "assistant", "assistant"]
    calls = body["messages"][2]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["f", "agents__spawn"]
    assert body["messages"][2]["content"] == "one"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", "agents__spawn", "agents__close"]
    assert body["response_format"]["json_schema"]["name"] == "n"
    assert body["max_completion_tokens"] == 5
    assert fields_of(encoded) == {"reasoning", "tool_result.media"}, "what is no loss is not reported"


def test_what_other_wires_cannot_keep_is_reported() -> None:
    encoded = to_chat(
        previous_response_id="resp_1",
        truncation="auto",
        background=True,
        store=True,
        text={"verbosity": "low"},
        include=["file_search_call.results"],
        tools=[{"type": "web_search"}],
        input=[{"type": "item_reference", "id": "x"}, {"role": "user", "content": "hi"}],
    )
    assert fields_of(encoded) == {
        "previous_response_id", "truncation", "background", "include", "tools.web_search", "item_reference",
    }  # fmt: skip
    assert (encoded.body["store"], encoded.body["verbosity"]) == (True, "low"), "OpenAI's two wires share these"


def test_tools_that_come_with_the_input_can_be_called_elsewhere() -> None:
    encoded = to_chat(input=ITEMS[6], tools=[SEARCH])
    assert [tool["function"]["name"] for tool in encoded.body["tools"]] == [
        "tool_search",
        "agents__spawn",
        "agents__close",
    ]
    assert encoded.body["messages"][-1]["content"] == "Tools found: agents__spawn, agents__close"
    encoded = to_chat(input=ITEMS[7])
    assert [tool["function"]["name"] for tool in encoded.body["tools"]] == ["agents__spawn", "agents__close"]
    assert [each["role"] for each in encoded.body["messages"]] == ["user"]
    assert encoded.dropped == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [7]}, "input[0]"),
        ({"input": [{"type": "message", "role": "tool", "content": ""}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": ""}]}, "input[0].call_id"),
        ({"instructions": 7}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "tools[0].tools[0].type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"include": "x"}, "include"),
        ({"reasoning": "high"}, "reasoning"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_bad_requests_name_the_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        read(**body)
    assert (caught.value.refusal.status, caught.value.refusal.param) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":null}', "input"),
        (b'{"model":"m","input":{}}', "input"),
        (b'{"input":"x"}', "model"),
        (b'{"model":7,"input":"x"}', "model"),
        (b'{"model":"m","input":"x","stream":1}', "stream"),
        (b"[]", None),
        (b"", None),
    ],
)
def test_bad_heads(body: bytes, param: str | None) -> None:
    with pytest.raises(Refused) as caught:
        WIRE.decode_head(body)
    assert caught.value.refusal.param == param


def test_forwarded() -> None:
    head = WIRE.decode_head(b'{"input":"x", "seed": 12345678901234567890,"model":"a","stream":true}')
    assert (head.model, head.stream) == ("a", True)
    sent = WIRE.encode_forwarded(head, "b", Edits(), True)
    assert (sent.body, sent.strip_usage) == (
        b'{"input":"x","seed":12345678901234567890,"model":"b","stream":true}',
        False,
    )
    assert WIRE.decode_head(b'{"model":"a","prompt":{"id":"p"}}').model == "a"


# From other wires.


def test_from_the_chat_wire() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "sys"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "r"},
            {"role": "developer", "content": "later"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "max_tokens": 3,
        "temperature": 0,
        "reasoning_effort": "high",
        "verbosity": "low",
        "n": 1,
        "presence_penalty": 0,
        "stop": None,
        "logprobs": True,
        "top_logprobs": 2,
    }
    encoded = WIRE.encode_request(request_of(CHAT, CHAT.decode_head(json.dumps(body).encode())), OPENAI)
    assert fields_of(encoded) == {"max_tokens", "temperature"}
    assert encoded.body == {
        "model": "gpt-5.1",
        "instructions": "sys",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "u", "detail": "auto"},
                ],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
            {"type": "message", "role": "developer", "content": "later"},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
        ],
        "max_output_tokens": 16,
        "top_logprobs": 2,
        "reasoning": {"effort": "high"},
        "text": {"verbosity": "low"},
        "store": False,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    }


def test_nothing_is_kept_and_thoughts_are_asked_for_only_where_there_are_any() -> None:
    body = sent(user(Text("a")), to=PLAIN).body
    assert body["store"] is False
    assert "include" not in body


def test_6_8_seals_of_others_are_not_sent() -> None:
    thoughts = (
        Reasoning(text="mine", signature=Seal("openai", "E", "rs_9")),
        Reasoning(signature=Seal("openai", "F")),
        Reasoning(text="theirs", signature=Seal("claude", "S")),
        Reasoning(redacted=Seal("claude", "R")),
        Reasoning(text="bare"),
    )
    encoded = sent(user(Text("a")), model(*thoughts, Text("b")))
    assert encoded.body["input"][1:-1] == [
        {
            "type": "reasoning",
            "id": "rs_9",
            "summary": [{"type": "summary_text", "text": "mine"}],
            "encrypted_content": "E",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "F"},
    ]
    assert fields_of(encoded) == {"reasoning"}
    plain = sent(model(*thoughts, Text("b")), to=PLAIN)
    assert [item["type"] for item in plain.body["input"]] == ["message"]
    assert fields_of(plain) == {"reasoning"}


def test_6_a_wrapped_seal_does_not_reach_openai_through_its_own_wire() -> None:
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gw1~claude~~SIG"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "E"},
        said("x"),
    ]
    request = read(input=items)
    encoded = WIRE.encode_request(request, OPENAI)
    assert [item.get("id") for item in encoded.body["input"]] == ["rs_2", None]
    assert fields_of(encoded) == {"reasoning"}
    thought = request.messages[0].parts[0]
    assert isinstance(thought, Reasoning)
    assert thought.signature == Seal("claude", "SIG")


def test_7_signatures_of_calls_and_texts_come_back() -> None:
    items = [
        {"type": "reasoning", "id": "a", "summary": [], "encrypted_content": "gw1~gemini~call:c~CALL"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": ""},
        said("done"),
        {"type": "reasoning", "id": "b", "summary": [], "encrypted_content": "gw1~gemini~text~TEXT"},
        {"type": "reasoning", "id": "c", "summary": [], "encrypted_content": "gw1~claude~redacted~DATA"},
    ]
    messages = read(input=items).messages
    call, text, redacted = messages[0].parts[0], messages[2].parts[0], messages[2].parts[1]
    assert isinstance(call, ToolCall)
    assert call.signature == Seal("gemini", "CALL")
    assert isinstance(text, Text)
    assert text.signature == Seal("gemini", "TEXT")
    assert isinstance(redacted, Reasoning)
    assert redacted.redacted == Seal("claude", "DATA")


def test_9_results_stand_for_themselves_and_10_empty_texts_go() -> None:
    calls = model(Text(""), ToolCall(id="a", name="f"), ToolCall(id="b", name="g", arguments='{"x":1}'))
    results = [Message("tool", (ToolResult(call=id_, content=(Text(id_),)),)) for id_ in "ab"]
    items = sent(calls, *results).body["input"]
    assert [item["type"] for item in items] == ["function_call"] * 2 + ["function_call_output"] * 2
    assert [item["call_id"] for item in items] == ["a", "b", "a", "b"]


def test_11_a_later_system_text_stays_where_it_is() -> None:
    first, later = Message("system", (Text("first"),)), Message("system", (Text("later"),))
    body = sent(first, user(Text("a")), later).body
    assert body["instructions"] == "first"
    assert [item["role"] for item in body["input"]] == ["user", "system"]
    cached = Message("system", (Text("one"), Text("two", cache=Cache())))
    encoded = sent(cached, user(Text("a")))
    assert [part["text"] for part in encoded.body["input"][0]["content"]] == ["one", "two"]
    assert fields_of(encoded) == {"cache_control"}, "19: reported"
    assert "instructions" not in sent(first, to=Dialect("x", "m", frozenset(("no_instructions",)))).body


def test_21_media() -> None:
    encoded = sent(
        user(
            Media(kind="image", mime="image/png", data="AAAA"),
            Media(kind="image", url="https://x"),
            Media(kind="document", mime="application/pdf", data="AAAA"),
            Media(kind="document", mime="application/pdf", data="AAAA", name="n.pdf"),
            Media(kind="document", url="https://d"),
            Media(kind="document", text="plain"),
            Media(kind="audio", mime="audio/wav", data="AAAA"),
            Media(kind="image", file="file_x"),
        )
    )
    assert encoded.body["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        {"type": "input_image", "image_url": "https://x", "detail": "auto"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        {"type": "input_file", "filename": "n.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        {"type": "input_file", "file_url": "https://d"},
        {"type": "input_text", "text": "plain"},
    ]
    assert fields_of(encoded) == {"audio", "image"}


def test_23_ids_fit_and_belong_together() -> None:
    long = "toolu_" + "x" * 80
    items = sent(
        model(ToolCall(id=long, name="f"), ToolCall(id="a.b:c", name="g")),
        Message("tool", (ToolResult(call=long),)),
        Message("tool", (ToolResult(call="a.b:c"),)),
    ).body["input"]
    ids = [item["call_id"] for item in items]
    assert ids[:2] == ids[2:]
    assert all(len(id_) <= 64 and "." not in id_ for id_ in ids)
    assert len(set(ids)) == 2


def test_26_efforts() -> None:
    def effort(dialect: Dialect = OPENAI, **fields: Any) -> Any:
        return sent(user(Text("a")), to=dialect, thinking=Thinking(**fields)).body.get("reasoning")

    assert effort(effort="xhigh") == {"effort": "high"}
    assert effort(budget=20000, enabled=True) == {"effort": "high", "summary": "auto"}
    assert effort(enabled=False) == {"effort": "none"}
    assert effort(adaptive=True) == {"summary": "auto"}
    assert effort(adaptive=True, summary="") is None
    encoded = sent(user(Text("a")), to=PLAIN, thinking=Thinking(effort="high"))
    assert "reasoning" not in encoded.body
    assert fields_of(encoded) == {"thinking"}


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


def test_28_tools_always_say_whether_they_are_strict() -> None:
    tools = (
        Tool(name="a", schema={"type": "object"}),
        Tool(name="b", schema=CLOSED, strict=True, cache=Cache()),
        Tool(name="o", schema={"type": "object"}, strict=True),
        Tool(name="c", custom=True, grammar={"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}),
        HostedTool("web_search", {"type": "web_search_20250305"}),
    )
    encoded = sent(user(Text("a")), tools=tools, tool_choice=ToolChoice(mode="tool", name="c"))
    assert encoded.body["tools"] == [
        {"type": "function", "name": "a", "parameters": {"type": "object"}, "strict": False},
        {"type": "function", "name": "b", "parameters": CLOSED, "strict": True},
        {"type": "function", "name": "o", "parameters": {"type": "object"}, "strict": False},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
    ]
    assert encoded.body["tool_choice"] == {"type": "custom", "name": "c"}
    assert fields_of(encoded) == {"tools.web_search", "tools.strict", "cache_control"}


def test_what_this_wire_lacks_is_reported() -> None:
    encoded = sent(
        user(Text("a"), Opaque("server_block", {"type": "server_block"})),
        model(Text("b", citations=(Citation(url="u", title="t"), Citation(quote="q"))), Media(kind="image", data="A")),
        Message("tool", (ToolResult(call="c", error=True),)),
        Message("user", (Text("x"),), name="bob"),
        top_k=1,
        stop=("x",),
        seed=0,
        n=2,
        presence_penalty=0.5,
        logit_bias={"1": 1.0},
        temperature=0.5,
        metadata={"a": 1},
        user="u" * 100,
        service_tier="standard_only",
        format=Format(kind="json_schema", schema={}, name="a name"),
        extras={"container": "x"},
    )
    assert fields_of(encoded) == {
        "server_block", "citations", "image", "tool_result.is_error", "messages.name", "top_k", "stop", "seed", "n",
        "presence_penalty", "logit_bias", "temperature", "metadata", "user", "service_tier", "container",
    }  # fmt: skip
    assert len(encoded.body["user"]) <= 64
    assert encoded.body["input"][1]["content"][0]["annotations"][0]["url"] == "u"
    assert encoded.body["text"]["format"]["strict"] is False
    refused = sent(user(Text("a")), to=Dialect("x", "m", frozenset(("no_store",))))
    assert "store" not in refused.body
