"""Cohere's answers, whole and streamed. Facts: https://docs.cohere.com/reference/chat and /chat-stream."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failure import Failed, Kind
from gateway.ir.chat import (
    Began,
    Broke,
    Choice,
    Citation,
    Cited,
    Closed,
    Counted,
    Ended,
    Event,
    Finish,
    Message,
    Opaque,
    Opened,
    Piece,
    Reasoning,
    Request,
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.reading import Malformed
from gateway.protocols.tool_ids import made
from gateway.protocols.translate import Translation, answer

COHERE = PROTOCOLS["cohere"]
CHAT = PROTOCOLS["openai-chat"]
ASKED = Request(origin="openai-chat", model="alias", messages=(Message("user", (Text("x"),)),), stream=True)
USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 7},
    "tokens": {"input_tokens": 200, "output_tokens": 9, "reasoning_tokens": 4},
    "cached_tokens": 128,
}
COUNTS = Usage(input=200, output=9, cached=128, reasoning=4)
DOCUMENT = {"type": "document", "id": "d0", "document": {"title": "T", "url": "https://x", "snippet": "blue"}}
TOOL = {"type": "tool", "id": "f:0", "tool_output": {"roll": "1"}}
SPAN = {"start": 4, "end": 7, "text": "sky", "sources": [DOCUMENT, TOOL], "type": "TEXT_CONTENT"}
CITATIONS = (
    Citation(url="https://x", title="T", quote="blue", start=4, end=7, raw=SPAN),
    Citation(title="f:0", quote='{"roll":"1"}', start=4, end=7, raw=SPAN),
)


def body_of(message: dict[str, Any], **fields: Any) -> bytes:
    whole = {"id": "i", "finish_reason": "COMPLETE", "message": {"role": "assistant", **message}, **fields}
    return json.dumps(whole).encode()


def test_a_whole_answer() -> None:
    content = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "The sky."}]
    response = COHERE.decode_response(body_of({"content": content, "citations": [SPAN]}, usage=USAGE))
    parts = (Reasoning(text="Hm."), Text("The sky.", CITATIONS))
    assert response.choices == (Choice(parts=parts, finish=Finish.STOP),)
    assert (response.id, response.usage) == ("i", COUNTS)


def test_a_plan_and_calls() -> None:
    calls = [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"type": "function", "function": {"name": "g", "arguments": ""}},
    ]
    response = COHERE.decode_response(
        body_of({"tool_plan": "I will.", "tool_calls": calls}, finish_reason="TOOL_CALL", usage=USAGE)
    )
    assert response.choices[0].parts == (
        Reasoning(text="I will."),
        ToolCall(id="c", name="f", arguments='{"a":1}'),
        ToolCall(id=made("i", 1, "g"), name="g", arguments="{}"),
    )
    assert response.choices[0].finish is Finish.TOOL_CALLS


def test_citations_go_to_their_block() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "odd"}]
    spans = [{"start": 0, "content_index": 1}, {"start": 1, "content_index": 9}, {"start": 2, "type": "PLAN"}, 7]
    parts = COHERE.decode_response(body_of({"content": content, "citations": spans})).choices[0].parts
    assert [[each.start for each in part.citations] for part in parts if isinstance(part, Text)] == [[1], [0]]
    assert parts[2] == Opaque("odd", {"type": "odd"})


def test_probabilities_in_openais_shape() -> None:
    rows = [{"text": "Hé", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}, {"text": "x", "token_ids": [3]}]
    response = COHERE.decode_response(body_of({"content": [{"type": "text", "text": "Hé"}]}, logprobs=rows))
    row = {"token": "Hé", "logprob": -0.75, "bytes": [72, 195, 169], "top_logprobs": []}
    assert response.choices[0].logprobs == {"content": [row], "refusal": None}


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("COMPLETE", Finish.STOP),
        ("STOP_SEQUENCE", Finish.STOP_SEQUENCE),
        ("MAX_TOKENS", Finish.LENGTH),
        ("TOOL_CALL", Finish.TOOL_CALLS),
        ("ERROR_LIMIT", Finish.CONTEXT),
        ("ERROR_TOXIC", Finish.CONTENT_FILTER),
        ("SOMETHING", Finish.OTHER),
        (None, Finish.STOP),
    ],
)
def test_bug_13_reasons(word: str | None, finish: Finish) -> None:
    response = COHERE.decode_response(body_of({"content": [{"type": "text", "text": "a"}]}, finish_reason=word))
    assert response.choices[0].finish is finish


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (USAGE, COUNTS),
        ({"billed_units": {"input_tokens": 5.0, "output_tokens": 7.0}}, Usage(input=5, output=7)),
        ({"tokens": {"input_tokens": 3}}, Usage(input=3)),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_bug_18_cached_tokens_are_part_of_the_input(usage: Any, counts: Usage | None) -> None:
    assert COHERE.decode_response(body_of({"content": []}, usage=usage)).usage == counts


def test_an_error_inside_a_200_is_a_failure() -> None:
    for body, kind in (
        (b'{"message":"too many tokens: size limit exceeded by 9 tokens."}', Kind.CONTEXT_WINDOW),
        (b'{"message":"odd"}', Kind.BAD_RESPONSE),
        (body_of({}, finish_reason="ERROR"), Kind.SERVER_ERROR),
        (body_of({}, finish_reason="TIMEOUT"), Kind.TIMEOUT),
    ):
        with pytest.raises(Failed) as caught:
            COHERE.decode_response(body)
        assert caught.value.failure.kind is kind
    for empty in (b"{}", b"[]", b"", b"<html>", b'{"message":[]}', body_of({"content": 7})):
        with pytest.raises(Malformed):
            COHERE.decode_response(empty)


# Streams.


def event(kind: str, index: int | None = None, message: Any = None, **fields: Any) -> bytes:
    value: dict[str, Any] = {"type": kind}
    if index is not None:
        value["index"] = index
    if message is not None:
        value["delta"] = {"message": message}
    value.update(fields)
    return f"event: {kind}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def text(words: str, index: int = 0, **fields: Any) -> bytes:
    return event("content-delta", index, {"content": {"text": words}}, **fields)


def start(index: int, id_: str | None, name: str, arguments: str = "") -> bytes:
    call = {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    return event("tool-call-start", index, {"tool_calls": call})


def arguments(index: int, words: str) -> bytes:
    return event("tool-call-delta", index, {"tool_calls": {"function": {"arguments": words}}})


def end(reason: str, **fields: Any) -> bytes:
    return event("message-end", delta={"finish_reason": reason, "usage": USAGE, **fields})


START = event(
    "message-start",
    message={"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []},
    id="i",
)
ANSWER = (
    START
    + event("content-start", 0, {"content": {"type": "thinking", "thinking": ""}})
    + event("content-delta", 0, {"content": {"thinking": "Hm"}})
    + event("content-delta", 0, {"content": {"thinking": "m."}})
    + event("content-end", 0)
    + event("content-start", 1, {"content": {"type": "text", "text": ""}})
    + text('The ské 😀 "error"\n\n', 1)
    + event("citation-start", 0, {"citations": SPAN})
    + event("citation-end", 0)
    + text("!", 1, logprobs={"text": "!", "token_ids": [1], "logprobs": [-1.0]})
    + event("content-end", 1)
    + event("citation-start", 1, {"citations": {"start": 0, "end": 3}})
    + event("debug", prompt="x")
    + end("COMPLETE")
    + b"data: [DONE]\n\n"
)
ANSWER_EVENTS: list[Event] = [
    Began("i", ""),
    Opened(0, "reasoning"),
    Piece(0, "Hm"),
    Piece(0, "m."),
    Closed(0),
    Opened(1, "text"),
    Piece(1, 'The ské 😀 "error"\n\n'),
    *(Cited(1, each) for each in CITATIONS),
    Piece(1, "!", [{"token": "!", "logprob": -1.0, "bytes": [33], "top_logprobs": []}]),
    Cited(1, Citation(start=0, end=3, raw={"start": 0, "end": 3})),
    Closed(1),
    Counted(COUNTS),
    Ended(Finish.STOP),
]
CALLS = (
    START
    + event("tool-plan-delta", message={"tool_plan": "I will"})
    + event("tool-plan-delta", message={"tool_plan": " ask."})
    + start(0, "c", "f")
    + arguments(0, '{"a"')
    + arguments(0, ": 1}")
    + event("tool-call-end", 0)
    + start(1, None, "f")
    + event("tool-call-end", 1)
    + start(2, "d", "g", "{}")
    + end("TOOL_CALL")
)
CALLS_EVENTS: list[Event] = [
    Began("i", ""),
    Opened(0, "reasoning"),
    Piece(0, "I will"),
    Piece(0, " ask."),
    Closed(0),
    Opened(1, "tool_call", "c", "f"),
    Piece(1, '{"a"'),
    Piece(1, ": 1}"),
    Closed(1),
    Opened(2, "tool_call", made("i", 1, "f"), "f"),
    Piece(2, "{}"),
    Closed(2),
    Opened(3, "tool_call", "d", "g"),
    Piece(3, "{}"),
    Closed(3),
    Counted(COUNTS),
    Ended(Finish.TOOL_CALLS),
]


def decoded(parts: list[bytes]) -> list[Event]:
    decoder = COHERE.stream_decoder()
    events = [each for part in parts for each in decoder.feed(part)]
    return events + decoder.close()


def splits(data: bytes) -> list[list[bytes]]:
    random = Random(7)
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    for _ in range(20):
        cuts = sorted(random.sample(range(len(data)), min(6, len(data))))
        ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    return ways


@pytest.mark.parametrize(("data", "events"), [(ANSWER, ANSWER_EVENTS), (CALLS, CALLS_EVENTS)])
def test_a_stream_however_it_is_cut(data: bytes, events: list[Event]) -> None:
    for parts in splits(data):
        assert decoded(parts) == events
    assert decoded([data.replace(b"\n", b"\r\n")]) == events
    assert decoded([data.rstrip()]) == events, "the last event may lack its blank line"


def test_bug_1_and_2_calls_at_once_stay_apart() -> None:
    data = (
        START
        + start(0, "a", "f")
        + start(1, "b", "f")
        + arguments(0, '{"x":1}')
        + arguments(1, '{"y":2}')
        + end("TOOL_CALL")
    )
    translation = Translation(COHERE.stream_decoder(), CHAT.stream_encoder(ASKED, 1))
    out = translation.feed(data)
    found: dict[int, str] = {}
    for frame in out.split(b"\n\n"):
        if frame.startswith(b"data: {"):
            for choice in json.loads(frame[6:])["choices"]:
                for call in choice["delta"].get("tool_calls", ()):
                    found[call["index"]] = found.get(call["index"], "") + call["function"]["arguments"]
    assert found == {0: '{"x":1}', 1: '{"y":2}'}


def test_an_answer_without_a_model_has_the_one_that_was_asked_for() -> None:
    whole, _ = answer(COHERE, CHAT, ASKED, body_of({"content": [{"type": "text", "text": "a"}]}), None, 1)
    assert whole.body["model"] == "alias"
    translation = Translation(COHERE.stream_decoder(), CHAT.stream_encoder(ASKED, 1), None, ASKED.model)
    assert b'"model":"alias"' in translation.feed(START + text("a"))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (end("ERROR", error="it broke"), Kind.SERVER_ERROR),
        (end("TIMEOUT"), Kind.TIMEOUT),
        (end("COMPLETE", error="it broke"), Kind.SERVER_ERROR),
        (b'data: {"message":"too many tokens: 9","id":"x"}\n\n', Kind.CONTEXT_WINDOW),
        (b'event: error\ndata: {"type":"error","error":{"message":"odd"}}\n\n', Kind.BAD_RESPONSE),
    ],
)
def test_bug_27_an_error_inside_a_stream(bad: bytes, kind: Kind, after: bool) -> None:
    data = START + (text("a") if after else b"") + bad
    found = decoded([data, text("b")])[-1]
    assert isinstance(found, Broke)
    assert found.failure.kind is kind
    translation = Translation(COHERE.stream_decoder(), CHAT.stream_encoder(ASKED, 1))
    out = translation.feed(data)
    assert translation.failure is not None
    assert translation.failure.kind is (Kind.INTERRUPTED if after else kind)
    assert bool(out) is after


@pytest.mark.parametrize(
    "bad",
    [
        b"data: {oops\n\n",
        b"data: []\n\n",
        b'data: {"type":"content-delta","delta":7}\n\n',
        b'data: {"type":"content-delta","delta":{"message":{"content":{"text":7}}}}\n\n',
        START + start(0, "a", "f") + event("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": [1]}}}),
    ],
)
def test_what_is_no_event_of_a_chat_breaks_the_stream(bad: bytes) -> None:
    events = decoded([bad, bad])
    assert [each.failure.kind for each in events if isinstance(each, Broke)] == [Kind.BAD_RESPONSE]
    assert isinstance(events[-1], Broke)


def test_a_stream_that_stops_early_is_interrupted() -> None:
    translation = Translation(COHERE.stream_decoder(), CHAT.stream_encoder(ASKED, 1))
    translation.feed(START + text("a"))
    translation.finish()
    assert translation.failure is not None
    assert translation.failure.kind is Kind.INTERRUPTED


# Errors: https://docs.cohere.com/reference/errors.
ERRORS = [
    (400, '{"message":"too many tokens: size limit exceeded by 25836 tokens.","error_type":"X"}', Kind.CONTEXT_WINDOW),
    (400, '{"message":"too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model"}', Kind.INVALID_REQUEST),
    (400, '{"message":"invalid request: response_format is not supported with RAG."}', Kind.UNSUPPORTED),
    (400, '{"message":"system turn must be the first in the list"}', Kind.INVALID_REQUEST),
    (401, '{"message":"invalid api token"}', Kind.AUTH),
    (402, '{"message":"Please add or update your payment method"}', Kind.QUOTA),
    (403, '{"message":"no"}', Kind.AUTH),
    (404, '{"message":"model not found"}', Kind.NOT_FOUND),
    (422, '{"message":"invalid type: parameter messages"}', Kind.INVALID_REQUEST),
    (429, '{"message":"Please wait and try again later"}', Kind.RATE_LIMIT),
    (429, '{"message":"You are using a Trial key, which is limited to 40 API calls / minute."}', Kind.RATE_LIMIT),
    (429, '{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}', Kind.QUOTA),
    (498, '{"message":"invalid token"}', Kind.AUTH),
    (499, '{"message":"request cancelled"}', Kind.SERVER_ERROR),
    (500, '{"message":"internal server error"}', Kind.SERVER_ERROR),
    (501, '{"message":"not implemented"}', Kind.UNSUPPORTED),
    (503, "upstream connect error", Kind.SERVER_ERROR),
    (504, '{"error":{"message":"gateway timeout"}}', Kind.SERVER_ERROR),
    (302, "", Kind.BAD_RESPONSE),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS)
def test_errors_of_upstreams(status: int, body: str, kind: Kind) -> None:
    failure = COHERE.decode_error(status, {"retry-after": "7"}, body.encode(), 0.0)
    assert (failure.kind, failure.status, failure.retry_after) == (kind, status, 7.0)
    assert failure.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ("message", "finish_reason", "usage", "logprobs", "error", "id", "type", "index", "delta")
PARTS = ("content", "tool_plan", "tool_calls", "citations")
KINDS = (
    "message-start",
    "content-start",
    "content-delta",
    "tool-call-start",
    "tool-call-delta",
    "citation-start",
    "message-end",
)


@given(JSON, st.sampled_from(FIELDS), st.sampled_from(PARTS), st.sampled_from(KINDS), st.binary(max_size=20))
def test_nothing_raises_anything_else(value: object, field: str, part: str, kind: str, noise: bytes) -> None:
    deep = {"content": [{"type": "text", "text": "a"}], "citations": [{"sources": value, "start": value}]}
    call = {"tool_calls": [{"id": value, "function": {"name": "f", "arguments": value}}]}
    for body in (
        noise,
        msgspec.json.encode(value),
        msgspec.json.encode({"message": {"content": []}, field: value}),
        msgspec.json.encode({"message": {part: value}}),
        msgspec.json.encode({"message": deep, "logprobs": value, "usage": {"tokens": value}}),
        msgspec.json.encode({"message": call}),
        msgspec.json.encode({"message": {"content": [{"type": "text", "text": value}]}}),
    ):
        with contextlib.suppress(Failed, Malformed):
            COHERE.decode_response(body)
        with contextlib.suppress(Failed):
            answer(COHERE, CHAT, ASKED, body, None, 1)
        COHERE.decode_error(500, {}, body, 0.0)
    frames = [
        event(kind, message=value),
        event(kind, 0, {part: value}),
        event(kind, 0, {"tool_calls": {"id": value, "function": {"arguments": value}}}),
        event(kind, **{field: value}) if field != "index" else noise,
        event("message-end", delta={"finish_reason": value, "usage": value}),
    ]
    for frame in frames:
        decoder = COHERE.stream_decoder()
        decoder.feed(START + text("a") + start(0, "c", "f") + frame + noise)
        decoder.close()
