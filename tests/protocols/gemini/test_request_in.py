"""Requests of Gemini's clients, read as https://ai.google.dev/api/generate-content says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from gateway.failure import Refused
from gateway.ir.chat import (
    HostedTool,
    Media,
    Message,
    Opaque,
    Reasoning,
    Seal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols.contract import Head
from gateway.protocols.gemini.head import decode_count_head
from gateway.protocols.reading import Malformed
from tests.protocols.gemini.kit import CHAT, FLASH, GEMINI, OLD, chat, fields, plain, read, write

HELLO = [{"role": "user", "parts": [{"text": "hi"}]}]
FULL: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "be brief"}]},
    "contents": [
        {"role": "user", "parts": [{"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "let me see", "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "look", "args": {"at": 0, "deep": False, "why": None}}, "thoughtSignature": "YQ=="},
                {"functionCall": {"name": "look", "args": {}}},
                {"executableCode": {"language": "PYTHON", "code": "1+1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "look", "response": {"output": "a"}}},
                {"functionResponse": {"name": "look", "response": {"result": {"b": 0}}, "scheduling": "SILENT"}},
                {"text": "go on"},
            ],
        },
        {"role": "model", "parts": [{"functionCall": {"id": "x1", "name": "stop", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "x1", "name": "stop", "response": {"error": "no"}}}]},
        {"role": "user", "parts": [
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://a.example/v.mp4"}, "videoMetadata": {"fps": 1}},
            {"fileData": {"mimeType": "application/pdf",
                          "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ]},
    ],
    "tools": [
        {"functionDeclarations": [
            {"name": "look", "description": "looks",
             "parametersJsonSchema": {"type": "object", "properties": {"at": {"type": "integer"}}}},
            {"name": "stop", "behavior": "NON_BLOCKING"},
        ]},
        {"googleSearch": {}},
    ],
    "toolConfig": {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look", "stop"]},
        "retrievalConfig": {"languageCode": "de"},
    },
    "generationConfig": {
        "temperature": 0, "topP": 0.5, "topK": 3, "candidateCount": 1, "maxOutputTokens": 0, "stopSequences": [],
        "seed": 0, "presencePenalty": 0.0, "frequencyPenalty": 0, "responseLogprobs": False, "logprobs": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
        "thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False},
        "responseModalities": ["TEXT", "AUDIO"], "speechConfig": {"languageCode": "de"},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    "cachedContent": "cachedContents/1",
    "labels": {"a_b": "c"},
    "serviceTier": "flex",
}  # fmt: skip


def test_a_request_goes_back_to_its_own_wire_as_it_was() -> None:
    encoded = write(read(FULL))
    assert encoded.body == FULL
    assert encoded.dropped == ()


def test_what_was_left_out_is_unset_and_what_was_written_is_its_value() -> None:
    bare = read({"contents": HELLO})
    assert bare.temperature is UNSET and bare.stop is UNSET and bare.n is UNSET and bare.thinking is None
    full = read(FULL)
    assert (full.temperature, full.max_tokens, full.seed, full.logprobs, full.stop) == (0, 0, 0, False, ())
    assert read({"contents": HELLO, "generationConfig": {"seed": None}}).seed is None
    assert write(read({"contents": HELLO, "generationConfig": {"seed": None}})).body["generationConfig"] == {
        "seed": None
    }


def test_snake_case_is_the_same_request() -> None:
    snake = {
        "system_instruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"parts": [{"inline_data": {"mime_type": "image/png", "data": "iVBORw0KGgo="}}]},
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}, "thought_signature": "cw=="}]},
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"output": "x"}}}]},
        ],
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        "generation_config": {
            "max_output_tokens": 5, "stop_sequences": ["x"], "response_mime_type": "application/json",
            "response_schema": {"type": "OBJECT", "properties": {"a_b": {"type": "STRING", "max_length": "9"}}},
            "thinking_config": {"thinking_budget": 7, "include_thoughts": True},
        },
        "safety_settings": [],
    }  # fmt: skip
    request = read(snake)
    assert request.max_tokens == 5 and request.stop == ("x",)
    assert request.tool_choice == ToolChoice(mode="tool", name="f")
    assert request.format is not None
    assert request.format.schema == {"type": "object", "properties": {"a_b": {"type": "string", "maxLength": 9}}}
    assert request.thinking is not None and request.thinking.budget == 7 and request.thinking.summary == "auto"
    call = request.messages[2].parts[0]
    assert isinstance(call, ToolCall) and call.arguments == '{"a_b":1}' and call.signature == Seal("gemini", "cw==")
    assert request.extras == {"safetySettings": []}


def test_results_stand_in_messages_of_their_own_and_find_their_calls() -> None:
    request = read(FULL)
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "tool", "user", "assistant", "tool", "user"]
    calls = [part for part in request.messages[2].parts if isinstance(part, ToolCall)]
    results = request.messages[3].parts
    assert len({call.id for call in calls}) == 2, "two calls of one function are two calls"
    assert [result.call for result in results if isinstance(result, ToolResult)] == [call.id for call in calls]
    assert read(FULL).messages == request.messages, "ids are the same when the conversation is sent again"
    last = request.messages[6].parts[0]
    assert isinstance(last, ToolResult) and last.call == "x1" and last.error is True and last.content == (Text("no"),)
    second = results[1]
    assert isinstance(second, ToolResult) and second.content == (Text('{"b":0}'),)


def test_ids_of_earlier_turns_stay_when_the_conversation_grows() -> None:
    turn = [
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "g"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "g", "response": {"output": "2"}}},
            {"functionResponse": {"name": "f", "response": {"output": "1"}}},
        ]},
    ]  # fmt: skip
    short, long = read({"contents": [*HELLO, *turn]}), read({"contents": [*HELLO, *turn, *turn]})
    assert long.messages[: len(short.messages)] == short.messages
    made = [p.id for m in long.messages for p in m.parts if isinstance(p, ToolCall)]
    answered = [p.call for m in long.messages for p in m.parts if isinstance(p, ToolResult)]
    assert answered == [made[1], made[0], made[3], made[2]], "by name where there are no ids"
    assert len(set(made)) == 4


def test_media_and_parts_that_only_gemini_knows() -> None:
    parts = read(FULL).messages[1].parts
    assert parts[1] == Media(kind="image", mime="image/png", data="iVBORw0KGgo=")
    linked, held = read(FULL).messages[7].parts
    assert isinstance(linked, Media) and linked.url == "https://a.example/v.mp4" and linked.kind == "video"
    assert isinstance(held, Media) and held.url is None and held.file is not None
    thought, signed, *_, code, output = read(FULL).messages[2].parts
    assert thought == Reasoning(text="hm")
    assert signed == Text("let me see", signature=Seal("gemini", "c2ln"))
    assert isinstance(code, Opaque) and code.what == "executableCode"
    assert isinstance(output, Opaque) and output.what == "codeExecutionResult"


def test_tools_and_what_may_be_called() -> None:
    tools = read(FULL).tools
    schema = {"type": "object", "properties": {"at": {"type": "integer"}}}
    written = {"wrapper": {"parametersJsonSchema": schema}}
    assert tools[0] == Tool(name="look", description="looks", schema=schema, extras=written)
    assert tools[2] == HostedTool("googleSearch", {"googleSearch": {}})

    def choice(**config: Any) -> Any:
        return read({"contents": HELLO, "toolConfig": {"functionCallingConfig": config}}).tool_choice

    assert choice(mode="AUTO") == ToolChoice(mode="auto")
    assert choice(mode="NONE") == ToolChoice(mode="none")
    assert choice(mode="ANY") == ToolChoice(mode="required")
    assert choice(mode="ANY", allowedFunctionNames=["a"]) == ToolChoice(mode="tool", name="a")
    assert choice(mode="ANY", allowedFunctionNames=["a", "b"]) == ToolChoice(mode="required", allowed=("a", "b"))
    assert choice(mode="VALIDATED", allowedFunctionNames=["a"]) == ToolChoice(mode="auto", allowed=("a",))
    for config in ({"mode": "VALIDATED"}, {"mode": "VALIDATED", "allowedFunctionNames": ["a"]}, {"mode": "NONE"}):
        body = {"contents": HELLO, "toolConfig": {"functionCallingConfig": config}}
        assert write(read(body)).body["toolConfig"] == body["toolConfig"]


def test_the_default_modality_is_no_wish_and_another_is() -> None:
    body = {"contents": HELLO, "generationConfig": {"responseModalities": ["TEXT"]}}
    assert read(body).extras == {}
    assert read(body, "gemini-2.5-flash-image").extras == {"generationConfig.responseModalities": ["TEXT"]}
    assert write(read(body, "gemini-2.5-flash-image")).body == body


def test_a_mime_type_that_is_no_json_stays_geminis_own() -> None:
    body = {
        "contents": HELLO,
        "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}},
    }
    assert read(body).format is None
    assert write(read(body)).body == body


def test_another_wire_reports_what_only_gemini_knows_and_nothing_else() -> None:
    from gateway.protocols.contract import Dialect

    encoded = CHAT.encode_request(read(FULL), Dialect("openai", "gpt-4.1"))
    lost = {each.field for each in encoded.dropped}
    assert {"safetySettings", "cachedContent", "generationConfig.speechConfig", "tools.googleSearch"} <= lost
    assert not any("wrapper" in name for name in lost)
    simple = {
        "contents": HELLO,
        "systemInstruction": {"parts": [{"text": "s"}]},
        "generationConfig": {"temperature": 0},
    }
    encoded = CHAT.encode_request(read(simple), Dialect("openai", "gpt-4.1"))
    assert encoded.dropped == ()
    assert plain(encoded.body)["messages"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"functionCall": {"args": []}}]}]}, "contents[0].parts[0].functionCall.args"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png"}}]}]},
            "contents[0].parts[0].inlineData.data",
        ),
        ({"contents": [], "generationConfig": {"temperature": "x"}}, "generationConfig.temperature"),
        ({"contents": [], "generationConfig": {"topK": "x"}}, "generationConfig.topK"),
        (
            {"contents": [], "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({"contents": [], "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
    ],
)
def test_what_cannot_be_read_is_named(body: Any, field: str) -> None:
    with pytest.raises(Malformed) as raised:
        read(body)
    assert raised.value.at == field


def test_the_head_and_the_path() -> None:
    head = GEMINI.decode_head(b'{"contents":[]}', "models/gemini-2.5-pro", True)
    assert (head.model, head.stream) == ("gemini-2.5-pro", True)
    assert GEMINI.endpoint("gemini-2.5-pro", True) == "/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    assert GEMINI.endpoint("a/b c", False) == "/models/a%2Fb%20c:generateContent"
    assert GEMINI.endpoint("tunedModels/x", False) == "/tunedModels/x:generateContent"
    with pytest.raises(Refused):
        GEMINI.decode_head(b"{}", "m", False)
    inner = json.dumps({"generateContentRequest": {"model": "models/x", "contents": HELLO}}).encode()
    assert decode_count_head(inner, "m").model == "m"
    with pytest.raises(Refused):
        decode_count_head(b"[", "m")


def test_what_passes_stays_the_clients_bytes() -> None:
    from gateway.protocols.contract import Edits

    body = b'{"contents": [{"parts":[{"text":"\\u00e9"}]}], "generationConfig":{"temperature":1.0,"seed":null}, "model":"models/m"}'
    head = GEMINI.decode_head(body, "m", False)
    sent = GEMINI.encode_forwarded(head, "up", Edits(), True)
    assert b'[{"parts":[{"text":"\\u00e9"}]}]' in sent.body and b'{"temperature":1.0,"seed":null}' in sent.body
    assert json.loads(sent.body)["model"] == "models/up" and sent.strip_usage is False


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "contents systemInstruction tools toolConfig generationConfig parts role text thought thoughtSignature inlineData "
    "fileData functionCall functionResponse name args response id mimeType data fileUri functionDeclarations parameters "
    "parametersJsonSchema functionCallingConfig mode allowedFunctionNames responseSchema responseMimeType thinkingConfig "
    "thinkingBudget type properties items enum nullable anyOf propertyOrdering topK stopSequences executableCode"
).split()
LIKELY = st.recursive(
    st.sampled_from([None, 0, 1.5, True, "", "user", "model", "OBJECT", "application/json", "ANY"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), JSON | LIKELY, max_size=6))
def test_arbitrary_json_is_read_or_malformed_and_written_again(body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    try:
        request = GEMINI.decode_request(Head("m", False, {}, data))
    except Malformed:
        return
    for model in (FLASH, OLD, "gemini-3-pro-preview"):
        write(request, model)
    once = write(request).body
    assert write(GEMINI.decode_request(Head("m", False, {}, json.dumps(once).encode()))).body == once


def test_depth_is_malformed_not_a_crash() -> None:
    deep: Any = {}
    for _ in range(400):
        deep = {"properties": {"a": deep}}
    body = {"contents": HELLO, "tools": [{"functionDeclarations": [{"name": "f", "parameters": deep}]}]}
    for model in (FLASH, OLD):
        try:
            encoded = write(msgspec.structs.replace(read(body, model), origin="another"), model)
        except Malformed:
            continue
        assert "tools.f.depth" in fields(encoded)


def test_a_chat_client_and_back() -> None:
    request = chat(
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "name": "a"}]}
    )
    again = read(write(request).body)
    assert again.messages == (Message("user", (Text("hi"),)), Message("assistant", (Text("ho"),)))


def test_the_empty_text_at_a_streams_end_is_no_part_of_the_conversation() -> None:
    model = {"role": "model", "parts": [{"text": "a"}, {"text": ""}, {"text": "", "thoughtSignature": "cw=="}]}
    assert read({"contents": [*HELLO, model]}).messages[1].parts == (
        Text("a"),
        Text("", signature=Seal("gemini", "cw==")),
    )


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"output": "x"}, "x"),
        ({"output": {"a": 0}}, '{"a":0}'),
        ({"result": "x"}, "x"),
        ({"return_value": [1]}, "[1]"),
        ({"error": "x"}, "x"),
        ({"error": {"code": 1}}, '{"code":1}'),
        ({"a": 1, "b": None}, '{"a":1,"b":null}'),
        ({"name": "f", "content": "x"}, "x"),
        ({"name": "f", "content": [{"text": "x"}]}, "x"),
        ({"name": "f", "content": {"a": 1}}, '{"a":1}'),
        ({}, "{}"),
    ],
)
def test_results_are_read_as_text_and_go_back_as_they_were(response: Any, text: str) -> None:
    turn = [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": response}}]},
    ]
    request = read({"contents": [*HELLO, *turn]})
    result = request.messages[-1].parts[0]
    assert isinstance(result, ToolResult) and result.content == (Text(text),)
    assert write(request).body["contents"] == [*HELLO, *turn]


def test_a_turn_of_the_model_may_come_in_contents_as_a_stream_did() -> None:
    def model(*parts: Any) -> dict[str, Any]:
        return {"role": "model", "parts": list(parts)}

    chunks = [
        model({"text": "h", "thought": True}),
        model({"text": "m", "thought": True}),
        model({"text": "", "thought": True, "thoughtSignature": "Z3cxfmNsYXVkZX5-cw"}),  # gw1~claude~~s
        model({"text": "let "}),
        model({"text": "me see"}),
        model({"functionCall": {"name": "a", "args": {}}}),
        model({"functionCall": {"name": "b", "args": {}}}),
        model({"text": ""}),
    ]
    results = [{"functionResponse": {"name": name, "response": {"output": name}}} for name in "ab"]
    request = read({"contents": [*HELLO, *chunks, {"role": "user", "parts": results}]})
    assert [message.role for message in request.messages] == ["user", "assistant", "tool"]
    thought, text, *calls = request.messages[1].parts
    assert thought == Reasoning(text="hm", signature=Seal("claude", "s"))
    assert text == Text("let me see")
    answered = request.messages[2].parts
    assert [call.id for call in calls if isinstance(call, ToolCall)] == [
        result.call for result in answered if isinstance(result, ToolResult)
    ]
