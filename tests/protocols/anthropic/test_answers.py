"""Whole answers of the messages wire, both ways, and its errors. Sources: the API reference and /docs/en/api/errors."""

from __future__ import annotations

import json
from typing import Any

import msgspec
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
    Response,
    Seal,
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols import translate
from gateway.protocols.reading import Malformed
from tests.protocols.anthropic.kit import ANTHROPIC, asked, fields, plain

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 4},
    "service_tier": "standard",
}
COUNTED = Usage(input=35, output=7, cached=20, cache_write=5, cache_write_1h=3, reasoning=4)


def body(*content: Any, **more: Any) -> bytes:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content),
        "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE, **more,
    }  # fmt: skip
    return json.dumps(message).encode()


def answered(*parts: Part, origin: str = "test", **more: Any) -> Response:
    choice = Choice(parts=parts, finish=more.pop("finish", Finish.STOP), stopped_by=more.pop("stopped_by", None))
    return Response(origin=origin, id="r", model="m", choices=(choice,), **more)


def written(response: Response) -> tuple[Any, list[str]]:
    encoded = ANTHROPIC.encode_response(response, asked())
    return plain(encoded.body), fields(encoded)


def test_an_answer_is_read() -> None:
    cited = {"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": "T"}
    response = ANTHROPIC.decode_response(
        body(
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "e"},
            {"type": "text", "text": ""},
            {"type": "text", "text": "hi", "citations": [cited]},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            stop_reason="tool_use",
            context_management=None,
        )
    )
    assert response == Response(
        origin="anthropic",
        id="msg_1",
        model="claude",
        choices=(
            Choice(
                parts=(
                    Reasoning(text="hm", signature=Seal("claude", "s")),
                    Reasoning(redacted=Seal("claude", "e")),
                    Text("hi", (Citation(title="T", quote="q", start=0, end=2, raw=cited),)),
                    ToolCall(id="toolu_1", name="f", arguments='{"a":1}', extras={"caller": {"type": "direct"}}),
                    Opaque(
                        "server_tool_use", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
                    ),
                ),
                finish=Finish.TOOL_CALLS,
            ),
        ),
        usage=COUNTED,
        service_tier="default",
        extras={"context_management": None},
    )


REASONS = [
    ("end_turn", Finish.STOP),
    ("max_tokens", Finish.LENGTH),
    ("stop_sequence", Finish.STOP_SEQUENCE),
    ("tool_use", Finish.TOOL_CALLS),
    ("pause_turn", Finish.PAUSE),
    ("refusal", Finish.REFUSAL),
    ("model_context_window_exceeded", Finish.CONTEXT),
]


@pytest.mark.parametrize(("word", "finish"), REASONS)
def test_stop_reasons_both_ways(word: str, finish: Finish) -> None:
    choice = ANTHROPIC.decode_response(
        body({"type": "text", "text": "x"}, stop_reason=word, stop_sequence="S")
    ).choices[0]
    assert (choice.finish, choice.stopped_by) == (finish, "S")
    out, _ = written(answered(Text("x"), finish=finish, stopped_by="S"))
    assert (out["stop_reason"], out["stop_sequence"]) == (word, "S")


def test_stop_reasons_that_this_wire_lacks() -> None:
    for finish, word in (
        (Finish.CONTENT_FILTER, "refusal"),
        (Finish.OTHER, "end_turn"),
        (Finish.MALFORMED_CALL, "end_turn"),
    ):
        assert written(answered(Text("x"), finish=finish))[0]["stop_reason"] == word
    for odd in (None, "new_reason", 7):
        assert (
            ANTHROPIC.decode_response(body({"type": "text", "text": "x"}, stop_reason=odd)).choices[0].finish
            is Finish.OTHER
        )


def test_bug_18_inputs_are_beside_each_other_here() -> None:
    out, _ = written(answered(Text("x"), usage=COUNTED))
    assert out["usage"] == {
        "input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 20, "output_tokens": 7,
    }  # fmt: skip
    odd, _ = written(answered(Text("x"), usage=Usage(input=3, cached=9)))
    assert odd["usage"]["input_tokens"] == 0, "never below nothing"
    assert ANTHROPIC.decode_answer(body()) == COUNTED
    assert ANTHROPIC.decode_answer(b'{"content":[]}') is None


def test_bug_16_an_answer_without_usage_says_zeros() -> None:
    out, _ = written(answered(Text("x")))
    assert out["usage"]["input_tokens"] == 0 and out["usage"]["output_tokens"] == 0


def test_an_answer_of_another_wire() -> None:
    out, lost = written(
        answered(
            Reasoning(text="hm", signature=Seal("openai", "gAAA", "rs_1")),
            Reasoning(redacted=Seal("claude", "Em")),
            Reasoning(text="plain"),
            Text("hi", (Citation(url="https://x", title="X", quote="q"), Citation(title="no url"))),
            Declined("no"),
            ToolCall(id="c", name="f", arguments='{"a":1}', signature=Seal("gemini", "CsIF")),
            ToolCall(id="d", name="g", arguments='{"a'),
            Media(kind="image", data="AA"),
            Opaque("web_search_call", {}),
        )
    )
    assert out == {
        "id": "r", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0},
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "gw1~openai~rs_1~gAAA"},
            {"type": "redacted_thinking", "data": "Em"},
            {"type": "thinking", "thinking": "plain", "signature": ""},
            {
                "type": "text", "text": "hi",
                "citations": [{
                    "type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "q", "encrypted_index": "",
                }],
            },
            {"type": "text", "text": "no"},
            {"type": "thinking", "thinking": "", "signature": "gw1~gemini~call:c~CsIF"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "d", "name": "g", "input": {"input": '{"a'}},
        ],
    }  # fmt: skip
    assert lost == ["citations", "refusal", "tool_calls.arguments", "media", "web_search_call"]


def test_its_own_answer_comes_back_whole() -> None:
    content = [
        {"type": "text", "text": "hi", "citations": [{"type": "char_location", "cited_text": "q"}]},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}},
    ]
    out, lost = written(ANTHROPIC.decode_response(body(*content, container={"id": "c"})))
    assert (out["content"], out["container"], lost) == (content, {"id": "c"}, [])
    assert out["usage"]["service_tier"] == "standard"


def test_one_answer_at_a_time() -> None:
    response = answered(Text("a"))
    two = msgspec.structs.replace(response, choices=response.choices * 2)
    out, lost = written(two)
    assert (len(out["content"]), lost) == (1, ["n"])


def test_a_structured_answer_by_tool_is_text_again() -> None:
    call = {"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"n": 1}}
    response = translate.untooled(ANTHROPIC.decode_response(body(call, stop_reason="tool_use")), "structured_answer")
    assert (response.choices[0].parts, response.choices[0].finish) == ((Text('{"n":1}'),), Finish.STOP)


def test_what_is_no_message() -> None:
    for bad in (b"{}", b"<html>", b"[]", b""):
        with pytest.raises(Failed) as caught:
            ANTHROPIC.decode_answer(bad)
        assert caught.value.failure.kind is Kind.BAD_RESPONSE
        with pytest.raises((Failed, Malformed)):
            ANTHROPIC.decode_response(bad)
    late = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    for decode in (ANTHROPIC.decode_answer, ANTHROPIC.decode_response):
        with pytest.raises(Failed) as caught:
            decode(late)
        assert caught.value.failure.kind is Kind.OVERLOADED


# Errors.


def error(type_: str, message: str = "no") -> str:
    return json.dumps({"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"})


ERRORS = [
    (400, error("invalid_request_error"), Kind.INVALID_REQUEST),
    (401, error("authentication_error"), Kind.AUTH),
    (402, error("billing_error"), Kind.QUOTA),
    (403, error("permission_error"), Kind.AUTH),
    (404, error("not_found_error"), Kind.NOT_FOUND),
    (413, error("request_too_large"), Kind.CONTEXT_WINDOW),
    (429, error("rate_limit_error"), Kind.RATE_LIMIT),
    (500, error("api_error"), Kind.SERVER_ERROR),
    (504, error("timeout_error"), Kind.SERVER_ERROR),
    (529, error("overloaded_error"), Kind.OVERLOADED),
    (400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), Kind.CONTEXT_WINDOW),
    (400, error("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"), Kind.CONTEXT_WINDOW),
    (400, error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), Kind.QUOTA),
    (400, error("invalid_request_error", "Output blocked by content filtering policy"), Kind.CONTENT_FILTER),
    (400, '{"error":{"message":"This model\'s maximum context length is 4096 tokens.","type":"BadRequestError","code":400}}', Kind.CONTEXT_WINDOW),
    (400, '{"error":{"code":400,"message":"request (9 tokens) exceeds the available context size (8)","type":"exceed_context_size_error"}}', Kind.CONTEXT_WINDOW),
    (404, '[{"error":{"code":404,"message":"Publisher Model was not found","status":"NOT_FOUND"}}]', Kind.NOT_FOUND),
    (403, '{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}', Kind.AUTH),
    (503, "upstream connect error", Kind.SERVER_ERROR),
    (408, "", Kind.SERVER_ERROR),
    (418, '{"error":"tea"}', Kind.INVALID_REQUEST),
    (302, "", Kind.BAD_RESPONSE),
]  # fmt: skip


@pytest.mark.parametrize(("status", "text", "kind"), ERRORS)
def test_errors_of_upstreams(status: int, text: str, kind: Kind) -> None:
    failure = ANTHROPIC.decode_error(status, {"retry-after": "3"}, text.encode(), 0.0)
    assert (failure.kind, failure.status, failure.retry_after) == (kind, status, 3.0)
    assert failure.message


def test_the_words_of_an_error_are_kept() -> None:
    assert ANTHROPIC.decode_error(404, {}, b'[{"error":{"message":"not here"}}]', 0.0).message == "not here"
    assert ANTHROPIC.decode_error(500, {}, b"", 0.0).message == "HTTP 500 without an error that could be read"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"), (403, "permission_error"),
        (404, "not_found_error"), (413, "request_too_large"), (429, "rate_limit_error"), (500, "api_error"),
        (502, "api_error"), (503, "overloaded_error"), (504, "timeout_error"), (529, "overloaded_error"),
        (409, "invalid_request_error"), (418, "invalid_request_error"),
    ],
)  # fmt: skip
def test_what_clients_are_told(status: int, word: str) -> None:
    refusal = Refusal(status=status, type="x", code=None, message="no")
    wanted = {"type": "error", "error": {"type": word, "message": "no"}, "request_id": "req_1"}
    assert json.loads(ANTHROPIC.encode_error(refusal, "req_1")) == wanted
    name, data, *rest = ANTHROPIC.encode_stream_error(refusal, "req_1").split(b"\n")
    assert (name, rest) == (b"event: error", [b"", b""])
    assert json.loads(data.removeprefix(b"data: ")) == wanted


def test_a_prompt_that_is_too_long_is_said_in_the_words_by_which_clients_know_it() -> None:
    refusal = Refusal(status=400, type=None, code="context_length_exceeded", message="9 > 8")
    told = json.loads(ANTHROPIC.encode_error(refusal, "r"))["error"]["message"]
    assert told == "prompt is too long: 9 > 8"
