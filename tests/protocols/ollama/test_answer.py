"""Ollama's answers, whole and streamed, both ways, and what passes."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failure import Failed, Kind, Refusal
from gateway.ir.chat import (
    Began,
    Broke,
    Choice,
    Citation,
    Cited,
    Closed,
    Counted,
    Declined,
    Ended,
    Event,
    Finish,
    Media,
    Message,
    Opaque,
    Opened,
    Piece,
    Reasoning,
    Request,
    Response,
    Seal,
    Sealed,
    Text,
    ToolCall,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.ollama.sniff import Sniffer
from gateway.protocols.ollama.stamps import seconds_of, stamp_of
from gateway.protocols.reading import Malformed
from gateway.protocols.tool_ids import made
from gateway.protocols.translate import Translation, answer

OLLAMA = PROTOCOLS["ollama"]
CHAT = PROTOCOLS["openai-chat"]
ASKED = Request(origin="ollama", model="alias", messages=(Message("user", (Text("x"),)),), stream=True)
STAMP = "2023-12-12T14:13:43.416799Z"
COUNTS = {
    "total_duration": 5191566416,
    "load_duration": 2154458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383809000,
    "eval_count": 298,
    "eval_duration": 4799921000,
}


def body_of(message: dict[str, Any], **fields: Any) -> bytes:
    whole = {"model": "m", "created_at": STAMP, "message": {"role": "assistant", **message}, "done": True, **fields}
    return json.dumps(whole).encode()


def line(message: dict[str, Any] | None = None, **fields: Any) -> bytes:
    said = {} if message is None else {"message": {"role": "assistant", "content": "", **message}}
    whole = {"model": "m", "created_at": STAMP, **said, "done": False, **fields}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def test_a_whole_answer() -> None:
    body = body_of({"content": "Hello!", "thinking": "Hm."}, done_reason="stop", **COUNTS)
    response = OLLAMA.decode_response(body)
    assert response.choices == (Choice(parts=(Reasoning(text="Hm."), Text("Hello!")), finish=Finish.STOP),)
    assert response.usage == OLLAMA.decode_answer(body) == Usage(input=26, output=298)
    assert (response.model, response.created) == ("m", 1702390423)
    again = OLLAMA.encode_response(response, ASKED)
    assert again.dropped == ()
    assert again.body == {**json.loads(body), "created_at": "2023-12-12T14:13:43Z"}


@pytest.mark.parametrize("word", ["load", "unload", "custom"])
def test_a_reason_of_its_own_comes_back(word: str) -> None:
    response = OLLAMA.decode_response(body_of({"content": ""}, done_reason=word))
    assert response.choices[0].finish is Finish.OTHER
    assert OLLAMA.encode_response(response, ASKED).body["done_reason"] == word
    assert CHAT.encode_response(response, ASKED).body["choices"][0]["finish_reason"] == "stop"


def test_what_an_answer_cannot_carry() -> None:
    seal = Seal("claude", "s")
    parts = (
        Text("a", citations=(Citation(url="u"),), signature=seal),
        Declined("b"),
        Reasoning(text="t", signature=seal),
        ToolCall(id="1", name="f", arguments='{"x":1}', signature=seal),
        Media(kind="image", data="x"),
        Opaque("search", {}),
    )
    response = Response(
        origin="else", id="i", model="", choices=(Choice(parts=parts, finish=Finish.REFUSAL),) * 2, created=0
    )
    encoded = OLLAMA.encode_response(response, ASKED)
    assert {each.field for each in encoded.dropped} == {
        "choices", "citations", "text.signature", "reasoning.signature", "tool_call.signature", "media", "search",
        "refusal",
    }  # fmt: skip
    assert encoded.body["message"] == {
        "role": "assistant",
        "content": "ab",
        "thinking": "t",
        "tool_calls": [{"id": "1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}],
    }
    assert (encoded.body["done"], encoded.body["done_reason"]) == (True, "content_filter")


def test_probabilities_both_ways() -> None:
    rows = [{"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1.0}]}]
    response = OLLAMA.decode_response(body_of({"content": "é"}, logprobs=rows))
    wanted = {
        "token": "é",
        "logprob": -0.5,
        "bytes": [195, 169],
        "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": [101]}],
    }
    assert response.choices[0].logprobs == {"content": [wanted], "refusal": None}
    assert OLLAMA.encode_response(response, ASKED).body["logprobs"] == [wanted]


def test_moments() -> None:
    assert seconds_of("2023-08-04T08:52:19.385406455-07:00") == 1691164339
    assert seconds_of("2023-08-04T08:52:19") == 1691139139
    assert [seconds_of(value) for value in ("soon", None, 7, "")] == [0, 0, 0, 0]
    assert stamp_of(1691164339) == "2023-08-04T15:52:19Z"
    assert stamp_of(10**30) == "1970-01-01T00:00:00Z"


def test_bug_12_an_answer_that_calls_ends_in_calls() -> None:
    calls = [
        {"function": {"name": "f", "arguments": {"a": 0}}},
        {"id": "x", "function": {"index": 1, "name": "f", "arguments": {}}},
    ]
    response = OLLAMA.decode_response(body_of({"content": "", "tool_calls": calls}, done_reason="stop"))
    assert response.choices[0].finish is Finish.TOOL_CALLS
    first, second = response.choices[0].parts
    assert isinstance(first, ToolCall)
    assert first.id.startswith("call_")
    assert first.arguments == '{"a":0}'
    assert second == ToolCall(id="x", name="f", arguments="{}")
    assert OLLAMA.decode_response(body_of({"tool_calls": calls})) == OLLAMA.decode_response(
        body_of({"tool_calls": calls})
    ), "the same answer gets the same ids"


def test_bug_13_a_cut_answer_says_so() -> None:
    response = OLLAMA.decode_response(body_of({"content": "a"}, done_reason="length"))
    assert response.choices[0].finish is Finish.LENGTH
    for finish in (Finish.LENGTH, Finish.CONTEXT):
        choice = Choice(parts=(Text("a"),), finish=finish)
        body = OLLAMA.encode_response(Response(origin="x", id="", model="m", choices=(choice,)), ASKED).body
        assert body["done_reason"] == "length"


def test_bug_16_no_counts_are_zeros_for_the_client() -> None:
    response = OLLAMA.decode_response(body_of({"content": "a"}))
    assert response.usage is None
    body = OLLAMA.encode_response(response, ASKED).body
    assert (body["prompt_eval_count"], body["eval_count"], body["total_duration"]) == (0, 0, 0)


def test_bug_18_cached_tokens_are_part_of_the_prompt() -> None:
    counts = {"prompt_eval_count": 10, "prompt_eval_cached_count": 8, "eval_count": 1}
    response = OLLAMA.decode_response(body_of({"content": "a"}, **counts))
    assert response.usage == Usage(input=10, output=1, cached=8)
    assert OLLAMA.encode_response(response, ASKED).body["prompt_eval_cached_count"] == 8


def test_an_error_inside_a_200_is_a_failure() -> None:
    for decode in (OLLAMA.decode_answer, OLLAMA.decode_response):
        with pytest.raises(Failed) as caught:
            decode(b'{"error":"model \\"x\\" not found, try pulling it first"}')
        assert caught.value.failure.kind is Kind.NOT_FOUND
    for empty in (b"{}", b"[]", b"", b"<html>", b'{"message":7}'):
        with pytest.raises(Failed) as caught:
            OLLAMA.decode_answer(empty)
        assert caught.value.failure.kind is Kind.BAD_RESPONSE
        with pytest.raises((Failed, Malformed)):
            OLLAMA.decode_response(empty)


# Streams.

STREAM = (
    line({"thinking": "Hm"})
    + line({"thinking": "m."})
    + line({"content": 'Hé 😀 "done":true \n'})
    + line({"content": "b"}, logprobs=[{"token": "b", "logprob": -1}])
    + line({"tool_calls": [{"function": {"name": "f", "arguments": {"a": [1]}}}]})
    + line({"tool_calls": [{"id": "x", "function": {"index": 1, "name": "g"}}]})
    + line({}, done=True, done_reason="stop", **COUNTS)
)


def decoded(parts: list[bytes]) -> list[Event]:
    decoder = OLLAMA.stream_decoder()
    events = [event for part in parts for event in decoder.feed(part)]
    return events + decoder.close()


def splits(data: bytes) -> list[list[bytes]]:
    random = Random(7)
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    for _ in range(20):
        cuts = sorted(random.sample(range(len(data)), min(6, len(data))))
        ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    return ways


ROW = {"token": "b", "logprob": -1, "bytes": [98], "top_logprobs": []}
EVENTS: list[Event] = [
    Began("", "m", 1702390423),
    Opened(0, "reasoning"),
    Piece(0, "Hm"),
    Piece(0, "m."),
    Closed(0),
    Opened(1, "text"),
    Piece(1, 'Hé 😀 "done":true \n'),
    Piece(1, "b", [ROW]),
    Closed(1),
    Opened(2, "tool_call", made(f"m{STAMP}", 0, "f"), "f"),
    Piece(2, '{"a":[1]}'),
    Closed(2),
    Opened(3, "tool_call", "x", "g"),
    Piece(3, "{}"),
    Closed(3),
    Counted(Usage(input=26, output=298)),
    Ended(Finish.TOOL_CALLS),
]


def test_a_stream_however_it_is_cut() -> None:
    for parts in splits(STREAM):
        assert decoded(parts) == EVENTS
    assert decoded([STREAM.rstrip(b"\n")]) == EVENTS, "the last line may lack its end"
    assert decoded([STREAM.replace(b"\n", b"\r\n")]) == EVENTS
    assert decoded([STREAM, line({"content": "more"})]) == EVENTS, "nothing follows the last line"


def test_a_whole_answer_in_one_line_streams_too() -> None:
    data = body_of({"content": "a", "thinking": "t", "images": ["iVBORw0KGgo="]}, done_reason="load")
    assert decoded([data]) == [
        Began("", "m", 1702390423),
        Opened(0, "reasoning"),
        Piece(0, "t"),
        Closed(0),
        Opened(1, "text"),
        Piece(1, "a"),
        Closed(1),
        Whole(2, Media(kind="image", mime="image/png", data="iVBORw0KGgo=")),
        Ended(Finish.OTHER),
    ]


def encoded(events: list[Event]) -> tuple[list[dict[str, Any]], set[str]]:
    encoder = OLLAMA.stream_encoder(ASKED, 1702390423)
    out = b"".join(encoder.push(event) for event in events) + encoder.close()
    assert out.endswith(b"\n")
    return [json.loads(each) for each in out.splitlines()], {each.field for each in encoder.dropped}


def test_a_stream_written() -> None:
    lines, dropped = encoded(EVENTS)
    assert dropped == set()
    assert [each.pop("done") for each in lines] == [False] * 6 + [True]
    last = lines.pop()
    assert last["message"] == {"role": "assistant", "content": ""}
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("stop", 26, 298)
    start = {"model": "m", "created_at": "2023-12-12T14:13:43Z"}
    assert lines[0] == {**start, "message": {"role": "assistant", "content": "", "thinking": "Hm"}}
    assert lines[3] == {**start, "message": {"role": "assistant", "content": "b"}, "logprobs": [ROW]}
    call = {"id": "x", "function": {"index": 1, "name": "g", "arguments": {}}}
    assert lines[5] == {**start, "message": {"role": "assistant", "content": "", "tool_calls": [call]}}


def test_a_stream_written_and_read_is_the_same() -> None:
    encoder = OLLAMA.stream_encoder(ASKED, 0)
    data = b"".join(encoder.push(event) for event in EVENTS) + encoder.close()
    assert decoded([data]) == EVENTS


def test_what_a_stream_cannot_carry() -> None:
    seal = Seal("gemini", "s")
    lines, dropped = encoded(
        [
            Began("i", ""),
            Opened(0, "refusal"),
            Piece(0, "no"),
            Piece(0, ""),
            Cited(0, Citation(url="u")),
            Sealed(0, seal),
            Closed(0),
            Opened(1, "tool_call", "1", "f", signature=seal, custom=True),
            Piece(1, "ls"),
            Closed(1),
            Whole(2, Opaque("search", {})),
            Whole(3, Media(kind="image", data="x")),
            Opened(4, "text", choice=1),
            Piece(4, "other"),
            Piece(4, "other", [ROW]),
            Ended(Finish.LENGTH, 1),
            Ended(Finish.REFUSAL),
        ]
    )
    assert dropped == {
        "citations", "reasoning.signature", "tool_call.signature", "search", "media", "choices", "refusal",
    }  # fmt: skip
    assert [each["message"] for each in lines] == [
        {"role": "assistant", "content": "no"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "1", "function": {"index": 0, "name": "f", "arguments": {"input": "ls"}}}],
        },
        {"role": "assistant", "content": ""},
    ]
    assert lines[-1]["done_reason"] == "content_filter"


def test_bug_1_and_2_parallel_pieces_of_arguments_stay_apart() -> None:
    lines, _ = encoded(
        [
            Began("i", "m"),
            Opened(0, "tool_call", "1", "f"),
            Opened(1, "tool_call", "2", "f"),
            Piece(0, '{"a":'),
            Piece(1, '{"b":'),
            Piece(0, "1}"),
            Piece(1, "2}"),
            Closed(1),
            Closed(0),
            Ended(Finish.TOOL_CALLS),
        ]
    )
    calls = [each["function"] for one in lines for each in one["message"].get("tool_calls", ())]
    assert calls == [
        {"index": 0, "name": "f", "arguments": {"b": 2}},
        {"index": 1, "name": "f", "arguments": {"a": 1}},
    ]


def test_bug_17_the_last_count_stands() -> None:
    counts = [Counted(Usage(input=1)), Counted(Usage(input=3, output=2))]
    lines, _ = encoded([Began("i", "m", usage=Usage(input=9)), *counts, Ended(Finish.STOP)])
    assert (lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]) == (3, 2)


def test_what_keeps_a_connection_alive_adds_nothing() -> None:
    assert decoded([OLLAMA.keep_alive, STREAM]) == EVENTS
    assert OLLAMA.keep_alive.endswith(b"\n")
    value = json.loads(OLLAMA.keep_alive)
    assert (value["message"], value["done"]) == ({"role": "assistant", "content": ""}, False)


@pytest.mark.parametrize("after", [False, True])
def test_bug_27_an_error_inside_a_stream(after: bool) -> None:
    bad = b'{"error":"server busy, please try again"}\n'
    events = decoded([(line({"content": "a"}) if after else b"") + bad + line({"content": "b"})])
    assert isinstance(events[-1], Broke)
    assert events[-1].failure.kind is Kind.OVERLOADED
    translation = Translation(OLLAMA.stream_decoder(), CHAT.stream_encoder(ASKED, 0))
    out = translation.feed((line({"content": "a"}) if after else b"") + bad)
    assert translation.failure is not None
    assert translation.failure.kind is (Kind.INTERRUPTED if after else Kind.OVERLOADED)
    assert bool(out) is after


def test_a_stream_that_stops_early_is_interrupted() -> None:
    translation = Translation(OLLAMA.stream_decoder(), CHAT.stream_encoder(ASKED, 0))
    translation.feed(line({"content": "a"}))
    translation.finish()
    assert translation.failure is not None
    assert translation.failure.kind is Kind.INTERRUPTED


@pytest.mark.parametrize(
    "bad", [b"{oops}\n", b"[]\n", b'{"message":{"content":7}}\n', b'{"message":{"tool_calls":[7]}}\n']
)
def test_what_is_no_line_of_a_chat_breaks_the_stream(bad: bytes) -> None:
    events = decoded([line({"content": "a"}), bad, bad])
    assert [each.failure.kind for each in events if isinstance(each, Broke)] == [Kind.BAD_RESPONSE]
    assert isinstance(events[-1], Broke)


# What passes.


def sniffed(parts: list[bytes]) -> tuple[bytes, Sniffer]:
    sniffer = Sniffer(False)
    out = b""
    for part in parts:
        out += sniffer.feed(part)
        if sniffer.failure is not None:
            return out, sniffer
    return out + sniffer.finish(), sniffer


EMPTY = line({})
DONE = line({}, done=True, done_reason="stop", **COUNTS)
CASES: dict[str, tuple[bytes, bytes, Kind | None, int | None]] = {
    "whole": (STREAM, STREAM, None, 26),
    "empty lines are no content": (EMPTY + EMPTY + STREAM, EMPTY + EMPTY + STREAM, None, 26),
    "spaces": (STREAM.replace(b'":', b'": '), STREAM.replace(b'":', b'": '), None, 26),
    "nothing but the end": (DONE, DONE, None, 26),
    "the last line's end is missing": (STREAM[:-1], STREAM, None, 26),
    "cut after content": (line({"content": "a"}), line({"content": "a"}), Kind.INTERRUPTED, None),
    "cut before content": (EMPTY, b"", Kind.BAD_RESPONSE, None),
    "empty": (b"", b"", Kind.BAD_RESPONSE, None),
    "an error before content": (EMPTY + b'{"error":"server busy"}\n', b"", Kind.OVERLOADED, None),
    "an error after content": (
        line({"content": "a"}) + b'{"error":"x"}\n', line({"content": "a"}), Kind.INTERRUPTED, None,
    ),
    "garbage": (b"data: {}\n", b"", Kind.BAD_RESPONSE, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_forwarded_at_every_split(name: str) -> None:
    data, expected, kind, prompt = CASES[name]
    for parts in splits(data) if data else [[b""]]:
        out, sniffer = sniffed(parts)
        assert out == expected
        assert (sniffer.failure.kind if sniffer.failure is not None else None) is kind
        assert (sniffer.usage.input if sniffer.usage is not None else None) == prompt


# Errors: https://github.com/ollama/ollama/blob/main/server/routes.go and sched.go.
ERRORS = [
    (400, '{"error":"\\"llama3\\" does not support tools"}', Kind.UNSUPPORTED),
    (400, '{"error":"think value \\"high\\" is not supported for this model"}', Kind.UNSUPPORTED),
    (400, '{"error":"the input length exceeds the context length"}', Kind.CONTEXT_WINDOW),
    (400, '{"error":"prompt too long; exceeded max context length by 5 tokens"}', Kind.CONTEXT_WINDOW),
    (400, '{"error":"missing request body"}', Kind.INVALID_REQUEST),
    (401, '{"error":"unauthorized"}', Kind.AUTH),
    (403, '{"error":"forbidden"}', Kind.AUTH),
    (404, '{"error":"model \'x\' not found"}', Kind.NOT_FOUND),
    (429, '{"error":"too many requests"}', Kind.RATE_LIMIT),
    (429, '{"error":"you have reached your weekly usage limit"}', Kind.QUOTA),
    (500, '{"error":"llama runner process has terminated"}', Kind.SERVER_ERROR),
    (503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}', Kind.OVERLOADED),
    (503, "<html>", Kind.SERVER_ERROR),
    (502, '{"error":{"message":"bad gateway"}}', Kind.SERVER_ERROR),
    (302, "", Kind.BAD_RESPONSE),
]


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS)
def test_errors_of_upstreams(status: int, body: str, kind: Kind) -> None:
    failure = OLLAMA.decode_error(status, {"retry-after": "7"}, body.encode(), 0.0)
    assert (failure.kind, failure.status, failure.retry_after) == (kind, status, 7.0)
    assert failure.message


def test_what_clients_are_told() -> None:
    refusal = Refusal(status=404, type="not_found_error", code="model_not_found", message="no such model")
    assert OLLAMA.encode_error(refusal, "r") == b'{"error":"no such model"}'
    assert OLLAMA.encode_stream_error(refusal, "r") == b'{"error":"no such model"}\n'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = (
    "message",
    "done",
    "done_reason",
    "error",
    "logprobs",
    "created_at",
    "model",
    "eval_count",
    "prompt_eval_count",
)
PARTS = ("content", "thinking", "images", "tool_calls", "role")


@given(JSON, st.sampled_from(FIELDS), st.sampled_from(PARTS), st.binary(max_size=20))
def test_nothing_raises_anything_else(value: object, field: str, part: str, noise: bytes) -> None:
    for body in (
        noise,
        msgspec.json.encode(value),
        msgspec.json.encode({"message": {}, field: value}),
        msgspec.json.encode({"message": {part: value}, "done": True}),
        msgspec.json.encode({"message": {"tool_calls": [{"function": {"name": value, "arguments": value}}]}}),
    ):
        with contextlib.suppress(Failed):
            OLLAMA.decode_answer(body)
        with contextlib.suppress(Failed, Malformed):
            OLLAMA.encode_response(OLLAMA.decode_response(body), ASKED)
        with contextlib.suppress(Failed):
            answer(OLLAMA, CHAT, ASKED, body, None, 1)
        OLLAMA.decode_error(500, {}, body, 0.0)
        translation = Translation(OLLAMA.stream_decoder(), OLLAMA.stream_encoder(ASKED, 1))
        translation.feed(body + b"\n" + body)
        translation.finish()
        sniffed([body, b"\n", body])
