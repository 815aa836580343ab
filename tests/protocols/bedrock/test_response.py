"""Whole answers and errors of Converse, read from the API reference."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failure import Failed, Kind
from gateway.ir.chat import Finish, Media, Opaque, Reasoning, Request, Response, Seal, Text, ToolCall
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.reading import Malformed
from gateway.protocols.translate import answer

BEDROCK = PROTOCOLS["bedrock-converse"]


def body(*content: Any, reason: Any = "end_turn", **more: Any) -> bytes:
    value = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": reason,
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 1},
        **more,
    }
    return json.dumps(value).encode()


def decode(*content: Any, **more: Any) -> Response:
    return BEDROCK.decode_response(body(*content, **more))


def test_a_plain_answer() -> None:
    response = decode({"text": "Hello"}, serviceTier={"type": "flex"})
    (choice,) = response.choices
    assert choice.parts == (Text("Hello"),) and choice.finish is Finish.STOP
    assert response.usage == Usage(input=3, output=2)
    assert response.service_tier == "flex"
    assert response.extras == {"metrics": {"latencyMs": 1}}


def test_every_kind_of_content() -> None:
    citation = {
        "title": "doc",
        "source": "s",
        "sourceContent": [{"text": "a "}, {"text": "quote"}],
        "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 7}},
    }
    web = {"location": {"web": {"url": "https://x/", "domain": "x"}}}
    redacted = base64.b64encode(b"EqAbc").decode()
    response = decode(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqSig"}}},
        {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "other"}}},
        {"reasoningContent": {"redactedContent": redacted}},
        {"reasoningContent": {"redactedContent": "AAAA"}},
        {"citationsContent": {"content": [{"text": "cited"}], "citations": [citation, web]}},
        {"text": ""},
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
        {"toolUse": {"toolUseId": "g", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Paris"}, "type": "tool_use"}},
        {"toolUse": {"toolUseId": "t2", "name": "time", "input": {}}},
        {"somethingNew": {"a": 1}},
        reason="tool_use",
    )
    (choice,) = response.choices
    signed, unsigned, other, hidden, strange, cited, image, hosted, weather, clock, new = choice.parts
    assert signed == Reasoning(text="hm", signature=Seal("claude", "EqSig"))
    assert unsigned == Reasoning(text="unsigned")
    assert other == Reasoning(signature=Seal("bedrock", "other")), "bug 5: a signature without text is not empty"
    assert hidden == Reasoning(redacted=Seal("claude", "EqAbc"))
    assert strange == Reasoning(redacted=Seal("bedrock", "AAAA"))
    assert isinstance(cited, Text) and cited.text == "cited"
    first, second = cited.citations
    assert (first.url, first.title, first.quote, first.start) == (None, "doc", "a quote", 0)
    assert (second.url, second.title) == ("https://x/", "x")
    assert image == Media(kind="image", mime="image/png", data="AAAA")
    assert isinstance(hosted, Opaque) and hosted.what == "server_tool_use"
    assert weather == ToolCall(id="t1", name="weather", arguments='{"city":"Paris"}')
    assert clock == ToolCall(id="t2", name="time", arguments="{}")
    assert new == Opaque("somethingNew", {"somethingNew": {"a": 1}})
    assert choice.finish is Finish.TOOL_CALLS


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("tool_use", Finish.TOOL_CALLS),
        ("max_tokens", Finish.LENGTH),
        ("stop_sequence", Finish.STOP_SEQUENCE),
        ("guardrail_intervened", Finish.CONTENT_FILTER),
        ("content_filtered", Finish.CONTENT_FILTER),
        ("malformed_tool_use", Finish.MALFORMED_CALL),
        ("model_context_window_exceeded", Finish.CONTEXT),
        ("refusal", Finish.REFUSAL),
        ("something_new", Finish.OTHER),
        (None, Finish.OTHER),
        ([], Finish.OTHER),
    ],
)
def test_stop_reasons(reason: Any, finish: Finish) -> None:
    assert decode({"text": "x"}, reason=reason).choices[0].finish is finish


def test_a_call_that_ends_the_turn_is_a_call() -> None:
    call = {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}
    assert decode(call, reason="end_turn").choices[0].finish is Finish.TOOL_CALLS


def test_bug_14_an_unreadable_answer_is_no_stop() -> None:
    for content in ((), ({"text": "x"},)):
        with pytest.raises(Failed) as raised:
            decode(*content, reason="malformed_model_output")
        assert raised.value.failure.kind is Kind.BAD_RESPONSE


def test_the_stop_sequence() -> None:
    fields = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    choice = decode({"text": "x"}, reason="stop_sequence", **fields).choices[0]
    assert (choice.finish, choice.stopped_by) == (Finish.STOP_SEQUENCE, "END")
    delta = {"additionalModelResponseFields": {"delta": {"stop_sequence": None}}}
    assert decode({"text": "x"}, **delta).choices[0].stopped_by is None


def test_bug_18_cached_tokens_are_part_of_the_input() -> None:
    usage = {
        "inputTokens": 10, "outputTokens": 4, "totalTokens": 134, "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 20,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}],
    }  # fmt: skip
    assert decode({"text": "x"}, usage=usage).usage == Usage(
        input=130, output=4, cached=100, cache_write=20, cache_write_1h=15
    )
    assert decode({"text": "x"}, usage=None).usage is None


def test_bug_24_an_answer_by_tool_is_text() -> None:
    request = Request(origin="openai-chat", model="m", messages=())
    call = {"toolUse": {"toolUseId": "t", "name": "structured_answer", "input": {"n": 1}}}
    encoded, _ = answer(
        BEDROCK, PROTOCOLS["openai-chat"], request, body(call, reason="tool_use"), "structured_answer", 1
    )
    choice = encoded.body["choices"][0]
    assert choice["message"]["content"] == '{"n":1}' and choice["finish_reason"] == "stop"
    assert encoded.body["model"] == "m", "Converse does not name the model"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"message":"Too many requests","__type":"ThrottlingException"}', Kind.RATE_LIMIT),
        ('{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}', Kind.NOT_FOUND),
        ('{"output":null}', Kind.BAD_RESPONSE),
        ('{"output":{}}', Kind.BAD_RESPONSE),
        ("{}", Kind.BAD_RESPONSE),
    ],
)
def test_bug_27_an_error_inside_a_200(text: str, kind: Kind) -> None:
    with pytest.raises(Failed) as raised:
        BEDROCK.decode_response(text.encode())
    assert raised.value.failure.kind is kind


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("[]", ""),
        ("nonsense", ""),
        ('{"output":[]}', "output"),
        ('{"output":{"message":{"content":{}}}}', "output.message.content"),
        ('{"output":{"message":{"content":[{"text":1}]}}}', "output.message.content[0].text"),
        ('{"output":{"message":{"content":[{"toolUse":[]}]}}}', "output.message.content[0].toolUse"),
    ],
)
def test_malformed_answers_name_the_place(text: str, at: str) -> None:
    with pytest.raises(Malformed) as raised:
        BEDROCK.decode_response(text.encode())
    assert raised.value.at == at


NAMES = st.sampled_from(
    "output message content text toolUse toolUseId name input type reasoningContent reasoningText signature image "
    "redactedContent citationsContent citations location web url source sourceContent stopReason usage inputTokens "
    "cacheDetails serviceTier additionalModelResponseFields delta stop_sequence format bytes __type Output".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)


@given(JSON)
def test_arbitrary_json_raises_nothing_else(value: Any) -> None:
    for wrapped in (
        value,
        {"output": {"message": {"content": [value, {"toolUse": value}, {"citationsContent": value}]}}},
    ):
        with contextlib.suppress(Malformed, Failed):
            BEDROCK.decode_response(json.dumps(wrapped).encode())


@given(st.binary(max_size=50))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    with contextlib.suppress(Malformed, Failed):
        BEDROCK.decode_response(data)
    BEDROCK.decode_error(400, {}, data, 0.0)


CORAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
ERRORS = [
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", Kind.RATE_LIMIT),
    (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", Kind.QUOTA),
    (400, "ServiceQuotaExceededException", "Your request exceeds the service quota.", Kind.QUOTA),
    (429, "ModelNotReadyException", "Model is not ready.", Kind.OVERLOADED),
    (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", Kind.OVERLOADED),
    (500, "InternalServerException", "Unexpected.", Kind.SERVER_ERROR),
    (424, "ModelErrorException", "The model failed.", Kind.SERVER_ERROR),
    (408, "ModelTimeoutException", "Model took too long.", Kind.TIMEOUT),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model.", Kind.NOT_FOUND),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", Kind.AUTH),
    (403, "ExpiredTokenException", "The security token included in the request is expired", Kind.AUTH),
    (403, "InvalidSignatureException", "The request signature we calculated does not match.", Kind.AUTH),
    (403, "AccessDeniedException", "User: arn is not authorized to perform: bedrock:InvokeModel", Kind.AUTH),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", Kind.NOT_FOUND),
    (400, "ValidationException", "The provided model identifier is invalid.", Kind.NOT_FOUND),
    (
        400, "ValidationException",
        "Invocation of model ID x with on-demand throughput isn’t supported. Retry with an inference profile.",
        Kind.NOT_FOUND,
    ),
    (400, "ValidationException", "Input is too long for requested model.", Kind.CONTEXT_WINDOW),
    (400, "ValidationException", "Input Tokens Exceeded: Number of input tokens exceeds maximum length.", Kind.CONTEXT_WINDOW),
    (400, "ValidationException", "prompt is too long: 210000 tokens > 200000 maximum", Kind.CONTEXT_WINDOW),
    (400, "ValidationException", "This model doesn't support tool use.", Kind.UNSUPPORTED),
    (400, "ValidationException", "Malformed input request: extraneous key [top_k] is not permitted", Kind.UNSUPPORTED),
    (400, "ValidationException", "Output blocked by content filtering policy", Kind.CONTENT_FILTER),
    (400, "ValidationException", "Operation not allowed", Kind.AUTH),
    (400, "ValidationException", "The text field in the ContentBlock object is blank.", Kind.INVALID_REQUEST),
]  # fmt: skip


@pytest.mark.parametrize(("status", "name", "message", "kind"), ERRORS)
def test_errors(status: int, name: str, message: str, kind: Kind) -> None:
    ways = (
        ({"x-amzn-errortype": name + CORAL}, {"message": message}),
        ({}, {"__type": f"com.amazon.coral.service#{name}", "Message": message}),
        ({"x-amzn-errortype": name}, {"message": message}),
    )
    for headers, value in ways:
        failure = BEDROCK.decode_error(status, headers, json.dumps(value).encode(), 0.0)
        assert (failure.kind, failure.code, failure.status, failure.message) == (kind, name, status, message)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.INVALID_REQUEST), (401, Kind.AUTH), (403, Kind.AUTH), (404, Kind.NOT_FOUND), (408, Kind.TIMEOUT),
        (413, Kind.CONTEXT_WINDOW), (424, Kind.SERVER_ERROR), (429, Kind.RATE_LIMIT), (500, Kind.SERVER_ERROR),
        (503, Kind.OVERLOADED), (302, Kind.BAD_RESPONSE),
    ],
)  # fmt: skip
def test_errors_without_words(status: int, kind: Kind) -> None:
    for text in (b"", b"<html>", b"[]", b"null", b"{}"):
        assert BEDROCK.decode_error(status, {"retry-after": "3"}, text, 0.0).kind is kind
    assert BEDROCK.decode_error(status, {"retry-after": "3"}, b"", 0.0).retry_after == 3


def test_an_error_in_the_words_of_a_proxy() -> None:
    for kind, type_ in (
        (Kind.INVALID_REQUEST, "invalid_request_error"),
        (Kind.CONTEXT_WINDOW, "context_length_exceeded"),
    ):
        message = "prompt is too long" if kind is Kind.CONTEXT_WINDOW else "temperature: not so high"
        body = json.dumps({"type": "error", "error": {"type": type_, "message": message}}).encode()
        failure = BEDROCK.decode_error(400, {}, body, 0.0)
        assert (failure.kind, failure.code, failure.message) == (kind, type_, message)
