"""Whole answers of the responses wire, both ways, their usage, and errors. Numbers in names are those of well-known
translation bugs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.failure import Failed, Kind, Refusal
from gateway.ir.chat import (
    Choice,
    Citation,
    Declined,
    Finish,
    Media,
    Opaque,
    Part,
    Reasoning,
    Request,
    Response,
    Seal,
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.translate import answer, request_of

WIRE = PROTOCOLS["openai-responses"]
CHAT = PROTOCOLS["openai-chat"]
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}


def request(**body: Any) -> Request:
    return request_of(WIRE, WIRE.decode_head(json.dumps({"model": "m", "input": "hi", **body}).encode()))


def body_of(*output: Any, **fields: Any) -> bytes:
    body = {
        "id": "resp_1", "object": "response", "created_at": 5, "status": "completed", "error": None, "model": "gpt",
        "output": output, "usage": USAGE, **fields,
    }  # fmt: skip
    return json.dumps(body).encode()


def read(*output: Any, **fields: Any) -> Response:
    return WIRE.decode_response(body_of(*output, **fields))


def written(*parts: Part, finish: Finish = Finish.STOP, to: Request | None = None, **fields: Any) -> dict[str, Any]:
    choice = Choice(parts=parts, finish=finish)
    response = Response(origin="anthropic", id="msg_1", model="claude", choices=(choice,), created=9, **fields)
    return json.loads(json.dumps(WIRE.encode_response(response, to or request()).body))


CALL = {
    "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": '{"a":1}',
}  # fmt: skip
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [
        {
            "type": "output_text",
            "text": "one",
            "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 3}],
            "logprobs": [{"token": "one", "logprob": -0.5, "bytes": [1], "top_logprobs": []}],
        },
        {"type": "refusal", "refusal": "no"},
    ],
}
THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    "encrypted_content": "E",
}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
IMAGE = {
    "id": "ig_1",
    "type": "image_generation_call",
    "status": "completed",
    "result": "iVBORw0KGgo=",
    "output_format": "png",
}


def test_an_answer_in_the_ir() -> None:
    response = read(THOUGHT, SEARCH, MESSAGE, CALL, IMAGE)
    thought, search, text, refusal, call, image = response.choices[0].parts
    assert isinstance(thought, Reasoning)
    assert (thought.text, thought.signature, thought.id) == ("a\n\nb", Seal("openai", "E", "rs_1"), "rs_1")
    assert search == Opaque("web_search_call", SEARCH)
    assert isinstance(text, Text)
    assert (text.text, text.citations[0].url, text.citations[0].end) == ("one", "u", 3)
    assert refusal == Declined("no")
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, call.arguments) == ("c", "f", '{"a":1}')
    assert isinstance(image, Media)
    assert (image.kind, image.mime, image.data) == ("image", "image/png", "iVBORw0KGgo=")
    assert response.choices[0].finish is Finish.TOOL_CALLS
    assert response.choices[0].logprobs["content"][0]["token"] == "one"
    assert response.usage == Usage(input=10, output=7, cached=4, cache_write=1, reasoning=3)
    assert (response.id, response.created, response.model) == ("resp_1", 5, "gpt")


def test_an_answer_returns_as_it_came() -> None:
    items = [THOUGHT, SEARCH, MESSAGE, CALL, IMAGE]
    encoded = WIRE.encode_response(read(*items), request())
    assert json.loads(json.dumps(encoded.body["output"])) == items
    assert encoded.body["usage"] == USAGE
    assert encoded.dropped == ()


@pytest.mark.parametrize(
    ("fields", "finish"),
    [
        ({"status": "completed"}, Finish.STOP),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, Finish.LENGTH),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, Finish.CONTENT_FILTER),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, Finish.OTHER),
        ({"status": "incomplete", "incomplete_details": None}, Finish.LENGTH),
        ({"status": "cancelled"}, Finish.OTHER),
        ({"status": None}, Finish.STOP),
    ],
)
def test_12_13_14_finishes(fields: dict[str, Any], finish: Finish) -> None:
    assert read(MESSAGE, **fields).choices[0].finish is finish


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        (Finish.STOP, "completed", None),
        (Finish.STOP_SEQUENCE, "completed", None),
        (Finish.TOOL_CALLS, "completed", None),
        (Finish.LENGTH, "incomplete", "max_output_tokens"),
        (Finish.CONTEXT, "incomplete", "max_output_tokens"),
        (Finish.CONTENT_FILTER, "incomplete", "content_filter"),
        (Finish.REFUSAL, "incomplete", "content_filter"),
        (Finish.PAUSE, "completed", None),
    ],
)
def test_statuses(finish: Finish, status: str, reason: str | None) -> None:
    body = written(Text("a"), finish=finish)
    assert body["status"] == status
    assert body["incomplete_details"] == ({"reason": reason} if reason else None)
    assert written(Declined("no"), finish=Finish.REFUSAL)["status"] == "completed"


def test_an_answer_of_another_wire() -> None:
    body = written(
        Reasoning(text="hm", signature=Seal("claude", "S")),
        Reasoning(redacted=Seal("claude", "R")),
        Reasoning(signature=Seal("claude", "T")),
        Text("a", citations=(Citation(url="u", title="t", start=0, end=1),)),
        Text("b", signature=Seal("gemini", "G")),
        ToolCall(id="toolu_1", name="f", arguments='{"x":1}', signature=Seal("gemini", "H")),
        usage=Usage(input=9, output=4, cached=2, cache_write=3, reasoning=1),
    )
    assert body["output"] == [
        {
            "id": "rs_msg_1_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gw1~claude~~S",
        },
        {"id": "rs_msg_1_1", "type": "reasoning", "summary": [], "encrypted_content": "gw1~claude~redacted~R"},
        {"id": "rs_msg_1_2", "type": "reasoning", "summary": [], "encrypted_content": "gw1~claude~~T"},
        {
            "id": "msg_msg_1_3",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "a",
                    "annotations": [
                        {"type": "url_citation", "start_index": 0, "end_index": 1, "url": "u", "title": "t"}
                    ],
                    "logprobs": [],
                },
                {"type": "output_text", "text": "b", "annotations": [], "logprobs": []},
            ],
        },
        {"id": "rs_msg_1_4", "type": "reasoning", "summary": [], "encrypted_content": "gw1~gemini~text~G"},
        {"id": "rs_msg_1_5", "type": "reasoning", "summary": [], "encrypted_content": "gw1~gemini~call:toolu_1~H"},
        {
            "id": "fc_msg_1_6",
            "type": "function_call",
            "status": "completed",
            "call_id": "toolu_1",
            "name": "f",
            "arguments": '{"x":1}',
        },
    ]
    assert (body["id"], body["object"], body["created_at"], body["error"]) == ("resp_msg_1", "response", 9, None)
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 3}
    assert body["usage"]["total_tokens"] == 13, "18"


def test_7_what_an_answer_seals_comes_back_from_its_own_output() -> None:
    parts = (
        Reasoning(text="hm", signature=Seal("claude", "S")),
        Reasoning(redacted=Seal("claude", "R")),
        Reasoning(signature=Seal("openai", "E", "rs_9")),
        Text("b", signature=Seal("gemini", "G")),
        ToolCall(id="c:1", name="f", signature=Seal("gemini", "H")),
    )
    message = request(input=written(*parts)["output"]).messages[0]
    signed = [getattr(part, "signature", None) or getattr(part, "redacted", None) for part in message.parts]
    assert signed == [
        Seal("claude", "S"), Seal("claude", "R"), Seal("openai", "E", "rs_9"), Seal("gemini", "G"), Seal("gemini", "H"),
    ]  # fmt: skip
    assert [type(part) for part in message.parts] == [type(part) for part in parts]


def test_a_seal_of_openai_keeps_the_id_it_is_tied_to() -> None:
    item = written(Reasoning(signature=Seal("openai", "E", "rs_9")))["output"][0]
    assert (item["id"], item["encrypted_content"]) == ("rs_9", "E")


def test_16_usage_is_there_when_nobody_said_it() -> None:
    assert written(Text("a"))["usage"]["total_tokens"] == 0


TOOLS: list[dict[str, Any]] = [
    {"type": "custom", "name": "apply_patch"},
    {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]},
    {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]},
    {"type": "local_shell"},
    {"type": "tool_search", "execution": "client", "parameters": {}},
]


def test_calls_take_the_form_that_their_tools_have_here() -> None:
    calls = (
        ToolCall(id="1", name="apply_patch", arguments='{"input":"*** Begin"}'),
        ToolCall(id="2", name="apply_patch", arguments="*** Begin", custom=True),
        ToolCall(id="3", name="agents__spawn", arguments="{}"),
        ToolCall(id="4", name="exec", arguments='{"input":"x()"}'),
        ToolCall(id="5", name="local_shell", arguments='{"command":["ls"],"timeout_ms":5}'),
        ToolCall(id="6", name="tool_search", arguments='{"query":"q"}'),
        ToolCall(id="7", name="other", arguments="{}"),
    )
    output = written(*calls, to=request(tools=TOOLS))["output"]
    common = {"status": "completed"}
    assert [{name: value for name, value in item.items() if name not in ("id", "call_id")} for item in output] == [
        {"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin", **common},
        {"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin", **common},
        {"type": "function_call", "name": "spawn", "namespace": "agents", "arguments": "{}", **common},
        {"type": "custom_tool_call", "name": "exec", "namespace": "functions", "input": "x()", **common},
        {
            "type": "local_shell_call",
            "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5},
            **common,
        },
        {"type": "tool_search_call", "execution": "client", "arguments": {"query": "q"}, **common},
        {"type": "function_call", "name": "other", "arguments": "{}", **common},
    ]
    assert [item["call_id"] for item in output] == list("1234567")


def test_the_response_says_what_was_asked() -> None:
    asked = request(
        instructions="be brief", temperature=0, max_output_tokens=5, tools=TOOLS, metadata={"a": "b"}, store=True,
        text={"verbosity": "low"}, reasoning={"effort": "low"}, parallel_tool_calls=False, tool_choice="required",
    )  # fmt: skip
    body = written(Text("a"), to=asked)
    assert body["instructions"] == "be brief"
    assert body["temperature"] == 0
    assert body["max_output_tokens"] == 5
    assert [tool["type"] for tool in body["tools"]] == [tool["type"] for tool in TOOLS]
    assert body["metadata"] == {"a": "b"}
    assert body["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert body["reasoning"] == {"effort": "low", "summary": None}
    assert (body["parallel_tool_calls"], body["tool_choice"], body["store"]) == (False, "required", False)


def test_what_cannot_be_said_is_reported() -> None:
    parts = (Opaque("server_tool_use", {"type": "server_tool_use"}), Media(kind="audio", data="A"), Text("a"))
    choice = Choice(parts=parts, finish=Finish.STOP)
    response = Response(origin="anthropic", id="m", model="c", choices=(choice, choice))
    encoded = WIRE.encode_response(response, request())
    assert {each.field for each in encoded.dropped} == {"server_tool_use", "audio", "choices"}


def test_to_a_chat_client() -> None:
    chat = request_of(CHAT, CHAT.decode_head(b'{"model":"m","messages":[]}'))
    encoded, usage = answer(WIRE, CHAT, chat, body_of(THOUGHT, MESSAGE, CALL), None, 1)
    message = encoded.body["choices"][0]["message"]
    assert (message["content"], message["refusal"], message["reasoning_content"]) == ("one", "no", "a\n\nb")
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert message["reasoning_details"][-1]["data"] == "E"
    assert encoded.body["choices"][0]["finish_reason"] == "tool_calls"
    assert usage == Usage(input=10, output=7, cached=4, cache_write=1, reasoning=3)


# Errors: what a response's own error means.
ERRORS = [
    ("server_error", Kind.SERVER_ERROR),
    ("rate_limit_exceeded", Kind.RATE_LIMIT),
    ("insufficient_quota", Kind.QUOTA),
    ("context_length_exceeded", Kind.CONTEXT_WINDOW),
    ("server_is_overloaded", Kind.OVERLOADED),
    ("invalid_prompt", Kind.INVALID_REQUEST),
    ("bio_policy", Kind.CONTENT_FILTER),
    ("image_content_policy_violation", Kind.CONTENT_FILTER),
    ("image_too_large", Kind.INVALID_REQUEST),
    ("invalid_image_url", Kind.INVALID_REQUEST),
    ("vector_store_timeout", Kind.SERVER_ERROR),
    ("something_new", Kind.BAD_RESPONSE),
]


@pytest.mark.parametrize(("code", "kind"), ERRORS)
def test_a_failed_response_is_a_failure(code: str, kind: Kind) -> None:
    body = body_of(status="failed", error={"code": code, "message": "no"})
    for decode in (WIRE.decode_answer, WIRE.decode_response):
        with pytest.raises(Failed) as caught:
            decode(body)
        assert (caught.value.failure.kind, caught.value.failure.code) == (kind, code)
    frame = b'data: {"type":"response.failed","response":%b}\n\n' % body
    events = WIRE.stream_decoder().feed(frame)
    assert [event.failure.kind for event in events] == [kind]  # type: ignore[union-attr]  # it broke
    nested = b'data: {"type":"error","error":{"code":"%b","message":"no"}}\n\n' % code.encode()
    flat = b'data: {"type":"error","code":"%b","message":"no"}\n\n' % code.encode()
    for frame in (nested, flat):
        events = WIRE.stream_decoder().feed(frame)
        assert [event.failure.kind for event in events] == [kind]  # type: ignore[union-attr]  # it broke


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"output":7}', b'{"output":null,"status":"failed"}'])
def test_what_is_no_response_is_a_failure(body: bytes) -> None:
    with pytest.raises(Failed) as caught:
        WIRE.decode_answer(body)
    assert caught.value.failure.kind is Kind.BAD_RESPONSE
    with pytest.raises(Failed) as caught:
        answer(WIRE, CHAT, request(), body, None, 1)
    assert caught.value.failure.kind is Kind.BAD_RESPONSE


def test_the_usage_of_an_answer_that_passes() -> None:
    assert WIRE.decode_answer(body_of(MESSAGE)) == Usage(input=10, output=7, cached=4, cache_write=1, reasoning=3)
    assert WIRE.decode_answer(body_of(status="queued", usage=None)) is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, '{"error":{"message":"x","code":"invalid_api_key"}}', Kind.AUTH),
        (400, '{"error":{"message":"x","code":"context_length_exceeded","param":"input"}}', Kind.CONTEXT_WINDOW),
        (400, '{"error":{"message":"x","type":"invalid_request_error","param":"tools[0]"}}', Kind.INVALID_REQUEST),
        (429, '{"error":{"message":"x","code":"rate_limit_exceeded"}}', Kind.RATE_LIMIT),
        (500, "", Kind.SERVER_ERROR),
    ],
)
def test_errors_of_upstreams(status: int, body: str, kind: Kind) -> None:
    assert WIRE.decode_error(status, {}, body.encode(), 0.0).kind is kind


def test_what_clients_are_told() -> None:
    refusal = Refusal(status=502, type="server_error", code="upstream_interrupted", message="gone")
    assert json.loads(WIRE.encode_error(refusal, "r"))["error"]["code"] == "upstream_interrupted"
    frames = WIRE.encode_stream_error(refusal, "r").decode().split("\n\n")[:-1]
    events = [(frame.split("\n")[0], json.loads(frame.split("\n")[1].removeprefix("data: "))) for frame in frames]
    assert [name for name, _ in events] == ["event: error", "event: response.failed"]
    assert (events[0][1]["code"], events[0][1]["error"]["message"]) == ("upstream_interrupted", "gone")
    assert events[1][1]["response"]["error"] == {"code": "upstream_interrupted", "message": "gone"}
