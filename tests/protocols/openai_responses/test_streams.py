"""Streams of the responses wire: decoded, encoded, watched; whole, byte by byte and at odd splits. Numbers in names are
those of well-known translation bugs."""

from __future__ import annotations

import json
from random import Random
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
    Request,
    Seal,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.openai_responses.sniff import Sniffer
from gateway.protocols.translate import Translation, request_of

WIRE = PROTOCOLS["openai-responses"]
CHAT = PROTOCOLS["openai-chat"]


def frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def response(status: str = "in_progress", **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": status,
        "model": "gpt",
        "error": None,
        **fields,
    }


USAGE = {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 5}
CREATED = frame("response.created", response=response()) + frame("response.in_progress", response=response())
COMPLETED = frame("response.completed", response=response("completed", usage=USAGE))
SPLIT = 'Hé \U0001f600 "response.failed" response.completed "error"\n\n'


def item(index: int, done: bool = False, **fields: Any) -> bytes:
    return frame(f"response.output_item.{'done' if done else 'added'}", output_index=index, item=fields)


def text(delta: str, index: int = 0, part: int = 0) -> bytes:
    return frame("response.output_text.delta", output_index=index, content_index=part, delta=delta, logprobs=[])


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant"}
HELLO = (
    item(0, **MESSAGE, content=[])
    + frame("response.content_part.added", output_index=0, content_index=0, part={"type": "output_text", "text": ""})
    + text(SPLIT)
    + text("lo")
    + frame("response.output_text.done", output_index=0, content_index=0, text=SPLIT + "lo")
    + item(0, True, **MESSAGE, content=[{"type": "output_text", "text": SPLIT + "lo", "annotations": []}])
)
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f"}


def arguments(delta: str, index: int = 0) -> bytes:
    return frame("response.function_call_arguments.delta", output_index=index, delta=delta)


def splits(data: bytes) -> list[list[bytes]]:
    random = Random(7)
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    for _ in range(10):
        cuts = sorted(random.sample(range(len(data)), min(6, len(data))))
        ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    return ways


def events_of(data: bytes) -> list[Event]:
    found: list[list[Event]] = []
    for way in splits(data):
        decoder = WIRE.stream_decoder()
        out = [event for part in way for event in decoder.feed(part)] + decoder.close()
        assert decoder.ended or isinstance(out[-1], Broke)
        found.append(out)
    assert all(each == found[0] for each in found)
    return found[0]


BEGAN = Began("resp_1", "gpt", 5)
END: list[Event] = [Counted(Usage(input=3, output=2, reasoning=1)), Ended(Finish.STOP)]
CALLED: list[Event] = [END[0], Ended(Finish.TOOL_CALLS)]
THOUGHT = {"id": "rs_1", "type": "reasoning"}

READ: dict[str, tuple[bytes, list[Event]]] = {
    "text": (HELLO, [Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), Closed(0), *END]),
    "a text without deltas": (
        item(0, True, **MESSAGE, content=[{"type": "output_text", "text": "a"}]),
        [Opened(0, "text"), Piece(0, "a"), Closed(0), *END],
    ),
    "a text that is only said as done": (
        item(0, **MESSAGE) + frame("response.output_text.done", output_index=0, content_index=0, text="a"),
        [Opened(0, "text"), Piece(0, "a"), Closed(0), *END],
    ),
    "a text whose place is numbered oddly": (
        text("a", part=1) + item(0, True, **MESSAGE, content=[{"type": "output_text", "text": "a"}]),
        [Opened(0, "text"), Piece(0, "a"), Closed(0), *END],
    ),
    "a refusal": (
        frame("response.refusal.delta", output_index=0, content_index=0, delta="no"),
        [Opened(0, "refusal"), Piece(0, "no"), Closed(0), *END],
    ),
    "1 2 parallel calls, interleaved": (
        item(0, **CALL, arguments="")
        + item(1, **{**CALL, "call_id": "d", "name": "g"}, arguments="")
        + arguments('{"a"')
        + arguments('{"b"', 1)
        + arguments(":1}")
        + arguments(":2}", 1)
        + item(0, True, **CALL, arguments='{"a":1}')
        + item(1, True, **{**CALL, "call_id": "d", "name": "g"}, arguments='{"b":2}'),
        [
            Opened(0, "tool_call", "c", "f"), Opened(1, "tool_call", "d", "g"),
            Piece(0, '{"a"'), Piece(1, '{"b"'), Piece(0, ":1}"), Piece(1, ":2}"), Closed(0), Closed(1), *CALLED,
        ],
    ),
    "3 a call whose arguments are only in the end": (
        item(0, **CALL, arguments="") + item(0, True, **CALL, arguments='{"a":1}'),
        [Opened(0, "tool_call", "c", "f"), Piece(0, '{"a":1}'), Closed(0), *CALLED],
    ),
    "a call without arguments": (
        item(0, **CALL, arguments="") + item(0, True, **CALL, arguments=""),
        [Opened(0, "tool_call", "c", "f"), Piece(0, "{}"), Closed(0), *CALLED],
    ),
    "a call that is never done": (
        item(0, **CALL, arguments=""),
        [Opened(0, "tool_call", "c", "f"), Piece(0, "{}"), Closed(0), *CALLED],
    ),
    "a custom call": (
        item(0, type="custom_tool_call", id="ctc", call_id="c", name="p", input="")
        + frame("response.custom_tool_call_input.delta", output_index=0, delta="*** ")
        + item(0, True, type="custom_tool_call", id="ctc", call_id="c", name="p", input="*** "),
        [Opened(0, "tool_call", "c", "p", custom=True), Piece(0, "*** "), Closed(0), *CALLED],
    ),
    "a summary in two parts, and the seal": (
        item(0, **THOUGHT, summary=[])
        + frame("response.reasoning_summary_text.delta", output_index=0, item_id="rs_1", summary_index=0, delta="a")
        + frame("response.reasoning_summary_text.delta", output_index=0, item_id="rs_1", summary_index=1, delta="b")
        + item(0, True, **THOUGHT, summary=[{"type": "summary_text", "text": "a"}], encrypted_content="E"),
        [
            Opened(0, "reasoning", "rs_1"), Piece(0, "a"), Piece(0, "\n\n"), Piece(0, "b"),
            Sealed(0, Seal("openai", "E", "rs_1")), Closed(0), *END,
        ],
    ),
    "5 a thought that is only sealed": (
        item(0, **THOUGHT, summary=[]) + item(0, True, **THOUGHT, summary=[], encrypted_content="E"),
        [Opened(0, "reasoning", "rs_1"), Sealed(0, Seal("openai", "E", "rs_1")), Closed(0), *END],
    ),
    "a thought that says nothing": (item(0, **THOUGHT) + item(0, True, **THOUGHT, summary=[]) + HELLO[:0], END),
    "an open model's thought": (
        frame("response.reasoning_text.delta", output_index=0, item_id="r", content_index=0, delta="a"),
        [Opened(0, "reasoning", "r"), Piece(0, "a"), Closed(0), *END],
    ),
    "a citation": (
        text("a")
        + frame(
            "response.output_text.annotation.added", output_index=0, content_index=0,
            annotation={"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1},
        ),
        [
            Opened(0, "text"), Piece(0, "a"),
            Cited(0, Citation(
                url="u", title="t", start=0, end=1,
                raw={"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1},
            )),
            Closed(0), *END,
        ],
    ),
    "a hosted tool": (
        item(0, type="web_search_call", id="ws") + item(0, True, type="web_search_call", id="ws", status="completed"),
        [Whole(0, Opaque("web_search_call", {"type": "web_search_call", "id": "ws", "status": "completed"})), *END],
    ),
    "items without an index": (
        frame("response.output_item.added", item={**CALL, "id": "x"})
        + frame("response.function_call_arguments.delta", item_id="x", delta="{}")
        + frame("response.output_item.done", item={**CALL, "id": "x", "arguments": "{}"}),
        [Opened(0, "tool_call", "c", "f"), Piece(0, "{}"), Closed(0), *CALLED],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_read(name: str) -> None:
    data, expected = READ[name]
    assert events_of(CREATED + data + COMPLETED) == [BEGAN, *expected]


def test_a_response_that_is_only_complete() -> None:
    output = [{**MESSAGE, "content": [{"type": "output_text", "text": "a"}]}, {**CALL, "arguments": "{}"}]
    data = frame("response.completed", response=response("completed", usage=USAGE, output=output))
    assert events_of(data) == [
        BEGAN, Opened(0, "text"), Piece(0, "a"), Closed(0), Opened(1, "tool_call", "c", "f"), Piece(1, "{}"), Closed(1),
        *CALLED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", Finish.LENGTH), ("content_filter", Finish.CONTENT_FILTER)]
)
def test_13_an_incomplete_response(reason: str, finish: Finish) -> None:
    end = frame("response.incomplete", response=response("incomplete", incomplete_details={"reason": reason}))
    assert events_of(CREATED + text("a") + end)[-1] == Ended(finish)


def test_27_errors_inside_a_stream() -> None:
    failed = frame("response.failed", response=response("failed", error={"code": "server_error", "message": "x"}))
    for data in (
        failed,
        frame("error", code="server_error", message="x"),
        b'data: {"error":{"type":"server_error"}}\n\n',
    ):
        broke = events_of(CREATED + data)[-1]
        assert isinstance(broke, Broke)
        assert broke.failure.kind is Kind.SERVER_ERROR
    for data in (b"data: {oops\n\n", b'data: {"type":"response.created","response":7}\n\n', b"data: [1]\n\n"):
        broke = events_of(data)[-1]
        assert isinstance(broke, Broke)
        assert broke.failure.kind is Kind.BAD_RESPONSE


# Written.


def request(**body: Any) -> Request:
    return request_of(
        WIRE, WIRE.decode_head(json.dumps({"model": "m", "input": "hi", "stream": True, **body}).encode())
    )


def written(*events: Event, to: Request | None = None) -> list[dict[str, Any]]:
    encoder = WIRE.stream_encoder(to or request(), 7)
    raw = b"".join(
        [encoder.push(Began("msg_x", "claude")), *(encoder.push(event) for event in events), encoder.close()]
    )
    out = []
    for each in raw.decode().split("\n\n")[:-1]:
        name, data = each.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        out.append(value)
    assert [each["sequence_number"] for each in out] == list(range(len(out)))
    assert [each["type"] for each in out[:2]] == ["response.created", "response.in_progress"]
    items = {each["output_index"]: each["item"] for each in out if each["type"] == "response.output_item.done"}
    assert out[-1]["response"]["output"] == [items[index] for index in sorted(items)], "every item is done"
    added = {each["output_index"]: each["item"] for each in out if each["type"] == "response.output_item.added"}
    assert {index: each["id"] for index, each in added.items()} == {index: each["id"] for index, each in items.items()}
    assert len({each["id"] for each in items.values()}) == len(items)
    return out


def short(events: list[dict[str, Any]]) -> list[str]:
    """The events between the beginning and the end, by their names."""
    return [each["type"].removeprefix("response.") for each in events[2:-1]]


def test_a_text() -> None:
    citation = Citation(url="u", title="t", start=0, end=1)
    events = written(
        Opened(0, "text"), Piece(0, "a"), Piece(0, "b", [{"token": "b"}]), Cited(0, citation), Closed(0),
        Counted(Usage(input=1, output=2)), Ended(Finish.STOP),
    )  # fmt: skip
    assert short(events) == [
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done",
    ]  # fmt: skip
    annotation = {"type": "url_citation", "start_index": 0, "end_index": 1, "url": "u", "title": "t"}
    part = {"type": "output_text", "text": "ab", "annotations": [annotation], "logprobs": [{"token": "b"}]}
    assert events[4] == {
        "type": "response.output_text.delta", "item_id": "msg_msg_x_0", "output_index": 0, "content_index": 0,
        "delta": "a", "logprobs": [], "sequence_number": 4,
    }  # fmt: skip
    assert events[5]["logprobs"] == [{"token": "b"}]
    assert events[7]["text"] == "ab"
    assert events[8]["part"] == part
    last = events[-1]
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0] == {
        "id": "msg_msg_x_0", "type": "message", "status": "completed", "role": "assistant", "content": [part],
    }  # fmt: skip
    assert last["response"]["usage"]["total_tokens"] == 3
    assert events[0]["response"]["id"] == last["response"]["id"] == "resp_msg_x"
    assert events[0]["response"]["created_at"] == 7
    assert events[0]["response"]["usage"] is None


def test_texts_and_refusals_are_parts_of_one_message() -> None:
    events = written(
        Opened(0, "text"), Piece(0, "a"), Closed(0), Opened(1, "text"), Piece(1, "b"), Closed(1),
        Opened(2, "refusal"), Piece(2, "no"), Closed(2), Ended(Finish.REFUSAL),
    )  # fmt: skip
    (message,) = events[-1]["response"]["output"]
    assert [part.get("text", part.get("refusal")) for part in message["content"]] == ["a", "b", "no"]
    assert events[-1]["type"] == "response.completed"
    assert short(events)[-3:] == ["refusal.done", "content_part.done", "output_item.done"]


def test_a_thought_is_shown_as_a_summary() -> None:
    events = written(
        Opened(0, "reasoning"), Piece(0, "a"), Piece(0, "b"), Sealed(0, Seal("claude", "S")), Closed(0),
        Opened(1, "reasoning"), Sealed(1, redacted=Seal("claude", "R")), Closed(1),
        Opened(2, "reasoning", "rs_9"), Sealed(2, Seal("openai", "E", "rs_9")), Closed(2), Ended(Finish.STOP),
    )  # fmt: skip
    assert short(events) == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "output_item.done", "output_item.added", "output_item.done",
    ]  # fmt: skip
    first, second, third = events[-1]["response"]["output"]
    assert first["summary"] == [{"type": "summary_text", "text": "ab"}]
    assert first["encrypted_content"] == "gw1~claude~~S"
    assert (second["summary"], second["encrypted_content"]) == ([], "gw1~claude~redacted~R")
    assert (third["id"], third["encrypted_content"]) == ("rs_9", "E")


def test_1_calls() -> None:
    events = written(
        Opened(0, "text"), Piece(0, "hm"), Closed(0),
        Opened(1, "tool_call", "c", "f"), Piece(1, '{"a"'), Opened(2, "tool_call", "d", "g"), Piece(2, "{}"),
        Piece(1, ":1}"), Closed(1), Closed(2), Ended(Finish.TOOL_CALLS),
    )  # fmt: skip
    assert short(events)[5:] == [
        "output_item.done", "output_item.added", "function_call_arguments.delta", "output_item.added",
        "function_call_arguments.delta", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done", "function_call_arguments.done", "output_item.done",
    ]  # fmt: skip
    calls = events[-1]["response"]["output"][1:]
    assert [(call["call_id"], call["name"], call["arguments"]) for call in calls] == [
        ("c", "f", '{"a":1}'),
        ("d", "g", "{}"),
    ]
    deltas = [each for each in events if each["type"] == "response.function_call_arguments.delta"]
    assert [each["output_index"] for each in deltas] == [1, 2, 1]


TOOLS: list[dict[str, Any]] = [
    {"type": "custom", "name": "apply_patch"},
    {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]},
    {"type": "local_shell"},
    {"type": "tool_search", "execution": "client", "parameters": {}},
]


def test_a_custom_tool_that_was_a_function_upstream() -> None:
    patch = '*** Begin Patch\n+"é" \\ \U0001f600\t</x>\n'
    given = json.dumps({"input": patch})
    for size in (1, 3, 1000):
        pieces = [Piece(0, given[at : at + size]) for at in range(0, len(given), size)]
        events = written(
            Opened(0, "tool_call", "c", "apply_patch"), *pieces, Closed(0), Ended(Finish.TOOL_CALLS),
            to=request(tools=TOOLS),
        )  # fmt: skip
        deltas = [each["delta"] for each in events if each["type"] == "response.custom_tool_call_input.delta"]
        assert "".join(deltas) == patch
        assert (len(deltas) > 1) is (size < 1000), "the text does not wait for its end"
        assert short(events)[-2:] == ["custom_tool_call_input.done", "output_item.done"]
        (item,) = events[-1]["response"]["output"]
        assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", patch)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("{}", "{}"),
        ("", ""),
        ("plain text", "plain text"),
        ('{"other":1}', '{"other":1}'),
        ('{"input":""}', ""),
        ('{"input":7}', '{"input":7}'),
        ('{ "input" : "a\\nb" }', "a\nb"),
        ('{"input":"a\\u00e9"', "a\u00e9"),  # cut short
        ('{"input":"a","more":1}', "a"),
    ],
)
def test_arguments_of_any_form_end_as_input(given: str, text: str) -> None:
    for size in (1, 1000):
        pieces = [Piece(0, given[at : at + size]) for at in range(0, len(given), size)]
        events = written(Opened(0, "tool_call", "c", "apply_patch"), *pieces, Closed(0), to=request(tools=TOOLS))
        assert events[-1]["response"]["output"][0]["input"] == events[-3]["input"] == text


def test_a_custom_call_of_upstream() -> None:
    events = written(
        Opened(0, "tool_call", "c", "p", custom=True),
        Piece(0, "*** "),
        Piece(0, "x"),
        Closed(0),
        Ended(Finish.TOOL_CALLS),
    )
    assert short(events) == [
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.delta",
        "custom_tool_call_input.done", "output_item.done",
    ]  # fmt: skip
    assert events[-1]["response"]["output"][0]["input"] == "*** x"


def test_calls_take_the_form_that_their_tools_have_here() -> None:
    events = written(
        Opened(0, "tool_call", "a", "agents__spawn"), Piece(0, "{}"), Closed(0),
        Opened(1, "tool_call", "b", "local_shell"), Piece(1, '{"command":["ls"]}'), Closed(1),
        Opened(2, "tool_call", "c", "tool_search"), Piece(2, '{"query":"q"}'), Closed(2),
        Ended(Finish.TOOL_CALLS), to=request(tools=TOOLS),
    )  # fmt: skip
    spawn, shell, search = events[-1]["response"]["output"]
    assert (spawn["name"], spawn["namespace"]) == ("spawn", "agents")
    assert (shell["type"], shell["action"]["command"]) == ("local_shell_call", ["ls"])
    assert (search["type"], search["arguments"], search["call_id"]) == ("tool_search_call", {"query": "q"}, "c")
    assert short(events)[-4:] == ["output_item.added", "output_item.done"] * 2


def test_7_signatures_of_calls_and_texts() -> None:
    events = written(
        Opened(0, "text"), Piece(0, "a"), Sealed(0, Seal("gemini", "T")), Closed(0),
        Opened(1, "tool_call", "c", "f", signature=Seal("gemini", "G")), Piece(1, "{}"), Closed(1),
        Ended(Finish.TOOL_CALLS),
    )  # fmt: skip
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "reasoning", "reasoning", "function_call"]
    parts = request(input=output).messages[0].parts
    assert [getattr(part, "signature", None) for part in parts] == [Seal("gemini", "T"), Seal("gemini", "G")]


def test_whole_blocks() -> None:
    encoder = WIRE.stream_encoder(request(), 7)
    encoder.push(Began("x", "m"))
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    assert encoder.push(Whole(0, Opaque("web_search_call", search)))
    assert encoder.push(Whole(1, Media(kind="image", mime="image/png", data="AAAA")))
    assert encoder.push(Whole(2, Opaque("server_tool_use", {"type": "server_tool_use"}))) == b""
    assert encoder.push(Opened(3, "text", choice=1)) == encoder.push(Piece(3, "a")) == b""
    assert [each.field for each in encoder.dropped] == ["server_tool_use", "choices"]
    assert b'"result":"AAAA"' in encoder.close()


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [(Finish.LENGTH, "incomplete", "max_output_tokens"), (Finish.CONTENT_FILTER, "incomplete", "content_filter")],
)
def test_13_14_how_it_ends(finish: Finish, status: str, reason: str) -> None:
    last = written(Opened(0, "text"), Piece(0, "a"), Closed(0), Ended(finish))[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["incomplete_details"] == {"reason": reason}
    assert last["response"]["usage"]["total_tokens"] == 0, "16"


# Through: what comes in on this wire leaves on it with the same meaning, however it was cut.


@pytest.mark.parametrize("name", READ)
def test_through(name: str) -> None:
    data, expected = READ[name]
    outs = set()
    for way in splits(CREATED + data + COMPLETED):
        translation = Translation(WIRE.stream_decoder(), WIRE.stream_encoder(request(), 7))
        outs.add(b"".join(translation.feed(part) for part in way) + translation.finish())
        assert translation.failure is None
        assert translation.usage == Usage(input=3, output=2, reasoning=1)
    assert len(outs) == 1
    again = events_of(outs.pop())
    assert [each for each in again if isinstance(each, Piece | Sealed | Ended)] == [
        each for each in expected if isinstance(each, Piece | Sealed | Ended)
    ]


def test_to_a_chat_client() -> None:
    chat = request_of(CHAT, CHAT.decode_head(b'{"model":"m","messages":[],"stream":true}'))
    translation = Translation(WIRE.stream_decoder(), CHAT.stream_encoder(chat, 7))
    out = translation.feed(CREATED + READ["1 2 parallel calls, interleaved"][0] + COMPLETED) + translation.finish()
    chunks = [json.loads(each.removeprefix(b"data: ")) for each in out.split(b"\n\n")[:-2]]
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1, 0, 1, 0, 1]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


# Watched: bytes that pass.

FAILED = frame("response.failed", response=response("failed", error={"code": "rate_limit_exceeded", "message": "x"}))
PASSING: dict[str, tuple[bytes, bytes, Kind | None]] = {
    "a text": (CREATED + HELLO + COMPLETED, CREATED + HELLO + COMPLETED, None),
    "comments": (b": hi\n\n" + CREATED + HELLO + b": hi\n\n" + COMPLETED, b": hi\n\n" + CREATED + HELLO + b": hi\n\n" + COMPLETED, None),
    "nothing but the end": (CREATED + COMPLETED, CREATED + COMPLETED, None),
    "the last blank line is missing": ((CREATED + HELLO + COMPLETED).rstrip(), CREATED + HELLO + COMPLETED, None),
    "cut after content": (CREATED + HELLO, CREATED + HELLO, Kind.INTERRUPTED),
    "cut before content": (CREATED, b"", Kind.BAD_RESPONSE),
    "empty": (b"", b"", Kind.BAD_RESPONSE),
    "a failure before content": (CREATED + FAILED, b"", Kind.RATE_LIMIT),
    "a failure after content": (CREATED + HELLO + FAILED, CREATED + HELLO, Kind.INTERRUPTED),
    "an error before content": (CREATED + frame("error", code="server_error", message="x"), b"", Kind.SERVER_ERROR),
    "an error after content": (CREATED + HELLO + frame("error", message="x"), CREATED + HELLO, Kind.INTERRUPTED),
    "garbage": (CREATED + b"data: {oops\n\n", b"", Kind.BAD_RESPONSE),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_passing(name: str) -> None:
    data, expected, kind = PASSING[name]
    for way in splits(data) if data else [[]]:
        sniffer = Sniffer()
        out = b""
        for part in way:
            out += sniffer.feed(part)
            if sniffer.failure is not None:
                break
        else:
            out += sniffer.finish()
        assert out == expected
        assert (sniffer.failure.kind if sniffer.failure is not None else None) is kind
        assert (sniffer.usage is not None) is (kind is None)


def test_what_bears_content() -> None:
    for silent in (item(0, **MESSAGE), item(0, **THOUGHT), item(0, True, **THOUGHT), text("")):
        sniffer = Sniffer()
        assert sniffer.feed(CREATED + silent) == b""
    for loud in (text("a"), item(0, **CALL), item(0, True, type="web_search_call")):
        sniffer = Sniffer()
        assert sniffer.feed(CREATED + loud) == CREATED + loud


def test_a_failure_is_no_content() -> None:
    translation = Translation(WIRE.stream_decoder(), WIRE.stream_encoder(request(), 7))
    assert translation.feed(CREATED + FAILED) == b""
    assert translation.failure == Failure(kind=Kind.RATE_LIMIT, message="x", code="rate_limit_exceeded")
