"""Whole answers of the chat wire, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.failure import Failed, Kind
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
    Tool,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols.reading import Malformed
from tests.protocols.openai_chat.kit import CHAT, asked, fields, plain

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 2},
}


def body(finish: Any = "stop", usage: Any = USAGE, **message: Any) -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, **message},
        "finish_reason": finish,
        "logprobs": None,
    }
    return json.dumps(
        {"id": "c1", "object": "chat.completion", "created": 5, "model": "gpt", "choices": [choice], "usage": usage}
    ).encode()


def parts(**message: Any) -> tuple[Part, ...]:
    return CHAT.decode_response(body(**message)).choices[0].parts


def answered(*parts: Part, origin: str = "test", finish: Finish = Finish.STOP, **more: Any) -> Response:
    return Response(origin=origin, id="r", model="m", choices=(Choice(parts=parts, finish=finish),), **more)


def message_of(*parts: Part, **request: Any) -> tuple[Any, list[str]]:
    encoded = CHAT.encode_response(answered(*parts), asked(**request))
    return plain(encoded.body)["choices"][0]["message"], fields(encoded)


def test_an_answer_is_read() -> None:
    response = CHAT.decode_response(
        body(
            content="hi",
            refusal=None,
            annotations=[
                {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2}}
            ],
            new=1,
        )
    )
    assert response == Response(
        origin="openai-chat",
        id="c1",
        model="gpt",
        created=5,
        choices=(
            Choice(
                parts=(
                    Text(
                        "hi",
                        (
                            Citation(
                                url="u",
                                title="t",
                                start=0,
                                end=2,
                                raw={
                                    "type": "url_citation",
                                    "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2},
                                },
                            ),
                        ),
                    ),
                ),
                finish=Finish.STOP,
                extras={"new": 1},
            ),
        ),
        usage=Usage(input=10, output=7, cached=4, reasoning=3, audio_input=1, audio_output=2),
    )


def test_what_else_an_answer_may_hold() -> None:
    assert parts(reasoning_content="hm", content="x") == (Reasoning(text="hm"), Text("x"))
    assert parts(content="", refusal="no") == (Declined("no"),)
    assert parts(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]) == (
        Reasoning(text="hm"), Text("x"),
    )  # fmt: skip
    assert parts(content="x", images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]) == (
        Text("x"), Media(kind="image", mime="image/png", data="AAAA"),
    )  # fmt: skip
    assert parts(audio={"id": "a", "data": "AA"}) == (Opaque("audio", {"audio": {"id": "a", "data": "AA"}}),)


def test_calls() -> None:
    found = parts(
        tool_calls=[
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1.0}'}},
            {"id": "", "type": "function", "function": {"name": "g", "arguments": ""}},
            {"id": "null", "function": {"name": "g", "arguments": {"y": 1}}},
            {"id": "d", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
            {"id": "e", "function": {"name": "h"}, "extra_content": {"google": {"thought_signature": "Cs"}}},
        ]
    )
    assert [
        (call.name, call.arguments, call.custom, call.signature) for call in found if isinstance(call, ToolCall)
    ] == [
        ("f", '{"x": 1.0}', False, None),
        ("g", "{}", False, None),
        ("g", '{"y":1}', False, None),
        ("sh", "ls", True, None),
        ("h", "{}", False, Seal("gemini", "Cs")),
    ]
    ids = [call.id for call in found if isinstance(call, ToolCall)]
    assert ids[0] == "a" and len(set(ids)) == 5 and all(ids), "a call without an id is given one of its own"
    (older,) = parts(function_call={"name": "f", "arguments": "{}"})
    assert isinstance(older, ToolCall) and (older.id, older.name) == ("f", "f")


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", Finish.STOP),
        ("length", Finish.LENGTH),
        ("content_filter", Finish.CONTENT_FILTER),
        ("tool_calls", Finish.TOOL_CALLS),
        ("model_length", Finish.CONTEXT),
        ("eos", Finish.STOP),
        ("insufficient_system_resource", Finish.OTHER),
        ("odd", Finish.OTHER),
        (None, Finish.STOP),
    ],
)
def test_finish_reasons(word: Any, finish: Finish) -> None:
    assert CHAT.decode_response(body(word, content="x")).choices[0].finish is finish


def test_bug_12_calls_are_the_finish_whatever_the_server_says() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for word, finish in (("stop", Finish.TOOL_CALLS), (None, Finish.TOOL_CALLS), ("length", Finish.LENGTH)):
        assert CHAT.decode_response(body(word, tool_calls=[call])).choices[0].finish is finish


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish.STOP, "stop"), (Finish.STOP_SEQUENCE, "stop"), (Finish.LENGTH, "length"), (Finish.CONTEXT, "length"),
        (Finish.TOOL_CALLS, "tool_calls"), (Finish.CONTENT_FILTER, "content_filter"), (Finish.REFUSAL, "content_filter"),
        (Finish.PAUSE, "stop"), (Finish.OTHER, "stop"),
    ],
)  # fmt: skip
def test_words_for_finishes(finish: Finish, word: str) -> None:
    out = plain(CHAT.encode_response(answered(Text("x"), finish=finish), asked()).body)
    assert out["choices"][0]["finish_reason"] == word


# Where other providers count: DeepSeek, Moonshot, Perplexity, xAI (reasoning beside the completion).
@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 5},
            Usage(input=9, output=2, cached=5),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 5}, Usage(input=9, output=2, cached=5)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(input=9, output=6, reasoning=4),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 6,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(input=9, output=6, reasoning=4),
        ),
        ({"prompt_tokens": 9.0, "completion_tokens": None}, Usage(input=9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 3}}, Usage(input=9, cache_write=3)),
        (None, None),
        ("odd", None),
    ],
)
def test_usage(usage: Any, wanted: Usage | None) -> None:
    assert CHAT.decode_response(body(usage=usage, content="x")).usage == wanted
    assert CHAT.decode_answer(body(usage=usage, content="x")) == wanted


def test_several_answers_and_texts_without_messages() -> None:
    two = json.dumps(
        {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}, {"text": "b", "finish_reason": "length"}]}
    )
    first, second = CHAT.decode_response(two.encode()).choices
    assert (first.parts, second.parts, second.finish) == ((Text("a"),), (Text("b"),), Finish.LENGTH)


def test_what_is_no_answer() -> None:
    for bad in (b"{}", b"<html>", b"[]", b"", b'{"choices":[]}', b'{"choices":[7]}'):
        with pytest.raises((Failed, Malformed)):
            CHAT.decode_response(bad)
    with pytest.raises(Failed) as caught:
        CHAT.decode_response(b'{"error":{"message":"slow","code":429}}')
    assert caught.value.failure.kind is Kind.RATE_LIMIT


# Written for clients.


def test_an_answer_is_written() -> None:
    usage = Usage(input=10, output=7, cached=4, cache_write=2, reasoning=3)
    encoded = CHAT.encode_response(answered(Text("a"), Text("b"), usage=usage, created=5, service_tier="flex"), asked())
    assert plain(encoded.body) == {
        "id": "r", "object": "chat.completion", "created": 5, "model": "m", "service_tier": "flex",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "ab", "refusal": None}, "logprobs": None, "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "cache_write_tokens": 2},
            "completion_tokens_details": {
                "reasoning_tokens": 3, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
    }  # fmt: skip
    assert encoded.dropped == ()


def test_thoughts_calls_citations_and_images() -> None:
    message, lost = message_of(
        Reasoning(text="hm", signature=Seal("claude", "s")),
        Text("x", (Citation(url="u", start=0, end=1), Citation(title="no url")), signature=Seal("gemini", "s")),
        ToolCall(id="a", name="f", arguments='{"x": 1}', signature=Seal("gemini", "Cs")),
        Media(kind="image", mime="image/png", data="AA"),
        Media(kind="audio", data="AA"),
        Opaque("server_tool_use", {}),
    )
    assert message == {
        "role": "assistant", "content": "x", "refusal": None, "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}],
        "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "url": "u", "title": "u"}}],
        "tool_calls": [{
            "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'},
            "extra_content": {"google": {"thought_signature": "Cs"}},
        }],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
    }  # fmt: skip
    assert lost == ["citations", "text.signature", "media", "server_tool_use"]


def test_content_is_null_only_beside_calls_and_refusals() -> None:
    assert message_of()[0]["content"] == ""
    assert message_of(ToolCall(id="a", name="f"))[0]["content"] is None
    assert message_of(Declined("no"))[0] == {"role": "assistant", "content": None, "refusal": "no"}


def test_a_call_of_a_free_text_tool_is_one_again() -> None:
    tools = (Tool(name="sh", custom=True), Tool(name="f"))
    for call in (
        ToolCall(id="a", name="sh", arguments='{"input":"ls \\"x\\""}'),
        ToolCall(id="a", name="sh", arguments='ls "x"', custom=True),
        ToolCall(id="a", name="sh", arguments='ls "x"'),
    ):
        message, _ = message_of(call, ToolCall(id="b", name="f"), tools=tools)
        assert message["tool_calls"] == [
            {"id": "a", "type": "custom", "custom": {"name": "sh", "input": 'ls "x"'}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]


def test_its_own_answer_comes_back_whole() -> None:
    sent = json.loads(body(content="x", annotations=[{"type": "odd"}], audio={"id": "a"}, new=1))
    sent["system_fingerprint"] = "fp"
    encoded = CHAT.encode_response(CHAT.decode_response(json.dumps(sent).encode()), asked())
    out = plain(encoded.body)
    assert out["choices"][0]["message"] == {**sent["choices"][0]["message"], "refusal": None}
    assert (out["system_fingerprint"], encoded.dropped) == ("fp", ())
