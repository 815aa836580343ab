"""Turns and blocks of messages requests: the wire's own rules, each of which the API answers with a 400."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from gateway.ir.chat import (
    Cache,
    Citation,
    Declined,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Seal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.protocols.contract import Dialect
from gateway.protocols.translate import encoded as translated
from tests.protocols.anthropic.kit import ANTHROPIC, SONNET_45, THOUGHT, USER, asked, fields, plain, write

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
PDF = base64.b64encode(b"%PDF-1.7....").decode()
TOOLS = (Tool(name="f"), Tool(name="g"))


def turns(*messages: Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = write(asked(*messages, tools=TOOLS)).body["messages"]
    return found


def user(*parts: Part) -> Message:
    return Message("user", parts)


def model(*parts: Part) -> Message:
    return Message("assistant", parts)


def block(part: Part) -> tuple[Any, list[str]]:
    """What becomes of a part beside a text."""
    encoded = write(asked(user(Text("see"), part)))
    content = encoded.body["messages"][0]["content"]
    return (content if content == "see" else content[1]), fields(encoded)


def test_bug_10_blank_texts_are_left_out() -> None:
    assert turns(user(Text("hi"), Text(" \n"), Text("")), model(Text(""), Text("ho")), user(Text(" x "))) == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "ho"},
        {"role": "user", "content": " x "},
    ]
    assert turns(user(Text("hi")), model(Text(" ")), user(Text(""))) == [
        {"role": "user", "content": "hi"},
        {"role": "user", "content": "(no content)"},
    ]
    assert "system" not in write(asked(Message("system", (Text(" "),)), USER)).body


def test_the_first_turn_is_the_users() -> None:
    assert turns(model(Text("Hello!")), USER)[0] == {"role": "user", "content": "(no content)"}


def test_a_prompt_of_system_texts_only() -> None:
    encoded = write(asked(Message("system", (Text("a"),)), Message("developer", (Text("b"),))))
    assert "system" not in encoded.body
    assert [turn["content"] for turn in encoded.body["messages"]] == ["a", "b"]
    assert fields(encoded) == ["messages.system"]


def test_a_beginning_of_the_answer_does_not_end_in_white_space() -> None:
    assert turns(USER, model(Text("It is \n")))[-1] == {"role": "assistant", "content": "It is"}


def test_several_system_texts_are_blocks() -> None:
    encoded = write(asked(Message("system", (Text("a"),)), Message("developer", (Text("b", cache=Cache("1h")),)), USER))
    assert encoded.body["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]


def test_bug_11_a_system_text_in_the_middle_stays_after_the_results_that_a_call_waits_for() -> None:
    encoded = write(
        asked(
            USER,
            model(ToolCall(id="c", name="f")),
            Message("system", (Text("mind"),)),
            Message("tool", (ToolResult(call="c", content=(Text("1"),)),)),
            tools=TOOLS,
        )
    )
    assert encoded.body["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "c", "content": "1"},
        {"type": "text", "text": "<system-reminder>\nmind\n</system-reminder>"},
    ]
    assert fields(encoded) == ["messages.system"]


def test_bug_9_results_of_parallel_calls_are_one_turn_and_first() -> None:
    assert turns(
        USER,
        model(Text("ok"), ToolCall(id="a", name="f"), ToolCall(id="b", name="g")),
        Message("tool", (ToolResult(call="a", content=(Text("1"),)),)),
        user(Text("and")),
        Message("tool", (ToolResult(call="b", content=(Text("2"),), error=True),)),
        user(Text("go on")),
    )[2:] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {"type": "tool_result", "tool_use_id": "b", "content": "2", "is_error": True},
                {"type": "text", "text": "and"},
                {"type": "text", "text": "go on"},
            ],
        }
    ]


def test_a_result_may_be_empty_and_may_hold_images() -> None:
    results = (
        ToolResult(call="a", content=(Text(" "),)),
        ToolResult(call="b", content=(Text("x"), Media(kind="image", data=PNG), Media(kind="audio", data="AA"))),
    )
    calls = model(ToolCall(id="a", name="f"), ToolCall(id="b", name="g"))
    encoded = write(asked(USER, calls, Message("tool", results), tools=TOOLS))
    empty, full = encoded.body["messages"][-1]["content"]
    assert empty == {"type": "tool_result", "tool_use_id": "a"}
    assert [each["type"] for each in full["content"]] == ["text", "image"]
    assert fields(encoded) == ["audio"]


def test_arguments_are_an_object() -> None:
    for arguments, wanted in (
        ('{"a":1}', {"a": 1}),
        ("", {}),
        ("null", {}),
        ("[1]", {"input": [1]}),
        ('{"a', {"input": '{"a'}),
    ):
        call = turns(
            USER, model(ToolCall(id="c", name="f", arguments=arguments)), Message("tool", (ToolResult(call="c"),))
        )[1]
        assert call["content"][0]["input"] == wanted


def test_bug_23_ids_of_calls_are_made_to_fit_and_stay_paired() -> None:
    ids = ("call.1", "call_1", "functions.f:0", "x" * 100)
    made = turns(
        USER, model(*(ToolCall(id=each, name="f") for each in ids)), Message("tool", tuple(ToolResult(call=each) for each in ids))
    )  # fmt: skip
    called = [each["id"] for each in made[1]["content"]]
    assert called == [each["tool_use_id"] for each in made[2]["content"]]
    assert called[1] == "call_1" and len(set(called)) == 4
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in called)


@pytest.mark.parametrize(
    ("media", "wanted", "lost"),
    [
        (
            Media(kind="image", data=PNG, detail="auto"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            [],
        ),
        (
            Media(kind="image", url="https://x/y", detail="high", cache=Cache()),
            {"type": "image", "source": {"type": "url", "url": "https://x/y"}, "cache_control": {"type": "ephemeral"}},
            ["image.detail"],
        ),
        (
            Media(kind="image", data="AAAA"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
            [],
        ),
        (Media(kind="image", mime="image/tiff", data="AAAA"), "see", ["image"]),
        (
            Media(kind="document", data=PDF, name="a.pdf", citations=True),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "title": "a.pdf",
                "citations": {"enabled": True},
            },
            [],
        ),
        (
            Media(kind="document", mime="text/csv", data=base64.b64encode(b"a,b").decode()),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
            [],
        ),
        (
            Media(kind="document", text="t"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}},
            [],
        ),
        (
            Media(kind="document", url="https://x/y.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
            [],
        ),
        (
            Media(kind="document", mime="image/png", data=PNG, name="a.png"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            [],
        ),
        (Media(kind="document", mime="application/zip", data="AAAA"), "see", ["document"]),
        (Media(kind="document", file="file-1"), "see", ["document"]),
        (Media(kind="audio", mime="audio/wav", data="AAAA"), "see", ["audio"]),
        (Media(kind="video", url="https://x/y.mp4"), "see", ["video"]),
    ],
)
def test_media(media: Media, wanted: Any, lost: list[str]) -> None:
    assert block(media) == (wanted, lost)


def test_bug_19_cache_marks_are_carried_wherever_they_stand() -> None:
    encoded = write(
        asked(
            user(Text("hi", cache=Cache())),
            model(ToolCall(id="c", name="f", cache=Cache())),
            Message("tool", (ToolResult(call="c", cache=Cache("5m")),)),
            tools=(Tool(name="f", cache=Cache("1h")),),
        )
    )
    mark = {"type": "ephemeral"}
    assert encoded.body["messages"][0]["content"] == [{"type": "text", "text": "hi", "cache_control": mark}]
    assert encoded.body["messages"][1]["content"][0]["cache_control"] == mark
    assert encoded.body["messages"][2]["content"][0]["cache_control"] == {**mark, "ttl": "5m"}
    assert encoded.body["tools"][0]["cache_control"] == {**mark, "ttl": "1h"}
    assert encoded.dropped == ()


@pytest.mark.parametrize(
    ("thought", "wanted"),
    [
        (
            Reasoning(text="hm", signature=Seal("claude", THOUGHT)),
            {"type": "thinking", "thinking": "hm", "signature": THOUGHT},
        ),
        (Reasoning(redacted=Seal("claude", "Em")), {"type": "redacted_thinking", "data": "Em"}),
        (Reasoning(text="hm"), None),
        (Reasoning(text="hm", signature=Seal("openai", "g")), None),
        (Reasoning(redacted=Seal("gemini", "C")), None),
    ],
)
def test_bug_6_only_thought_that_claude_signed_goes_back(thought: Reasoning, wanted: Any) -> None:
    encoded = write(asked(USER, model(thought, Text("ho")), USER))
    text = {"type": "text", "text": "ho"}
    assert encoded.body["messages"][1]["content"] == ([wanted, text] if wanted else "ho")
    assert fields(encoded) == ([] if wanted else ["reasoning"])


def test_bug_5_a_signed_thought_without_text_is_kept() -> None:
    request = asked(USER, model(Reasoning(signature=Seal("claude", "sig")), Text("ho")), USER)
    body = write(request, checked=False).body  # the sandbox's signatures vouch for another text
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "", "signature": "sig"}


def test_what_an_earlier_answer_had_elsewhere_is_reported() -> None:
    encoded = write(
        asked(
            Message("user", (Text("hi", extras={"x": 1}),), "bob", {"y": 2}),
            model(
                Text("ho", citations=(Citation(url="u"),), signature=Seal("gemini", "s")),
                Declined("no"),
                Media(kind="image", data=PNG),
                ToolCall(id="c", name="f", signature=Seal("gemini", "s")),
            ),
            Message("tool", (ToolResult(call="c", extras={"z": 3}),)),
            tools=TOOLS,
        )
    )
    assert set(fields(encoded)) == {
        "messages.name", "x", "y", "citations", "text.signature", "assistant.image", "tool_call.signature", "z",
    }  # fmt: skip
    assert [each.get("text") for each in encoded.body["messages"][1]["content"]] == ["ho", "no", None]


def test_blocks_of_another_wire_are_said_in_words_where_they_have_any() -> None:
    request = asked(user(Text("hi"), Opaque("search", {}, "found"), Opaque("widget", {})))
    encoded = translated(ANTHROPIC, request, Dialect("anthropic", SONNET_45))
    assert plain(encoded.body)["messages"][0]["content"] == [
        {"type": "text", "text": "hi"},
        {"type": "text", "text": "found"},
    ]
    assert fields(encoded) == ["search", "widget"]
