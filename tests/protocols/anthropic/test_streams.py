"""Streams of the messages wire: decoded, encoded, watched. Source: /docs/en/build-with-claude/streaming."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.failure import Failure, Kind
from gateway.ir.chat import (
    Began,
    Broke,
    Citation,
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
    Seal,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.anthropic.sniff import Sniffer
from gateway.protocols.translate import Translation
from tests.protocols.anthropic.kit import ANTHROPIC, asked, cuts, event, events_of, frames_of, written

SPLIT = 'Hé \U0001f600 "message_stop" event: error "error"\n\n'
START_USAGE = {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "usage": START_USAGE,
}
BEGIN = event("message_start", message=MESSAGE)
BEGAN = Began("msg_1", "claude", 0, Usage(input=14, output=1, cached=4))
PING = event("ping")
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def start(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta=fields)


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def end(reason: str | None = "end_turn", sequence: str | None = None, **usage: Any) -> bytes:
    counts = usage or {"output_tokens": 9}
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": sequence}, usage=counts)


def text(index: int, piece: str) -> bytes:
    return delta(index, type="text_delta", text=piece)


HELLO = start(0, type="text", text="") + text(0, SPLIT) + text(0, "lo") + stop(0)
TOOL = start(1, type="tool_use", id="toolu_1", name="f", input={})
COUNT = Counted(Usage(input=14, output=9, cached=4))
CITED = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "q", "encrypted_index": "e"}
HOSTED = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}


def json_delta(index: int, piece: str) -> bytes:
    return delta(index, type="input_json_delta", partial_json=piece)


READ: dict[str, tuple[bytes, list[Event]]] = {
    "text": (
        BEGIN + HELLO + PING + end() + STOP,
        [BEGAN, Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), Closed(0), COUNT, Ended(Finish.STOP)],
    ),
    "a stop sequence": (
        BEGIN + HELLO + end("stop_sequence", "END") + STOP,
        [BEGAN, Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), Closed(0), COUNT, Ended(Finish.STOP_SEQUENCE, 0, "END")],
    ),
    "thought, signed, and calls": (
        BEGIN
        + start(0, type="thinking", thinking="", signature="")
        + delta(0, type="thinking_delta", thinking="hm")
        + delta(0, type="signature_delta", signature="EqQB")
        + stop(0)
        + TOOL + json_delta(1, "") + json_delta(1, '{"a":') + json_delta(1, "1}") + stop(1)
        + start(2, type="tool_use", id="toolu_2", name="g", input={}) + json_delta(2, "") + stop(2)
        + end("tool_use") + STOP,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "hm"), Sealed(0, Seal("claude", "EqQB")), Closed(0),
            Opened(1, "tool_call", "toolu_1", "f"), Piece(1, '{"a":'), Piece(1, "1}"), Closed(1),
            Opened(2, "tool_call", "toolu_2", "g"), Piece(2, "{}"), Closed(2), COUNT, Ended(Finish.TOOL_CALLS),
        ],
    ),
    "a call whose arguments come with its start": (
        BEGIN + start(0, type="tool_use", id="t", name="f", input={"a": 1}) + stop(0) + end("tool_use") + STOP,
        [BEGAN, Opened(0, "tool_call", "t", "f"), Piece(0, '{"a":1}'), Closed(0), COUNT, Ended(Finish.TOOL_CALLS)],
    ),
    "redacted thought": (
        BEGIN + start(0, type="redacted_thinking", data="Em") + stop(0) + end() + STOP,
        [BEGAN, Opened(0, "reasoning"), Sealed(0, None, Seal("claude", "Em")), Closed(0), COUNT, Ended(Finish.STOP)],
    ),
    "5 a signature without text": (
        BEGIN + start(0, type="thinking", thinking="", signature="") + delta(0, type="signature_delta", signature="s")
        + stop(0) + end() + STOP,
        [BEGAN, Opened(0, "reasoning"), Sealed(0, Seal("claude", "s")), Closed(0), COUNT, Ended(Finish.STOP)],
    ),
    "citations": (
        BEGIN + start(0, type="text", text="", citations=[]) + text(0, "x")
        + delta(0, type="citations_delta", citation=CITED) + stop(0) + end() + STOP,
        [
            BEGAN, Opened(0, "text"), Piece(0, "x"), Cited(0, Citation(url="u", title="t", quote="q", start=0, end=1, raw=CITED)),
            Closed(0), COUNT, Ended(Finish.STOP),
        ],
    ),
    "a block that only this wire knows": (
        BEGIN + start(0, **HOSTED) + json_delta(0, '{"query":"x"}') + stop(0) + end() + STOP,
        [BEGAN, Whole(0, Opaque("server_tool_use", HOSTED)), COUNT, Ended(Finish.STOP)],
    ),
    "17 usage is a snapshot, a count that is left out stays": (
        BEGIN + end(None, output_tokens=3) + end(output_tokens=9, cache_read_input_tokens=None) + STOP,
        [BEGAN, Counted(Usage(input=14, output=3, cached=4)), COUNT, Ended(Finish.STOP)],
    ),
    "a block that comes after the stop reason": (
        BEGIN + end("end_turn") + HELLO + end("max_tokens") + STOP,
        [
            BEGAN, COUNT, Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), Closed(0), COUNT, Ended(Finish.LENGTH),
        ],
    ),
    "no message_stop": (
        BEGIN + HELLO + end(),
        [BEGAN, Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), Closed(0), COUNT, Ended(Finish.STOP)],
    ),
    "blocks that are not closed": (
        BEGIN + start(0, type="text", text="") + text(0, "x") + TOOL + end("tool_use") + STOP,
        [
            BEGAN, Opened(0, "text"), Piece(0, "x"), Opened(1, "tool_call", "toolu_1", "f"), COUNT, Closed(0),
            Piece(1, "{}"), Closed(1), Ended(Finish.TOOL_CALLS),
        ],
    ),
    "deltas of blocks that were not begun": (
        BEGIN + delta(0, type="thinking_delta", thinking="h") + text(1, "x") + json_delta(2, "{}") + end() + STOP,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Opened(1, "text"), Piece(1, "x"), COUNT, Closed(0), Closed(1),
            Ended(Finish.STOP),
        ],
    ),
    "a new kind of event": (
        BEGIN + event("news", x=1) + HELLO + end() + STOP,
        [BEGAN, Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), Closed(0), COUNT, Ended(Finish.STOP)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_decoding(name: str) -> None:
    data, events = READ[name]
    assert events_of(data) == events
    if name == "text":
        assert events_of(data.replace(b"\n", b"\r\n")) == events


def test_errors_in_the_stream() -> None:
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    *_, last = events_of(BEGIN + start(0, type="text", text="") + error)
    assert last == Broke(Failure(kind=Kind.OVERLOADED, message="Overloaded", type="overloaded_error"))
    garbage = events_of(BEGIN + b"event: x\ndata: {oops\n\n")
    assert isinstance(garbage[-1], Broke) and garbage[-1].failure.kind is Kind.BAD_RESPONSE


def test_a_cut_stream_has_not_ended() -> None:
    for data in (BEGIN + HELLO, BEGIN + HELLO + end(None), b""):
        decoder = ANTHROPIC.stream_decoder()
        decoder.feed(data)
        decoder.close()
        assert not decoder.ended


# Encoding: exact bytes, for clients of this wire compare them.


def test_the_bytes_of_a_text() -> None:
    data, lost = written(
        [
            Began("r", "m"),
            Opened(0, "text"),
            Piece(0, "Hé"),
            Closed(0),
            Ended(Finish.STOP),
            Counted(Usage(input=3, output=2)),
        ]
    )
    assert data.decode() == (
        'event: message_start\ndata: {"type":"message_start","message":{"id":"r","type":"message","role":"assistant",'
        '"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,'
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
        '"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    assert lost == []


def shown(events: list[Event]) -> list[Any]:
    """The blocks and deltas of a stream, in short."""
    out: list[Any] = []
    for frame in frames_of(written([Began("r", "m"), *events, Ended(Finish.STOP)])[0]):
        match frame["type"]:
            case "content_block_start":
                block = frame["content_block"]
                out.append((frame["index"], "start", *[value for value in block.values() if value not in ("", {})]))
            case "content_block_delta":
                kind, value = frame["delta"].values()
                out.append((frame["index"], kind, value))
            case "content_block_stop":
                out.append((frame["index"], "stop"))
    return out


def test_bug_1_interleaved_calls_follow_one_another() -> None:
    assert shown(
        [
            Opened(0, "text"), Piece(0, "x"), Closed(0), Opened(1, "tool_call", "a", "f"), Opened(2, "tool_call", "b", "g"),
            Piece(2, '{"b"'), Piece(1, '{"a"'), Piece(2, ":2}"), Piece(1, ":1}"), Closed(1), Closed(2),
        ]
    ) == [
        (0, "start", "text"), (0, "text_delta", "x"), (0, "stop"),
        (1, "start", "tool_use", "a", "f"), (1, "input_json_delta", '{"a"'), (1, "input_json_delta", ":1}"), (1, "stop"),
        (2, "start", "tool_use", "b", "g"), (2, "input_json_delta", '{"b"'), (2, "input_json_delta", ":2}"), (2, "stop"),
    ]  # fmt: skip


def test_thoughts_of_all_kinds() -> None:
    assert shown(
        [
            Opened(0, "reasoning"), Piece(0, "hm"), Sealed(0, Seal("claude", "Eq")), Closed(0),
            Opened(1, "reasoning"), Sealed(1, None, Seal("claude", "Em")), Closed(1),
            Opened(2, "reasoning"), Sealed(2, Seal("openai", "gA", "rs_1")), Closed(2),
            Opened(3, "reasoning"), Piece(3, "read"), Sealed(3, None, Seal("claude", "En")), Closed(3),
            Opened(4, "tool_call", "a", "f", signature=Seal("gemini", "Cs")), Piece(4, "{}"), Closed(4),
        ]
    ) == [
        (0, "start", "thinking"), (0, "thinking_delta", "hm"), (0, "signature_delta", "Eq"), (0, "stop"),
        (1, "start", "redacted_thinking", "Em"), (1, "stop"),
        (2, "start", "thinking"), (2, "signature_delta", "gw1~openai~rs_1~gA"), (2, "stop"),
        (3, "start", "thinking"), (3, "thinking_delta", "read"), (3, "stop"),
        (4, "start", "redacted_thinking", "En"), (4, "stop"),
        (5, "start", "thinking", "gw1~gemini~call:a~Cs"), (5, "stop"),
        (6, "start", "tool_use", "a", "f"), (6, "input_json_delta", "{}"), (6, "stop"),
    ]  # fmt: skip


def test_citations_and_what_cannot_be_shown() -> None:
    request = [
        Began("r", "m"), Opened(0, "text"), Piece(0, "x"), Cited(0, Citation(url="u", quote="q")), Cited(0, Citation(title="t")),
        Sealed(0, Seal("gemini", "s")), Closed(0), Whole(1, Opaque("web_search_call", {})), Whole(2, Media(kind="image", data="AA")),
        Opened(3, "refusal"), Piece(3, "no"), Closed(3), Ended(Finish.REFUSAL),
    ]  # fmt: skip
    data, lost = written(request)
    frames = frames_of(data)
    (cited,) = [
        frame["delta"]["citation"] for frame in frames if frame.get("delta", {}).get("type") == "citations_delta"
    ]
    assert cited == {
        "type": "web_search_result_location",
        "url": "u",
        "title": "u",
        "cited_text": "q",
        "encrypted_index": "",
    }
    assert [frame["content_block"]["type"] for frame in frames if "content_block" in frame] == ["text", "text"]
    assert frames[-2]["delta"] == {"stop_reason": "refusal", "stop_sequence": None}
    assert lost == ["citations", "text.signature", "web_search_call", "media", "refusal"]


def test_usage_known_at_the_beginning_is_said_there_and_the_last_counts_at_the_end() -> None:
    frames = frames_of(
        written(
            [
                Began("", "m", usage=Usage(input=14, cached=4)), Opened(0, "text"), Piece(0, "x"), Closed(0),
                Counted(Usage(input=14, output=1, cached=4)), Ended(Finish.STOP_SEQUENCE, stopped_by="END"),
                Counted(Usage(input=20, output=5, cached=4, cache_write=6)),
            ]
        )[0]
    )  # fmt: skip
    assert frames[0]["message"]["id"], "never empty"
    assert frames[0]["message"]["usage"]["input_tokens"] == 10
    assert frames[-2]["usage"] == {
        "input_tokens": 10, "cache_creation_input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 5,
    }  # fmt: skip
    assert frames[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


def test_bug_16_zeros_where_nobody_counted() -> None:
    frames = frames_of(written([Began("r", "m"), Opened(0, "text"), Piece(0, "x"), Closed(0), Ended(Finish.STOP)])[0])
    assert frames[-2]["usage"] == {
        "input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0,
    }  # fmt: skip


def gist(events: list[Event]) -> list[Any]:
    """What a stream says, whatever its blocks are numbered and cut into."""
    out: list[Any] = []
    for each in events:
        match each:
            case Opened(_, kind, id_, name):
                out.append([kind, id_, name, ""])
            case Piece(_, piece):
                out[-1][3] += piece
            case Sealed(_, signature, redacted):
                out.append((signature, redacted))
            case Ended(finish, _, sequence):
                out.append((finish, sequence))
    return out


@pytest.mark.parametrize("name", [name for name in READ if not name.startswith(("blocks that", "deltas of"))])
def test_what_is_read_and_written_is_read_again(name: str) -> None:
    _, events = READ[name]
    assert gist(events_of(written(events)[0])) == gist(events)


def test_an_answer_tool_is_text_in_the_stream() -> None:
    chat = PROTOCOLS["openai-chat"]
    tool = start(0, type="tool_use", id="t", name="structured_answer", input={})
    data = BEGIN + tool + json_delta(0, '{"n":') + json_delta(0, "1}") + stop(0) + end("tool_use") + STOP
    out = set()
    for parts in cuts(data):
        translation = Translation(ANTHROPIC.stream_decoder(), chat.stream_encoder(asked(), 7), "structured_answer")
        out.add(b"".join(translation.feed(part) for part in parts) + translation.finish())
        assert translation.failure is None and translation.usage == COUNT.usage
    (written_,) = out
    chunks = [json.loads(line[6:]) for line in written_.split(b"\n\n") if line.startswith(b"data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == '{"n":1}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


# Watching bytes that pass.

SNIFFED: dict[str, tuple[bytes, bytes, Kind | None, int | None]] = {
    "text": (BEGIN + PING + HELLO + end() + STOP, BEGIN + PING + HELLO + end() + STOP, None, 9),
    "no message_stop, but a stop reason: it is added": (BEGIN + HELLO + end(), BEGIN + HELLO + end() + STOP, None, 9),
    "the last blank line is missing": (
        BEGIN + HELLO + end() + STOP.rstrip(), BEGIN + HELLO + end() + STOP, None, 9,
    ),
    "counts without a stop reason are no end": (BEGIN + HELLO + end(None), BEGIN + HELLO + end(None), Kind.INTERRUPTED, 9),
    "an empty answer": (BEGIN + end() + STOP, BEGIN + end() + STOP, None, 9),
    "cut after content": (BEGIN + HELLO, BEGIN + HELLO, Kind.INTERRUPTED, 1),
    "cut before content": (BEGIN + PING + start(0, type="text", text=""), b"", Kind.BAD_RESPONSE, 1),
    "empty": (b"", b"", Kind.BAD_RESPONSE, None),
    "only an end": (BEGIN + STOP, b"", Kind.BAD_RESPONSE, 1),
    "an error before content": (
        BEGIN + event("error", error={"type": "overloaded_error", "message": "x"}), b"", Kind.OVERLOADED, 1,
    ),
    "an error after content": (
        BEGIN + HELLO + event("error", error={"type": "api_error", "message": "x"}), BEGIN + HELLO, Kind.INTERRUPTED, 1,
    ),
    "garbage before content": (BEGIN + b"data: {oops\n\n", b"", Kind.BAD_RESPONSE, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SNIFFED)
def test_watching_at_every_split(name: str) -> None:
    data, expected, kind, tokens = SNIFFED[name]
    for parts in cuts(data) if data else [[b""]]:
        sniffer = Sniffer(True)
        out = b""
        for part in parts:
            out += sniffer.feed(part) if part else b""
            if sniffer.failure is not None:
                break
        else:
            out += sniffer.finish()
        assert out == expected
        assert (sniffer.failure.kind if sniffer.failure is not None else None) is kind
        assert (sniffer.usage.output if sniffer.usage is not None else None) == tokens


@pytest.mark.parametrize(
    ("frame", "bears"),
    [
        (start(0, type="text", text=""), False),
        (start(0, type="thinking", thinking="", signature=""), False),
        (start(0, type="tool_use", id="t", name="f", input={}), True),
        (start(0, type="redacted_thinking", data="x"), True),
        (delta(0, type="thinking_delta", thinking="x"), True),
        (PING, False),
    ],
)
def test_what_bears_content(frame: bytes, bears: bool) -> None:
    sniffer = Sniffer(False)
    assert (sniffer.feed(BEGIN + frame) != b"", sniffer.content) == (bears, bears)
