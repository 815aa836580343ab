"""Whole answers and streams, read and written; finish reasons, usage, citations, log probabilities."""

from __future__ import annotations

import contextlib
import json
from typing import Any

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
    Declined,
    Ended,
    Event,
    Finish,
    Media,
    Opaque,
    Opened,
    Piece,
    Reasoning,
    Response,
    Text,
    ToolCall,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.gemini import array_frames
from gateway.protocols.reading import Malformed
from gateway.protocols.translate import Translation, response_of
from tests.protocols.gemini.kit import CHAT, GEMINI, array, asked, cuts, event, events_of, parts_in, plain, sse, written
from tests.protocols.gemini.test_request_in import JSON, KEYS, LIKELY

USAGE = {
    "promptTokenCount": 10, "toolUsePromptTokenCount": 2, "cachedContentTokenCount": 4, "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3, "totalTokenCount": 20, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}],
    "serviceTier": "flex",
}  # fmt: skip
COUNTED = Usage(input=12, output=8, cached=4, reasoning=3, audio_input=6)


def answer(parts: list[Any], reason: Any = "STOP", **candidate: Any) -> Any:
    body = {"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason, **candidate}]}
    body.update({"usageMetadata": USAGE, "modelVersion": "m-1", "responseId": "r"})
    return GEMINI.decode_response(json.dumps(body).encode())


def body_of(*parts: Any, finish: Finish = Finish.STOP, **more: Any) -> dict[str, Any]:
    response = Response(origin="test", id="i", model="m", choices=(Choice(parts=parts, finish=finish, **more),))
    out: dict[str, Any] = plain(GEMINI.encode_response(response, asked()).body)
    return out


def test_an_answer() -> None:
    response = answer(
        [{"text": "hm", "thought": True}, {"text": "ho"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]
    )
    assert (response.id, response.model, response.service_tier, response.usage) == ("r", "m-1", "flex", COUNTED)
    thought, text, call = response.choices[0].parts
    assert (thought, text) == (Reasoning(text="hm"), Text("ho"))
    assert isinstance(call, ToolCall) and call.arguments == '{"a":1}' and call.id.startswith("call_")
    assert response.choices[0].finish is Finish.TOOL_CALLS


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("STOP", Finish.STOP), ("MAX_TOKENS", Finish.LENGTH), ("SAFETY", Finish.CONTENT_FILTER),
        ("RECITATION", Finish.CONTENT_FILTER), ("BLOCKLIST", Finish.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", Finish.CONTENT_FILTER), ("SPII", Finish.CONTENT_FILTER),
        ("IMAGE_SAFETY", Finish.CONTENT_FILTER), ("LANGUAGE", Finish.OTHER), ("OTHER", Finish.OTHER),
        ("MALFORMED_FUNCTION_CALL", Finish.MALFORMED_CALL), ("UNEXPECTED_TOOL_CALL", Finish.MALFORMED_CALL),
        ("SOMETHING_NEW", Finish.OTHER),
    ],
)  # fmt: skip
def test_bug_13_and_14_every_finish_reason(word: str, finish: Finish) -> None:
    response = answer([{"text": "x"}], word)
    assert response.choices[0].finish is finish
    assert events_of(sse(event([{"text": "x"}]), event(candidate={"finishReason": word})))[-1] == Ended(finish)
    back = plain(GEMINI.encode_response(response, asked()).body)
    assert back["candidates"][0]["finishReason"] == word, "its own wire gets the word back"


def test_bug_14_a_call_that_cannot_be_read_is_no_answer() -> None:
    body = json.dumps({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "content": {}}]}).encode()
    with pytest.raises(Failed) as failed:
        response_of(GEMINI, body)
    assert failed.value.failure.kind is Kind.BAD_RESPONSE
    translation = Translation(GEMINI.stream_decoder(), CHAT.stream_encoder(asked(), 1))
    translation.feed(sse(event([], candidate={"finishReason": "MALFORMED_FUNCTION_CALL"})))
    translation.finish()
    assert translation.failure is not None and translation.failure.kind is Kind.BAD_RESPONSE


def test_a_refused_prompt_is_an_answer_that_was_filtered() -> None:
    refused = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    response = GEMINI.decode_response(json.dumps(refused).encode())
    assert response.choices == (Choice(parts=(), finish=Finish.CONTENT_FILTER),)
    assert GEMINI.decode_answer(json.dumps(refused).encode()) == Usage(input=3)
    assert plain(GEMINI.encode_response(response, asked()).body)["promptFeedback"] == refused["promptFeedback"]
    events = events_of(sse(refused))
    assert events[-1] == Ended(Finish.CONTENT_FILTER)


def test_bug_27_errors_and_emptiness_inside_a_200() -> None:
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    for body in (error, [error]):
        with pytest.raises(Failed) as failed:
            GEMINI.decode_response(json.dumps(body).encode())
        assert failed.value.failure.kind is Kind.OVERLOADED
        last = events_of(sse(body))[-1]
        assert isinstance(last, Broke) and last.failure.kind is Kind.OVERLOADED
    for data in (b"{}", b'{"candidates":[]}'):
        with pytest.raises(Failed):
            GEMINI.decode_answer(data)
        with pytest.raises(Failed):
            GEMINI.decode_response(data)


def test_bug_18_usage_both_ways() -> None:
    assert plain(GEMINI.encode_response(answer([{"text": "x"}]), asked()).body)["usageMetadata"] == {
        "promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 20, "cachedContentTokenCount": 4,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}, {"modality": "AUDIO", "tokenCount": 6}],
        "thoughtsTokenCount": 3, "serviceTier": "flex",
    }  # fmt: skip


def test_bug_16_an_answer_without_usage_still_counts() -> None:
    assert body_of(Text("x"))["usageMetadata"]["totalTokenCount"] == 0
    chunks = written([Began("i", "m"), Opened(0, "text"), Piece(0, "x"), Closed(0), Ended(Finish.STOP)])
    assert chunks[-1]["usageMetadata"]["promptTokenCount"] == 0


def test_grounding_counts_bytes_and_the_ir_characters() -> None:
    text = "Grüße aus Köln."
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 8, "endIndex": 18, "text": "aus Köln."}, "groundingChunkIndices": [0]}
        ],
    }
    part = answer([{"text": text}], groundingMetadata=grounding).choices[0].parts[0]
    assert isinstance(part, Text)
    first, second = part.citations
    assert (first.url, first.title, text[first.start : first.end]) == ("https://a.example", "A", "aus Köln.")
    assert (second.url, second.start, second.end) == ("https://b.example", None, None)
    cited = body_of(Text("Grüße. "), Text(text, (Citation(url="https://a.example", title="A", start=6, end=15),)))
    found = cited["candidates"][0]["groundingMetadata"]
    segment = found["groundingSupports"][0]["segment"]
    whole = f"Grüße. {text}".encode()
    assert whole[segment["startIndex"] : segment["endIndex"]].decode() == segment["text"] == "aus Köln."
    events = events_of(sse(event([{"text": "Grüße aus "}]), event([{"text": "Köln."}], candidate={
        "finishReason": "STOP", "groundingMetadata": grounding})))  # fmt: skip
    assert [each.citation.url for each in events if isinstance(each, Cited)] == [
        "https://a.example",
        "https://b.example",
    ]
    assert written(events)[-1]["candidates"][0]["groundingMetadata"]["groundingSupports"] == [
        {"segment": {"startIndex": 8, "endIndex": 18, "text": "aus Köln."}, "groundingChunkIndices": [0]}
    ]
    same = plain(GEMINI.encode_response(answer([{"text": text}], groundingMetadata=grounding), asked()).body)
    assert same["candidates"][0]["groundingMetadata"] == grounding


def test_citation_metadata() -> None:
    sources = {"citationSources": [{"startIndex": 0, "endIndex": 2, "uri": "https://a.example", "license": "mit"}]}
    part = answer([{"text": "abc"}], citationMetadata=sources).choices[0].parts[0]
    assert isinstance(part, Text)
    assert [(c.url, c.start, c.end) for c in part.citations] == [("https://a.example", 0, 2)]


def test_log_probabilities() -> None:
    result = {
        "topCandidates": [
            {"candidates": [{"token": "a", "logProbability": -0.1}, {"token": "b", "logProbability": -2}]}
        ],
        "chosenCandidates": [{"token": "a", "tokenId": 5, "logProbability": -0.1}],
    }
    choice = answer([{"text": "a"}], logprobsResult=result).choices[0]
    row = choice.logprobs["content"][0]
    assert (row["token"], row["logprob"], row["bytes"]) == ("a", -0.1, [97])
    assert [each["token"] for each in row["top_logprobs"]] == ["a", "b"]
    out = body_of(Text("a"), logprobs=choice.logprobs)["candidates"][0]["logprobsResult"]
    assert out["chosenCandidates"] == [{"token": "a", "logProbability": -0.1}]
    assert out["topCandidates"] == result["topCandidates"]
    events = events_of(sse(event([{"text": "a"}], candidate={"logprobsResult": result, "finishReason": "STOP"})))
    assert Piece(0, "a", choice.logprobs["content"]) in events
    assert written(events)[0]["candidates"][0]["logprobsResult"] == out


def test_media_code_and_refusals() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "cw=="}
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    response = answer([code, image])
    opaque, media = response.choices[0].parts
    assert isinstance(opaque, Opaque) and opaque.raw == code
    assert media == Media(kind="image", mime="image/png", data="iVBORw0KGgo=")
    assert plain(GEMINI.encode_response(response, asked()).body)["candidates"][0]["content"]["parts"] == [code, image]
    events = events_of(sse(event([code, image], candidate={"finishReason": "STOP"})))
    assert [each.part for each in events if isinstance(each, Whole)] == [opaque, media]
    assert parts_in(written(events)) == [code, image]
    assert body_of(Declined("no"))["candidates"][0]["content"]["parts"] == [{"text": "no"}]
    foreign = GEMINI.encode_response(
        Response(origin="test", id="", model="m", choices=(Choice(parts=(Opaque("search", {}),), finish=Finish.STOP),)),
        asked(),
    )
    assert [each.field for each in foreign.dropped] == ["search"]


# Streams.


def test_a_stream() -> None:
    chunks = [
        event([{"text": "hm", "thought": True}], usageMetadata={"promptTokenCount": 3}),
        event([{"text": "Hé "}], usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 1}),
        event([{"text": "\U0001f600"}]),
        event([{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "args": {"a": 0}}}]),
        event([{"text": ""}], candidate={"finishReason": "STOP"}, usageMetadata=USAGE),
    ]
    events = events_of(sse(*chunks))
    assert events == events_of(sse(*chunks, end=b"\n\n")) == events_of(array(*chunks)), "in either framing"
    first, second = (each for each in events if isinstance(each, Opened) and each.kind == "tool_call")
    assert first.id != second.id, "two calls of one function in one answer are two calls"
    assert events == [
        Began("r1", "gemini-2.5-flash"),
        Opened(0, "reasoning"), Piece(0, "hm"), Counted(Usage(input=3)), Closed(0),
        Opened(1, "text"), Piece(1, "Hé "), Counted(Usage(input=3, output=1)), Piece(1, "\U0001f600"), Closed(1),
        Opened(2, "tool_call", first.id, "f"), Piece(2, "{}"), Closed(2),
        Opened(3, "tool_call", second.id, "f"), Piece(3, '{"a":0}'), Closed(3),
        Counted(COUNTED), Ended(Finish.TOOL_CALLS),
    ]  # fmt: skip
    whole = GEMINI.decode_response(json.dumps({**chunks[3], "candidates": chunks[3]["candidates"]}).encode())
    assert [part.id for part in whole.choices[0].parts if isinstance(part, ToolCall)] == [first.id, second.id]


def test_bug_1_parallel_calls_have_indices_of_their_own() -> None:
    calls = [{"functionCall": {"name": "f", "args": {"n": n}}} for n in range(3)]
    translation = Translation(GEMINI.stream_decoder(), CHAT.stream_encoder(asked(), 1))
    out = translation.feed(sse(event(calls), event(candidate={"finishReason": "STOP"}))) + translation.finish()
    rows = [json.loads(line[6:]) for line in out.decode().split("\n\n") if line.startswith("data: {")]
    opened = [
        call
        for row in rows
        for choice in row["choices"]
        for call in choice["delta"].get("tool_calls", ())
        if "id" in call
    ]
    assert [call["index"] for call in opened] == [0, 1, 2] and len({call["id"] for call in opened}) == 3


def test_bug_12_calls_end_as_calls_though_the_finish_stands_in_an_empty_event() -> None:
    events = events_of(
        sse(event([{"functionCall": {"name": "f"}}]), event([{"text": ""}]), event(candidate={"finishReason": "STOP"}))
    )
    assert events[-1] == Ended(Finish.TOOL_CALLS)


def test_bug_13_a_finish_reason_on_every_event() -> None:
    finished = {"finishReason": "STOP"}
    events = events_of(sse(event([{"text": "a"}], candidate=finished), event([{"text": "b"}], candidate=finished)))
    assert [each.text for each in events if isinstance(each, Piece)] == ["a", "b"]
    assert [each for each in events if isinstance(each, Ended)] == [Ended(Finish.STOP)]


def test_a_stream_without_a_finish_reason_was_interrupted() -> None:
    for framed in (sse(event([{"text": "a"}])), array(event([{"text": "a"}]))[:-1]):
        translation = Translation(GEMINI.stream_decoder(), CHAT.stream_encoder(asked(), 1))
        translation.feed(framed)
        translation.finish()
        assert translation.failure is not None and translation.failure.kind is Kind.INTERRUPTED


def test_candidates_are_choices() -> None:
    both = {
        "candidates": [{"index": n, "content": {"parts": [{"text": str(n)}]}, "finishReason": "STOP"} for n in (0, 1)]
    }
    events = events_of(sse(both))
    assert [each for each in events if isinstance(each, Ended)] == [Ended(Finish.STOP, 0), Ended(Finish.STOP, 1)]
    last = [chunk["candidates"][0]["index"] for chunk in written(events) if "finishReason" in chunk["candidates"][0]]
    assert last == [0, 1]


def test_what_clients_get() -> None:
    events: list[Event] = [
        Began("i", "m", usage=Usage(input=3)),
        Opened(0, "reasoning"), Piece(0, "hm"), Closed(0),
        Opened(1, "text"), Piece(1, "a\n"), Piece(1, "é"), Closed(1),
        Opened(2, "tool_call", "c1", "f"), Piece(2, '{"a"'), Piece(2, ":[1]}"), Closed(2),
        Opened(3, "tool_call", "c2", "g"), Piece(3, "{}"), Closed(3),
        Ended(Finish.TOOL_CALLS), Counted(Usage(input=3, output=4, reasoning=1)),
    ]  # fmt: skip
    chunks = written(events)
    assert all(chunk["responseId"] == "i" and chunk["modelVersion"] == "m" for chunk in chunks)
    assert parts_in(chunks) == [
        {"text": "hm", "thought": True},
        {"text": "a\n"},
        {"text": "é"},
        {"functionCall": {"id": "c1", "name": "f", "args": {"a": [1]}}},
        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
    ]
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None] * 5 + ["STOP"]
    assert chunks[-1]["usageMetadata"]["thoughtsTokenCount"] == 1
    assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == 3


def test_arguments_that_are_no_object_are_kept_and_reported() -> None:
    encoder = GEMINI.stream_encoder(asked(), 1)
    events: list[Event] = [Began("i", "m"), Opened(0, "tool_call", "c", "f"), Piece(0, '{"a'), Closed(0)]
    data = b"".join(encoder.push(each) for each in events)
    assert json.loads(data[6:])["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"input": '{"a'}
    assert [each.field for each in encoder.dropped] == ["tool_calls.arguments"]


def test_the_array_for_clients_without_alt_sse() -> None:
    data = b": keep-alive\n\n" + sse({"a": "x\ny"}, {"b": [1]}, end=b"\n\n")
    for parts in cuts(data):
        frames = array_frames()
        out = b"".join(frames.feed(part) for part in parts) + frames.close()
        assert json.loads(out) == [{"a": "x\ny"}, {"b": [1]}]
    assert array_frames().close() == b"[]"


# Streams that pass.

HELLO = event([{"text": 'Hé "finishReason" "error" \n\n'}], usageMetadata={"promptTokenCount": 2})
MORE = event([{"text": "more"}], usageMetadata={"promptTokenCount": 2, "candidatesTokenCount": 1})
STOP = event(
    [{"text": ""}], candidate={"finishReason": "STOP"}, usageMetadata={"promptTokenCount": 2, "candidatesTokenCount": 9}
)
ERROR = {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}
EMPTY = event([{"text": ""}], usageMetadata={"promptTokenCount": 2})


@pytest.mark.parametrize(
    ("chunks", "passes", "failure", "tokens"),
    [
        ((HELLO, MORE, STOP), 3, None, 9),
        ((EMPTY, HELLO, STOP), 3, None, 9),
        ((HELLO, MORE), 2, Kind.INTERRUPTED, 1),
        ((EMPTY,), 0, Kind.BAD_RESPONSE, 0),
        ((ERROR,), 0, Kind.RATE_LIMIT, None),
        ((HELLO, ERROR), 1, Kind.INTERRUPTED, 0),
        ((event([], candidate={"finishReason": "MALFORMED_FUNCTION_CALL"}),), 0, Kind.BAD_RESPONSE, None),
        (({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1}},), 1, None, 0),
        ((event([{"functionCall": {"name": "f", "args": {"error": 1}}}]), STOP), 2, None, 9),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n"])
def test_streams_that_pass(chunks: Any, passes: int, failure: Kind | None, tokens: int | None, end: bytes) -> None:
    for parts in cuts(sse(*chunks, end=end)):
        sniffer = GEMINI.stream_sniffer(False)
        out = b""
        for part in parts:
            if sniffer.failure is None:
                out += sniffer.feed(part)
        out += sniffer.finish()
        assert out == sse(*chunks[:passes], end=end)
        assert (sniffer.failure.kind if sniffer.failure else None) == failure
        assert (sniffer.usage.output if sniffer.usage else None) == tokens


# Whatever arrives.


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "candidates", "content", "finishReason", "usageMetadata"]), JSON | LIKELY, max_size=5
    )
    | JSON
)
def test_arbitrary_answers(value: Any) -> None:
    data = json.dumps(value).encode()
    for read in (GEMINI.decode_response, GEMINI.decode_answer):
        with contextlib.suppress(Malformed, Failed):
            read(data)


PART = st.dictionaries(st.sampled_from([*KEYS, "toolCall"]), JSON | LIKELY, max_size=3)
CANDIDATE = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({"parts": st.lists(PART, max_size=3)}) | JSON},
    optional={"finishReason": JSON, "groundingMetadata": JSON | LIKELY, "logprobsResult": JSON | LIKELY, "index": JSON},
)


@given(
    st.lists(
        st.fixed_dictionaries({"candidates": st.lists(CANDIDATE, max_size=2)}, optional={"usageMetadata": JSON}),
        max_size=3,
    )
)
def test_arbitrary_candidates_and_streams(chunks: list[Any]) -> None:
    for chunk in chunks:
        with contextlib.suppress(Malformed, Failed):
            GEMINI.encode_response(GEMINI.decode_response(json.dumps(chunk).encode()), asked())
    decoder, encoder = GEMINI.stream_decoder(), GEMINI.stream_encoder(asked(), 1)
    events = decoder.feed(sse(*chunks)) + decoder.close()
    for each in events:
        if isinstance(each, Broke):
            break
        encoder.push(each)
    encoder.close()


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\ndat \r', max_size=60).map(str.encode))
def test_arbitrary_bytes(data: bytes) -> None:
    decoder = GEMINI.stream_decoder()
    broke = any(isinstance(each, Broke) for each in decoder.feed(data))
    if not broke:
        decoder.close()
    sniffer = GEMINI.stream_sniffer(False)
    sniffer.feed(data)
    sniffer.finish()
