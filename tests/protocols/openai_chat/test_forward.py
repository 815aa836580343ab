"""OpenAI chat, forwarded: what is read, what is patched, and what must stay the client's own bytes."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failure import Failed, Kind, Refusal, Refused
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Edits
from gateway.protocols.openai_chat.sniff import Sniffer

CHAT = PROTOCOLS["openai-chat"]
NO_EDITS = Edits()


def forward(body: bytes, edits: Edits = NO_EDITS, ask_usage: bool = False) -> bytes:
    return CHAT.encode_forwarded(CHAT.decode_head(body), "upstream-id", edits, ask_usage).body


def test_every_other_value_stays_as_it_was_written() -> None:
    body = (
        b'{"messages": [{"role":"user","content":"h\\u00e9 \xc3\xa9"}], "temperature": 0.0, "seed": 12345678901234567890,'
        b' "top_p": 1e0, "stop": null, "n": 0, "user": "", "store": false, "model": "m", "metadata": {"b":1,"a":[]}}'
    )
    sent = forward(body)
    for written in (b"12345678901234567890", b"1e0", b'"stop":null', b'"n":0', b'"user":""', b'"store":false'):
        assert written in sent
    assert b'[{"role":"user","content":"h\\u00e9 \xc3\xa9"}]' in sent
    assert b'{"b":1,"a":[]}' in sent
    assert json.loads(sent) == {**json.loads(body), "model": "upstream-id"}
    assert list(json.loads(sent)) == list(json.loads(body)), "the order of keys stays"


def test_a_duplicate_key_is_sent_once_with_its_last_value() -> None:
    sent = forward(b'{"model":"allowed","model":"other","messages":[]}')
    assert sent.count(b'"model"') == 1
    assert CHAT.decode_head(b'{"model":"allowed","model":"other","messages":[]}').model == "other"


def test_edits_apply_in_order_drop_default_set() -> None:
    edits = Edits(
        default=(("temperature", b"0.2"), ("top_p", b"0.5")),
        set=(("service_tier", b'"priority"'),),
        drop=("logit_bias", "top_p"),
    )
    body = b'{"model":"m","messages":[],"temperature":0,"top_p":1,"logit_bias":{},"service_tier":"auto"}'
    sent = json.loads(forward(body, edits))
    assert sent["temperature"] == 0, "an explicit zero is a value, not an absence"
    assert sent["top_p"] == 0.5, "what is dropped is absent, so the default fills it"
    assert "logit_bias" not in sent
    assert sent["service_tier"] == "priority"


@pytest.mark.parametrize(
    ("options", "expected", "strip"),
    [
        (b"", {"include_usage": True}, True),
        (b',"stream_options":null', {"include_usage": True}, True),
        (b',"stream_options":{"include_usage":false}', {"include_usage": True}, True),
        (b',"stream_options":{"x":1}', {"x": 1, "include_usage": True}, True),
        (b',"stream_options":{"include_usage":true}', {"include_usage": True}, False),
        (b',"stream_options":7', 7, False),
    ],
)
def test_usage_is_asked_for_in_streams(options: bytes, expected: object, strip: bool) -> None:
    body = b'{"model":"m","messages":[],"stream":true' + options + b"}"
    sent = CHAT.encode_forwarded(CHAT.decode_head(body), "m", NO_EDITS, True)
    assert json.loads(sent.body)["stream_options"] == expected
    assert sent.strip_usage is strip


def test_usage_is_not_asked_for_where_it_is_not_understood_or_not_a_stream() -> None:
    streamed = b'{"model":"m","messages":[],"stream":true}'
    assert b"stream_options" not in forward(streamed, ask_usage=False)
    assert b"stream_options" not in forward(b'{"model":"m","messages":[]}', ask_usage=True)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "not valid JSON"),
        (b"{", None, "not valid JSON"),
        (b"\xff\xfe", None, "not valid JSON"),
        (b"[]", None, "must be a JSON object"),
        (b"null", None, "must be a JSON object"),
        (b'{"messages":[]}', "model", "must provide"),
        (b'{"model":7,"messages":[]}', "model", "must be a string"),
        (b'{"model":null,"messages":[]}', "model", "must be a string"),
        (b'{"model":"","messages":[]}', "model", "must not be empty"),
        (b'{"model":"m"}', "messages", "Missing required parameter"),
        (b'{"model":"m","messages":{}}', "messages", "must be an array"),
        (b'{"model":"m","messages":[],"stream":"yes"}', "stream", "must be a boolean"),
        (b'{"model":"m","messages":[],"stream":1}', "stream", "must be a boolean"),
    ],
)
def test_bad_requests_name_the_field(body: bytes, param: str | None, words: str) -> None:
    with pytest.raises(Refused) as caught:
        CHAT.decode_head(body)
    refusal = caught.value.refusal
    assert (refusal.status, refusal.param) == (400, param)
    assert words in refusal.message


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for decode in (CHAT.decode_head, CHAT.decode_answer):
        with contextlib.suppress(Refused, Failed):
            decode(body)
    CHAT.decode_error(500, {}, body, 0.0)
    sniffer = Sniffer(True)
    sniffer.feed(body)
    sniffer.finish()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_no_json_raises_anything_else(value: object) -> None:
    body = msgspec.json.encode(value)
    test_no_bytes_raise_anything_else.hypothesis.inner_test(body)
    for key in ("error", "choices", "usage", "model", "messages", "stream", "stream_options"):
        test_no_bytes_raise_anything_else.hypothesis.inner_test(msgspec.json.encode({key: value}))
        test_no_bytes_raise_anything_else.hypothesis.inner_test(b"data: " + msgspec.json.encode({key: value}) + b"\n\n")


# Errors: (status, headers, body) → kind, from OpenAI's error guide and from what compatible servers were seen to write.
ERRORS = [
    (401, {}, '{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}', Kind.AUTH),
    (403, {}, '{"error":{"message":"no","type":"permission_error"}}', Kind.AUTH),
    (403, {}, '{"error":{"message":"no access to model","code":"model_not_found"}}', Kind.NOT_FOUND),
    (402, {}, '{"error":{"message":"Insufficient Balance"}}', Kind.QUOTA),
    (404, {}, '{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}', Kind.NOT_FOUND),
    (429, {}, '{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}', Kind.RATE_LIMIT),
    (429, {}, '{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}', Kind.QUOTA),
    (429, {}, '{"error":{"message":"ramp","code":"slow_down"}}', Kind.OVERLOADED),
    (400, {}, '{"error":{"message":"too long","code":"context_length_exceeded"}}', Kind.CONTEXT_WINDOW),
    (400, {}, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens\"}", Kind.CONTEXT_WINDOW),
    (413, {}, "<html>", Kind.CONTEXT_WINDOW),
    (400, {}, '{"error":{"message":"no","code":"unsupported_parameter","param":"top_k"}}', Kind.UNSUPPORTED),
    (400, {}, '{"error":{"message":"no","code":"content_filter"}}', Kind.CONTENT_FILTER),
    (400, {}, '{"error":{"message":"bad","type":"invalid_request_error","code":null}}', Kind.INVALID_REQUEST),
    (422, {}, '{"detail":[{"loc":["body"],"msg":"field required"}]}', Kind.INVALID_REQUEST),
    (500, {}, '{"error":{"message":"oops","type":"server_error"}}', Kind.SERVER_ERROR),
    (503, {}, '{"error":{"message":"busy","type":"service_unavailable_error","code":"server_is_overloaded"}}', Kind.OVERLOADED),
    (503, {}, "upstream connect error", Kind.SERVER_ERROR),
    (529, {}, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', Kind.OVERLOADED),
    (408, {}, "", Kind.SERVER_ERROR),
    (302, {}, "", Kind.BAD_RESPONSE),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "body", "kind"), ERRORS)
def test_errors_of_upstreams(status: int, headers: dict[str, str], body: str, kind: Kind) -> None:
    failure = CHAT.decode_error(status, headers, body.encode(), 0.0)
    assert failure.kind is kind
    assert failure.status == status
    assert failure.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360.0),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "5"}, None),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-remaining-requests": "0"}, 0.12),
        (
            {
                "anthropic-ratelimit-requests-reset": "1970-01-01T00:01:00Z",
                "anthropic-ratelimit-requests-remaining": "0",
            },
            60.0,
        ),
        ({}, None),
    ],
)
def test_hints(headers: dict[str, str], seconds: float | None) -> None:
    assert CHAT.decode_error(429, headers, b"", 0.0).retry_after == seconds


def test_an_error_inside_a_200_is_a_failure() -> None:
    with pytest.raises(Failed) as caught:
        CHAT.decode_answer(b'{"error":{"message":"down","code":503}}')
    assert caught.value.failure.kind is Kind.SERVER_ERROR
    for empty in (b"{}", b'{"choices":[]}', b'{"choices":null}', b"<html>", b"", b"[]"):
        with pytest.raises(Failed) as caught:
            CHAT.decode_answer(empty)
        assert caught.value.failure.kind is Kind.BAD_RESPONSE


def test_usage_of_a_whole_answer() -> None:
    usage = CHAT.decode_answer(
        b'{"choices":[{}],"usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,'
        b'"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}'
    )
    assert usage is not None
    assert (usage.input, usage.output, usage.cached, usage.reasoning) == (10, 7, 4, 3)
    assert CHAT.decode_answer(b'{"choices":[{}]}') is None


def test_what_clients_are_told() -> None:
    refusal = Refusal(status=404, type="not_found_error", code="model_not_found", message="no", param="model")
    assert json.loads(CHAT.encode_error(refusal, "req_1")) == {
        "error": {
            "message": "no",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
            "request_id": "req_1",
        }
    }
    frames = CHAT.encode_stream_error(refusal, "req_1").split(b"\n\n")
    assert frames[0] == b"data: " + CHAT.encode_error(refusal, "req_1"), "no chunk: the AI SDK reads those as answers"
    assert frames[1:] == [b"data: [DONE]", b""]
