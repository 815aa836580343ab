"""Streams of the chat wire, decoded and encoded. Numbers in names are those of well-known translation bugs."""

from __future__ import annotations

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
    Tool,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.openai_chat.sniff import Sniffer
from tests.protocols.openai_chat.kit import CHAT, asked, calls, chunk, delta, events_of, written

SPLIT = 'Hé \U0001f600 "usage": {} [DONE] "error"\n\n'
BEGAN = Began("c1", "gpt", 5)
ROLE = delta(role="assistant", content="")
DONE = b"data: [DONE]\n\n"
STOP = delta("stop")
TOOLS = delta("tool_calls")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
COUNT = Counted(Usage(input=3, output=2))
CALLED = Ended(Finish.TOOL_CALLS)


def call(index: int | None = None, id_: Any = None, name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    row: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    return (
        row
        | ({"index": index} if index is not None else {})
        | ({"id": id_, "type": "function"} if id_ is not None else {})
    )


def two(first: str = "a", second: str = "b") -> list[Event]:
    """Two calls, one after the other."""
    return [
        BEGAN, Opened(0, "tool_call", first, "f"), Piece(0, '{"a":1}'), Opened(1, "tool_call", second, "g"), Piece(1, '{"b":2}'),
        Closed(0), Closed(1), CALLED,
    ]  # fmt: skip


READ: dict[str, tuple[bytes, list[Event]]] = {
    "text, and usage in a chunk of its own": (
        ROLE + delta(content=SPLIT) + delta(content="lo") + STOP + chunk([], usage=USAGE) + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, SPLIT), Piece(0, "lo"), COUNT, Closed(0), Ended(Finish.STOP)],
    ),
    "usage in the last chunk": (
        ROLE + delta(content="x") + chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=USAGE) + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, "x"), COUNT, Closed(0), Ended(Finish.STOP)],
    ),
    "usage in Groq's field": (
        ROLE + delta(content="x") + chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], x_groq={"id": "r", "usage": USAGE}) + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, "x"), COUNT, Closed(0), Ended(Finish.STOP)],
    ),
    "13 a finish reason on every chunk: the last counts": (
        delta("stop", content="x") + delta("stop", content="y") + delta("length", content="") + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, "x"), Piece(0, "y"), Closed(0), Ended(Finish.LENGTH)],
    ),
    "an empty finish reason is none": (
        delta("", content="x") + STOP + delta("") + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, "x"), Closed(0), Ended(Finish.STOP)],
    ),
    "no [DONE]": (ROLE + delta(content="x") + STOP, [BEGAN, Opened(0, "text"), Piece(0, "x"), Closed(0), Ended(Finish.STOP)]),
    "parallel calls, interleaved": (
        calls(call(0, "a", "f", "")) + calls(call(1, "b", "g", "")) + calls(call(0, arguments='{"a"'))
        + calls(call(1, arguments='{"b"'), call(0, arguments=":1}")) + calls(call(1, arguments=":2}")) + TOOLS + DONE,
        [
            BEGAN, Opened(0, "tool_call", "a", "f"), Opened(1, "tool_call", "b", "g"), Piece(0, '{"a"'), Piece(1, '{"b"'),
            Piece(0, ":1}"), Piece(1, ":2}"), Closed(0), Closed(1), CALLED,
        ],
    ),
    "2 no index: their place counts": (
        calls(call(None, "a", "f", '{"a":1}'), call(None, "b", "g", '{"b":2}')) + TOOLS + DONE, two(),
    ),
    "2 no index, one call in a chunk": (
        calls(call(None, "a", "f", '{"a":1}')) + calls(call(None, "b", "g", '{"b":2}')) + TOOLS + DONE, two(),
    ),
    "2 no index, more of the last": (
        calls(call(None, "a", "f", '{"a":1}')) + calls(call(None, "b", "g", '{"b"')) + calls(call(None, arguments=":2}")) + TOOLS + DONE,
        [*two()[:4], Piece(1, '{"b"'), Piece(1, ":2}"), *two()[5:]],
    ),
    "1 Mistral: all index 0, ids of their own": (
        calls(call(0, "a", "f", '{"a":1}'), call(0, "b", "g", '{"b":2}')) + TOOLS + DONE, two(),
    ),
    "1 all index 0, arguments after each": (
        calls(call(0, "a", "f", "")) + calls(call(0, arguments='{"a":1}')) + calls(call(0, "b", "g", ""))
        + calls(call(0, arguments='{"b":2}')) + TOOLS + DONE,
        two(),
    ),
    "1 all index 0, an id on every chunk": (
        calls(call(0, "a", "f", "")) + calls(call(0, "b", "g", "")) + calls(call(0, "a", None, '{"a":1}'))
        + calls(call(0, "b", None, '{"b":2}')) + TOOLS + DONE,
        [BEGAN, two()[1], two()[3], two()[2], two()[4], *two()[5:]],
    ),
    "a new id on every chunk of one call": (
        calls(call(0, "a", "f", '{"a"')) + calls(call(0, "a2", None, ":1}")) + TOOLS + DONE,
        [BEGAN, Opened(0, "tool_call", "a", "f"), Piece(0, '{"a"'), Piece(0, ":1}"), Closed(0), CALLED],
    ),
    "a call without arguments": (
        calls(call(0, "a", "f")) + TOOLS + DONE,
        [BEGAN, Opened(0, "tool_call", "a", "f"), Piece(0, "{}"), Closed(0), CALLED],
    ),
    "12 calls are the finish whatever is said": (
        calls(call(0, "a", "f", {"a": 1})) + STOP + DONE,
        [BEGAN, Opened(0, "tool_call", "a", "f"), Piece(0, '{"a":1}'), Closed(0), CALLED],
    ),
    "the function that preceded tools": (
        delta(function_call={"name": "f", "arguments": ""}) + delta("function_call", function_call={"arguments": "{}"}) + DONE,
        [BEGAN, Opened(0, "tool_call", "call_", "f"), Piece(0, "{}"), Closed(0), CALLED],
    ),
    "free text": (
        calls({"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}})
        + calls({"index": 0, "custom": {"input": "ls"}}) + TOOLS + DONE,
        [BEGAN, Opened(0, "tool_call", "a", "sh", custom=True), Piece(0, "ls"), Closed(0), CALLED],
    ),
    "7 Gemini's signature of a call": (
        calls({**call(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "Cs"}}}) + TOOLS + DONE,
        [BEGAN, Opened(0, "tool_call", "a", "f", signature=Seal("gemini", "Cs")), Piece(0, "{}"), Closed(0), CALLED],
    ),
    "thought, then text": (
        ROLE + delta(reasoning_content="h") + delta(reasoning_content="m", content=None) + delta(reasoning_content=None, content="x") + STOP + DONE,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Piece(0, "m"), Closed(0), Opened(1, "text"), Piece(1, "x"), Closed(1),
            Ended(Finish.STOP),
        ],
    ),
    "OpenRouter's details": (
        delta(reasoning="h", reasoning_details=[{"type": "reasoning.text", "text": "h", "format": "anthropic-claude-v1", "index": 0}])
        + delta(reasoning_details=[{"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1", "index": 0}])
        + delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "Em", "format": "anthropic-claude-v1", "index": 1}])
        + delta(content="x") + STOP + DONE,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Sealed(0, Seal("claude", "s")), Closed(0),
            Opened(1, "reasoning"), Sealed(1, None, Seal("claude", "Em")), Closed(1),
            Opened(2, "text"), Piece(2, "x"), Closed(2), Ended(Finish.STOP),
        ],
    ),
    "a redacted thought is no part of the one before": (
        delta(reasoning="h") + delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "Em", "format": "anthropic-claude-v1"}]) + STOP + DONE,
        [
            BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Closed(0), Opened(1, "reasoning"), Sealed(1, None, Seal("claude", "Em")),
            Closed(1), Ended(Finish.STOP),
        ],
    ),
    "content as parts": (
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]) + delta(content=[{"type": "text", "text": "x"}]) + STOP + DONE,
        [BEGAN, Opened(0, "reasoning"), Piece(0, "h"), Closed(0), Opened(1, "text"), Piece(1, "x"), Closed(1), Ended(Finish.STOP)],
    ),
    "a refusal": (
        delta(refusal="no") + STOP + DONE, [BEGAN, Opened(0, "refusal"), Piece(0, "no"), Closed(0), Ended(Finish.STOP)],
    ),
    "citations and images": (
        delta(content="x") + delta(annotations=[{"type": "url_citation", "url_citation": {"url": "u"}}])
        + delta(images=[{"image_url": {"url": "data:image/png;base64,AA"}}]) + STOP + DONE,
        [
            BEGAN, Opened(0, "text"), Piece(0, "x"), Cited(0, Citation(url="u", raw={"type": "url_citation", "url_citation": {"url": "u"}})),
            Closed(0), Whole(1, Media(kind="image", mime="image/png", data="AA")), Ended(Finish.STOP),
        ],
    ),
    "several answers": (
        delta(content="a") + delta(index=1, content="b") + delta(content="A") + delta("stop", index=1) + delta("length") + DONE,
        [
            BEGAN, Opened(0, "text"), Piece(0, "a"), Opened(1, "text", choice=1), Piece(1, "b"), Piece(0, "A"),
            Closed(0), Ended(Finish.LENGTH), Closed(1), Ended(Finish.STOP, 1),
        ],
    ),
    "log probabilities": (
        chunk([{"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [{"token": "x"}]}, "finish_reason": None}]) + STOP + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, "x", [{"token": "x"}]), Closed(0), Ended(Finish.STOP)],
    ),
    "a text completion": (
        chunk([{"index": 0, "text": "x", "finish_reason": None}]) + chunk([{"index": 0, "text": "", "finish_reason": "stop"}]) + DONE,
        [BEGAN, Opened(0, "text"), Piece(0, "x"), Closed(0), Ended(Finish.STOP)],
    ),
}  # fmt: skip


def unmade(event: Event) -> Event:
    """An id that was made up, as `call_`."""
    if isinstance(event, Opened) and event.id.startswith("call_"):
        return Opened(event.block, event.kind, "call_", event.name, event.choice)
    return event


@pytest.mark.parametrize("name", READ)
def test_decoding(name: str) -> None:
    data, events = READ[name]
    assert [unmade(each) for each in events_of(data)] == events
    if SPLIT not in str(events):
        assert [unmade(each) for each in events_of(data.replace(b"\n", b"\r\n"))] == events


def test_calls_without_ids_get_their_own() -> None:
    data = (
        calls(call(None, None, "f", "{}"))
        + calls(call(None, "null", "f", "{}"))
        + calls(call(None, "", "g", "{}"))
        + TOOLS
        + DONE
    )
    ids = [each.id for each in events_of(data) if isinstance(each, Opened)]
    assert len(set(ids)) == 3 and all(id_.startswith("call_") for id_ in ids)


def test_bug_27_errors_in_the_stream() -> None:
    told = chunk(error={"message": "busy", "code": "overloaded_error"})
    assert events_of(delta(content="x") + told)[-1] == Broke(
        Failure(kind=Kind.OVERLOADED, message="busy", code="overloaded_error")
    )
    bare = events_of(b'data: {"error":"down"}\n\n')[-1]
    assert isinstance(bare, Broke) and bare.failure.kind is Kind.BAD_RESPONSE
    garbage = events_of(delta(content="x") + b"data: {oops\n\n")[-1]
    assert isinstance(garbage, Broke) and garbage.failure.kind is Kind.BAD_RESPONSE


def test_a_cut_stream_has_not_ended() -> None:
    for data in (ROLE + delta(content="x"), delta("", content="x"), b""):
        decoder = CHAT.stream_decoder()
        decoder.feed(data)
        decoder.close()
        assert not decoder.ended


def test_groqs_usage_is_seen_where_bytes_pass() -> None:
    data = (
        ROLE
        + delta(content="x")
        + chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], x_groq={"usage": USAGE})
        + DONE
    )
    for strip in (True, False):
        sniffer = Sniffer(strip)
        assert sniffer.feed(data) == data, "its chunk has a choice, so it is not taken out"
        assert sniffer.usage == COUNT.usage


def test_an_empty_finish_reason_is_neither_content_nor_an_end_where_bytes_pass() -> None:
    sniffer = Sniffer(False)
    assert sniffer.feed(delta("", role="assistant", content="")) == b"" and not sniffer.content
    sniffer.feed(delta("", content="x"))
    sniffer.feed(delta("", content="y"))
    sniffer.finish()
    assert sniffer.failure is not None and sniffer.failure.kind is Kind.INTERRUPTED


# Encoding.


def test_the_bytes_of_a_text() -> None:
    encoder = CHAT.stream_encoder(asked(stream_usage=True), 7)
    events: list[Event] = [
        Began("r", "m", 5, service_tier="flex"),
        Opened(0, "text"),
        Piece(0, "Hé"),
        Closed(0),
        COUNT,
        Ended(Finish.STOP),
    ]
    data = b"".join(encoder.push(each) for each in events) + encoder.close()
    base = '{"id":"r","object":"chat.completion.chunk","created":5,"model":"m","service_tier":"flex","choices":['
    tail = '],"usage":null}\n\n'
    assert data.decode() == (
        f'data: {base}{{"index":0,"delta":{{"role":"assistant","content":""}},"logprobs":null,"finish_reason":null}}{tail}'
        f'data: {base}{{"index":0,"delta":{{"content":"Hé"}},"logprobs":null,"finish_reason":null}}{tail}'
        f'data: {base}{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}{tail}'
        f'data: {base}],"usage":{{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,'
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,'
        '"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}\n\n'
        "data: [DONE]\n\n"
    )


def deltas(events: list[Event], **request: Any) -> list[Any]:
    """The deltas of a stream, and its finish reasons."""
    out: list[Any] = []
    for each in written([Began("r", "m"), *events], asked(**request))[0]:
        (choice,) = each["choices"]
        out.append((choice["index"], choice["finish_reason"] or choice["delta"]))
    return out


ROLED = {"role": "assistant", "content": ""}


def test_bug_15_usage_is_shown_only_to_those_who_asked_and_without_choices() -> None:
    events: list[Event] = [Began("r", "m"), Opened(0, "text"), Piece(0, "x"), Closed(0), COUNT, Ended(Finish.STOP)]
    assert not any("usage" in each for each in written(events)[0])
    shown, _ = written(events, asked(stream_usage=True))
    assert [each["usage"] for each in shown[:-1]] == [None] * 3
    assert shown[-1]["choices"] == [] and shown[-1]["usage"]["total_tokens"] == 5
    nobody, _ = written([each for each in events if each != COUNT], asked(stream_usage=True))
    assert nobody[-1]["usage"]["total_tokens"] == 0


def test_calls_have_indexes_of_their_own_and_may_interleave() -> None:
    assert deltas(
        [
            Opened(0, "tool_call", "a", "f"), Opened(1, "tool_call", "b", "g", signature=Seal("gemini", "Cs")), Piece(0, '{"a"'),
            Piece(1, "{}"), Piece(0, ":1}"), Closed(0), Closed(1), Ended(Finish.TOOL_CALLS),
        ]
    ) == [
        (0, ROLED),
        (0, {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        (0, {"tool_calls": [{
            "index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "Cs"}},
        }]}),
        (0, {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        (0, {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
        (0, {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        (0, "tool_calls"),
    ]  # fmt: skip


def test_thoughts_and_their_seals() -> None:
    said = deltas(
        [
            Opened(0, "reasoning"), Piece(0, "hm"), Sealed(0, Seal("claude", "s")), Closed(0),
            Opened(1, "reasoning"), Sealed(1, None, Seal("claude", "Em")), Closed(1),
            Opened(2, "reasoning"), Sealed(2, Seal("openai", "g", "rs_1")), Closed(2),
            Opened(3, "refusal"), Piece(3, "no"), Closed(3), Ended(Finish.REFUSAL),
        ]
    )  # fmt: skip
    assert [value for _, value in said] == [
        ROLED,
        {"reasoning_content": "hm"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
            ]
        },
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "Em", "format": "anthropic-claude-v1", "index": 1}
            ]
        },
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "g", "format": "openai-responses-v1", "index": 2, "id": "rs_1"}
            ]
        },
        {"refusal": "no"},
        "content_filter",
    ]


def test_several_answers() -> None:
    assert deltas(
        [
            Opened(0, "text"), Opened(1, "text", choice=1), Piece(1, "b"), Piece(0, "a"), Ended(Finish.STOP), Ended(Finish.LENGTH, 1),
        ]
    ) == [(0, ROLED), (1, ROLED), (1, {"content": "b"}), (0, {"content": "a"}), (0, "stop"), (1, "length")]  # fmt: skip


def test_an_empty_answer_still_says_its_role_and_its_end() -> None:
    assert deltas([Ended(Finish.STOP)]) == [(0, ROLED), (0, "stop")]


def test_citations_images_log_probabilities_and_what_cannot_be_shown() -> None:
    chunks, lost = written(
        [
            Began("r", "m"), Opened(0, "text"), Piece(0, "x", [{"token": "x"}]), Cited(0, Citation(url="u", title="t", start=0, end=1)),
            Cited(0, Citation(title="no url")), Sealed(0, Seal("gemini", "s")), Closed(0),
            Whole(1, Media(kind="image", mime="image/png", data="AA")), Whole(2, Media(kind="audio", data="AA")),
            Whole(3, Opaque("server_tool_use", {})), Ended(Finish.STOP),
        ]
    )  # fmt: skip
    rows = [each["choices"][0] for each in chunks]
    assert rows[1]["logprobs"] == {"content": [{"token": "x"}], "refusal": None}
    assert rows[2]["delta"]["annotations"] == [
        {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "url": "u", "title": "t"}}
    ]
    assert rows[3]["delta"]["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    assert lost == ["citations", "text.signature", "media", "server_tool_use"]


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        (['{"inp', 'ut": "ls', " \\", '"x\\""}'], 'ls "x"'),
        (['{"input":"a"', "}"], "a"),
        (["{}"], "{}"),
        (["ls"], "ls"),
        (['{"input":"\\ud83d', '\\ude00"}'], "\U0001f600"),
    ],
)
def test_a_call_of_a_free_text_tool_is_one_again_as_it_comes(pieces: list[str], wanted: str) -> None:
    events: list[Event] = [
        Opened(0, "tool_call", "a", "sh"),
        *(Piece(0, piece) for piece in pieces),
        Closed(0),
        Ended(Finish.TOOL_CALLS),
    ]
    _, (_, begun), *rest, (_, finish) = deltas(events, tools=(Tool(name="sh", custom=True),))
    assert begun == {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}]}
    assert "".join(each["tool_calls"][0]["custom"]["input"] for _, each in rest) == wanted
    assert finish == "tool_calls"


def test_another_wires_stream_of_such_a_call() -> None:
    """Through the wire itself: a function upstream, free text for the client."""
    events = events_of(calls(call(0, "a", "sh", '{"input":')) + calls(call(0, arguments='"ls"}')) + TOOLS + DONE)
    said = deltas(events[1:], tools=(Tool(name="sh", custom=True),))
    assert said[-2:] == [(0, {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]}), (0, "tool_calls")]
