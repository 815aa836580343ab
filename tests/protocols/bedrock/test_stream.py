"""Streams of Converse: whole, byte by byte and split at odd places."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failure import Kind
from gateway.ir.chat import (
    Began,
    Broke,
    Cited,
    Closed,
    Counted,
    Ended,
    Event,
    Finish,
    Media,
    Opaque,
    Opened,
    Piece,
    Request,
    Seal,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.translate import Translation
from tests.protocols.bedrock.frames import METADATA, START, call, delta, end, event, exception, message, splits, stop

BEDROCK = PROTOCOLS["bedrock-converse"]
CHAT = PROTOCOLS["openai-chat"]
COUNTED = Counted(Usage(input=7, output=5))
BEGAN = Began("", "")


def read(parts: list[bytes]) -> tuple[list[Event], bool]:
    decoder = BEDROCK.stream_decoder()
    events: list[Event] = []
    for part in parts:
        events += decoder.feed(part)
        if events and isinstance(events[-1], Broke):
            return events, decoder.ended
    return events + decoder.close(), decoder.ended


def thought(index: int, **value: Any) -> bytes:
    return delta(index, reasoningContent=value)


HELLO = delta(0, text="Hel") + delta(0, text="lo é\U0001f600") + stop(0)
REDACTED = base64.b64encode(b"EqAbc").decode()
WEB = {"location": {"web": {"url": "https://x/", "domain": "x"}}}
HOSTED = {"toolUseId": "g", "name": "nova_grounding", "type": "server_tool_use"}

CASES: dict[str, tuple[bytes, list[Event]]] = {
    "text": (
        START + HELLO + end("end_turn") + METADATA,
        [
            BEGAN, Opened(0, "text"), Piece(0, "Hel"), Piece(0, "lo é\U0001f600"), Closed(0),
            Ended(Finish.STOP), COUNTED,
        ],
    ),
    "usage before the end, no start, an empty start of a block": (
        event("contentBlockStart", {"contentBlockIndex": 0, "start": {}}) + delta(0, text="x") + METADATA + end("max_tokens"),
        [BEGAN, Opened(0, "text"), Piece(0, "x"), COUNTED, Closed(0), Ended(Finish.LENGTH)],
    ),
    "thought, its signature in pieces, text": (
        START + thought(0, text="h") + thought(0, text="m") + thought(0, signature="EqS") + thought(0, signature="ig")
        + stop(0) + delta(1, text="x") + stop(1) + end("end_turn") + METADATA,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Piece(0, "m"), Sealed(0, Seal("claude", "EqSig")), Closed(0),
            Opened(1, "text"), Piece(1, "x"), Closed(1), Ended(Finish.STOP), COUNTED,
        ],
    ),
    "bug 5: a signature without thought, and redacted thought": (
        START + thought(0, signature="EqSig") + stop(0) + thought(1, redactedContent=REDACTED) + stop(1)
        + end("end_turn") + METADATA,
        [
            BEGAN, Opened(0, "reasoning"), Sealed(0, Seal("claude", "EqSig")), Closed(0),
            Opened(1, "reasoning"), Sealed(1, redacted=Seal("claude", "EqAbc")), Closed(1), Ended(Finish.STOP), COUNTED,
        ],
    ),
    "bugs 1 and 2: parallel calls, one without arguments": (
        START + delta(0, text="so") + stop(0) + call(1, "a", "weather", '{"city":', '"Paris"}') + call(2, "b", "time", "")
        + end("tool_use") + METADATA,
        [
            BEGAN, Opened(0, "text"), Piece(0, "so"), Closed(0),
            Opened(1, "tool_call", "a", "weather"), Piece(1, '{"city":'), Piece(1, '"Paris"}'), Closed(1),
            Opened(2, "tool_call", "b", "time"), Piece(2, "{}"), Closed(2), Ended(Finish.TOOL_CALLS), COUNTED,
        ],
    ),
    "a block that its index takes over without an end": (
        START + thought(0, text="h") + delta(0, text="x") + end("end_turn") + METADATA,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Closed(0), Opened(1, "text"), Piece(1, "x"), Closed(1),
            Ended(Finish.STOP), COUNTED,
        ],
    ),
    "citations, with text and in a block of their own": (
        START + delta(0, citation=WEB) + delta(0, text="x") + stop(0) + delta(1, citation=WEB) + stop(1)
        + end("end_turn") + METADATA,
        [],
    ),
    "a hosted tool comes whole": (
        START + event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": HOSTED}})
        + delta(0, toolUse={"input": '{"query":'}) + delta(0, toolUse={"input": '"q"}'}) + stop(0)
        + event("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "g"}}})
        + delta(1, toolResult=[{"text": "r"}]) + stop(1) + delta(2, text="x") + stop(2) + end("end_turn") + METADATA,
        [
            BEGAN,
            Whole(0, Opaque("server_tool_use", {"toolUse": {**HOSTED, "input": {"query": "q"}}})),
            Whole(1, Opaque("tool_result", {"toolResult": {"toolUseId": "g", "content": [{"text": "r"}]}})),
            Opened(2, "text"), Piece(2, "x"), Closed(2), Ended(Finish.STOP), COUNTED,
        ],
    ),
    "an image": (
        START + event("contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}})
        + delta(0, image={"source": {"bytes": "AAAA"}}) + stop(0) + end("end_turn") + METADATA,
        [BEGAN, Whole(0, Media(kind="image", mime="image/png", data="AAAA")), Ended(Finish.STOP), COUNTED],
    ),
    "a stop sequence": (
        START + delta(0, text="x") + end("stop_sequence", additionalModelResponseFields={"delta": {"stop_sequence": "E"}})
        + METADATA,
        [
            BEGAN, Opened(0, "text"), Piece(0, "x"), Closed(0), Ended(Finish.STOP_SEQUENCE, stopped_by="E"), COUNTED,
        ],
    ),
    "events that nobody knows, and what follows the end": (
        START + event("somethingNew", {"a": 1}) + HELLO + end("end_turn") + delta(3, text="late") + end("end_turn") + METADATA,
        [
            BEGAN, Opened(0, "text"), Piece(0, "Hel"), Piece(0, "lo é\U0001f600"), Closed(0),
            Ended(Finish.STOP), COUNTED,
        ],
    ),
    "bug 14: an unreadable answer": (START + end("malformed_model_output"), []),
    "bug 27: an exception after content": (
        START + delta(0, text="x") + exception("throttlingException", {"message": "slow"}), [],
    ),
    "a wrong checksum after good messages": (START + HELLO + METADATA[:-1] + b"\x00", []),
    "arguments of no call": (START + delta(0, toolUse={"input": "{}"}), []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_streams_however_they_are_split(name: str) -> None:
    data, wanted = CASES[name]
    whole, ended = read([data])
    if wanted:
        assert whole == wanted and ended
    for parts in splits(data):
        assert read(parts) == (whole, ended)


def test_citations() -> None:
    events, _ = read([CASES["citations, with text and in a block of their own"][0]])
    assert [(each.block, each.citation.url) for each in events if isinstance(each, Cited)] == [
        (0, "https://x/"),
        (1, "https://x/"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("throttlingException", {"message": "Too many"}, Kind.RATE_LIMIT),
        ("modelStreamErrorException", {"message": "m", "originalStatusCode": 500}, Kind.SERVER_ERROR),
        ("modelStreamErrorException", {"message": "m", "originalStatusCode": 429}, Kind.OVERLOADED),
        ("internalServerException", {"message": "m"}, Kind.SERVER_ERROR),
        ("validationException", {"message": "Input is too long for requested model."}, Kind.CONTEXT_WINDOW),
        ("validationException", {"message": "m"}, Kind.INVALID_REQUEST),
        ("serviceUnavailableException", {"message": "m"}, Kind.OVERLOADED),
        ("modelTimeoutException", {"message": "m"}, Kind.TIMEOUT),
        ("somethingNew", {"message": "m"}, Kind.BAD_RESPONSE),
    ],
)
def test_bug_27_exceptions_before_content_keep_their_kind(name: str, value: Any, kind: Kind) -> None:
    events, _ = read([START + exception(name, value)])
    assert isinstance(events[-1], Broke)
    failure = events[-1].failure
    assert (failure.kind, failure.message, failure.status) == (kind, value["message"], None)
    translation = Translation(BEDROCK.stream_decoder(), CHAT.stream_encoder(REQUEST, 1))
    assert translation.feed(START + exception(name, value)) == b""
    assert translation.failure is not None and translation.failure.kind is kind


def test_an_error_message_of_the_framing() -> None:
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "went wrong"}
    events, _ = read([message(headers, b"")])
    assert isinstance(events[-1], Broke)
    assert (events[-1].failure.kind, events[-1].failure.message) == (Kind.SERVER_ERROR, "went wrong")


REQUEST = Request(origin="openai-chat", model="asked", messages=(), stream_usage=True)


def chunks(data: bytes) -> tuple[list[Any], Translation]:
    translation = Translation(BEDROCK.stream_decoder(), CHAT.stream_encoder(REQUEST, 1), model=REQUEST.model)
    out = translation.feed(data) + translation.finish()
    frames = [frame[6:] for frame in out.decode().split("\n\n") if frame]
    return [json.loads(frame) for frame in frames if frame != "[DONE]"], translation


def test_bug_1_parallel_calls_have_indexes_of_their_own() -> None:
    found, _ = chunks(START + call(0, "a", "x", "{}") + call(1, "b", "x", "{}") + end("tool_use") + METADATA)
    calls = [c for chunk in found for choice in chunk["choices"] for c in choice["delta"].get("tool_calls", ())]
    assert {(c["index"], c.get("id")) for c in calls if c.get("id")} == {(0, "a"), (1, "b")}


def test_bugs_13_15_and_17_one_finish_and_one_usage() -> None:
    found, _ = chunks(START + HELLO + end("max_tokens") + METADATA)
    reasons = [choice["finish_reason"] for chunk in found for choice in chunk["choices"] if choice["finish_reason"]]
    assert reasons == ["length"]
    usages = [chunk for chunk in found if chunk["usage"]]
    assert [(each["choices"], each["usage"]["prompt_tokens"]) for each in usages] == [([], 7)]
    assert {chunk["model"] for chunk in found} == {"asked"}, "Converse does not name the model"


def test_bug_16_an_answer_without_usage_is_complete() -> None:
    found, translation = chunks(START + HELLO + end("end_turn"))
    assert translation.failure is None and found[-1]["usage"]["prompt_tokens"] == 0


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.BAD_RESPONSE),
        (START, Kind.BAD_RESPONSE),
        (START + HELLO, Kind.INTERRUPTED),
        (START + HELLO + end("end_turn")[:-3], Kind.INTERRUPTED),
        (b'{"message":"no stream at all"}', Kind.BAD_RESPONSE),
        (START + end("malformed_tool_use") + METADATA, Kind.BAD_RESPONSE),
    ],
)
def test_streams_that_end_too_early(data: bytes, kind: Kind) -> None:
    _, translation = chunks(data)
    assert translation.failure is not None and translation.failure.kind is kind


NAMES = st.sampled_from(
    "contentBlockIndex delta start text toolUse toolUseId name input type toolResult reasoningContent signature "
    "redactedContent citation location web url sourceContent image source bytes stopReason usage inputTokens "
    "additionalModelResponseFields stop_sequence message originalStatusCode".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)
KINDS = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"]
)


@given(st.lists(st.one_of(st.builds(event, KINDS, JSON), st.builds(exception, KINDS, JSON)), max_size=6))
def test_arbitrary_events_end_in_events(frames: list[bytes]) -> None:
    events, _ = read(frames)
    assert read([b"".join(frames)])[0] == events
    opened = [each.block for each in events if isinstance(each, Opened)]
    assert len(opened) == len(set(opened))
    assert all(each.block in opened for each in events if isinstance(each, Piece | Closed | Cited | Sealed))


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_arbitrary_bytes_end_in_events(parts: list[bytes]) -> None:
    decoder = BEDROCK.stream_decoder()
    for part in parts:
        if any(isinstance(each, Broke) for each in decoder.feed(part)):
            break
    else:
        decoder.close()


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_stream_breaks_and_nothing_else(at: int, byte: int) -> None:
    data = bytearray(START + HELLO + end("end_turn") + METADATA)
    data[at % len(data)] = byte
    pieces = [bytes(data[i : i + 7]) for i in range(0, len(data), 7)]
    assert read([bytes(data)])[0] == read(pieces)[0]
