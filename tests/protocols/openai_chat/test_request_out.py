"""Requests of other wires, written for the chat wire: OpenAI's own rules, and every quirk of those who speak like it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ir.chat import (
    Cache,
    Citation,
    Declined,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols.contract import Dialect
from tests.protocols.openai_chat.kit import CHAT, GPT, USER, asked, fields, plain, read, write

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
TOOL = Tool(name="f", description="d", schema=SCHEMA)
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}}
SHELL = Tool(name="sh", description="Runs.", custom=True, grammar=GRAMMAR)
PNG, PDF = "iVBORw0KGgoAAAANSUhEUg", "JVBERi0xLjc="


def user(*parts: Part) -> Message:
    return Message("user", parts)


def model(*parts: Part) -> Message:
    return Message("assistant", parts)


def result(*parts: Part, call: str = "c", **more: Any) -> Message:
    return Message("tool", (ToolResult(call=call, content=parts, **more),))


def test_a_whole_request() -> None:
    encoded = write(
        asked(
            Message("system", (Text("a"),)),
            Message("developer", (Text("b"),)),
            Message("user", (Text("hi"),), "bob"),
            model(Text("ok"), ToolCall(id="c", name="f", arguments='{"n": 1.0}')),
            result(Text("1")),
            tools=(TOOL,),
            tool_choice=ToolChoice(mode="required"),
            parallel_tools=False,
            max_tokens=9,
            temperature=0,
            stop=("x",),
            seed=0,
            user="u",
            service_tier="flex",
            cache_key="k",
            stream=True,
        )
    )
    assert encoded.body == {
        "model": GPT,
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "developer", "content": "b"},
            {"role": "user", "name": "bob", "content": "hi"},
            {
                "role": "assistant",
                "content": "ok",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"n": 1.0}'}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_completion_tokens": 9,
        "temperature": 0,
        "stop": ["x"],
        "seed": 0,
        "user": "u",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert encoded.dropped == ()


def test_what_says_nothing_is_neither_sent_nor_reported() -> None:
    encoded = write(
        asked(temperature=None, seed=None, top_k=None, stop=(), metadata=None, service_tier=None, user=None)
    )
    assert encoded.body == {"model": GPT, "messages": [{"role": "user", "content": "hi"}]}
    assert encoded.dropped == ()


def test_what_openai_has_no_parameter_for_is_reported() -> None:
    encoded = write(
        asked(
            top_k=3, metadata={"a": "b"}, service_tier="standard_only", stop=tuple("abcdef"),
            extras={"container": "x", "nothing": None},
        )
    )  # fmt: skip
    assert set(fields(encoded)) == {"top_k", "metadata", "service_tier", "stop", "container"}
    assert encoded.body["stop"] == list("abcd"), "four are taken"


# Reasoning models: https://platform.openai.com/docs/guides/reasoning.


@pytest.mark.parametrize("name", ["o3-mini", "o4-mini", "gpt-5", "gpt-5.2", "openai/gpt-5-mini"])
def test_reasoning_models_refuse_samplers(name: str) -> None:
    given = {
        "temperature": 0.5, "top_p": 0.5, "presence_penalty": 1, "frequency_penalty": 1, "logprobs": True,
        "top_logprobs": 2, "logit_bias": {"1": 1},
    }  # fmt: skip
    encoded = write(asked(**given), name)
    assert set(fields(encoded)) == given.keys() and not encoded.body.keys() & given.keys()
    usual = {
        "temperature": 1, "top_p": 1.0, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False,
        "top_logprobs": 0, "logit_bias": {},
    }  # fmt: skip
    silent = write(asked(**usual), name)
    assert silent.dropped == () and not silent.body.keys() & usual.keys()
    assert write(asked(**{**given, "logit_bias": {"1": 1}}), "gpt-5-chat-latest").dropped == ()


@pytest.mark.parametrize(
    ("name", "taken"),
    [("o1", True), ("o3-mini", True), ("o3", False), ("o4-mini", False), ("gpt-5", False), (GPT, True)],
)
def test_the_latest_reasoning_models_take_no_stop(name: str, taken: bool) -> None:
    encoded = write(asked(stop=("x",)), name)
    assert (("stop" in encoded.body), fields(encoded)) == (taken, [] if taken else ["stop"])


@pytest.mark.parametrize(
    ("name", "how", "wanted", "lost"),
    [
        ("o3", {"effort": "low"}, "low", []),
        ("o3", {"effort": "xhigh"}, "high", []),
        ("o3", {"effort": "none"}, "low", ["thinking"]),
        ("gpt-5", {"effort": "minimal"}, "minimal", []),
        ("gpt-5", {"enabled": False}, "minimal", ["thinking"]),
        ("gpt-5-pro", {"effort": "low"}, "high", []),
        ("gpt-5.1", {"effort": "none"}, "none", []),
        ("gpt-5.1", {"effort": "xhigh"}, "high", []),
        ("gpt-5.2", {"effort": "max"}, "xhigh", []),
        ("gpt-5.2", {"effort": "minimal"}, "none", []),
        ("gpt-5", {"budget": 20000}, "high", []),
        ("gpt-5", {"budget": 5000}, "medium", []),
        ("gpt-5", {"adaptive": True, "enabled": True}, None, []),
        (GPT, {"effort": "low"}, None, ["thinking"]),
        (GPT, {"effort": "none"}, None, []),
        ("gpt-5-chat-latest", {"effort": "low"}, None, ["thinking"]),
    ],
)
def test_bug_26_efforts(name: str, how: dict[str, Any], wanted: Any, lost: list[str]) -> None:
    encoded = write(asked(thinking=Thinking(**how)), name)
    assert (encoded.body.get("reasoning_effort"), fields(encoded)) == (wanted, lost)


# Turns.


def test_bug_9_each_result_is_a_message_and_what_is_no_text_follows_them() -> None:
    calls = model(ToolCall(id="a", name="f"), ToolCall(id="b", name="g"))
    image = Media(kind="image", mime="image/png", data=PNG)
    encoded = write(
        asked(
            USER,
            calls,
            Message("tool", (ToolResult(call="a", content=(Text("1"), image)), ToolResult(call="b", error=True))),
        )
    )
    assert encoded.body["messages"][2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
    ]
    assert fields(encoded) == ["tool_result.media", "tool_result.is_error"]


def test_empty_messages_are_left_out_and_refusals_have_their_field() -> None:
    encoded = write(
        asked(USER, Message("user", (), "bob"), model(Reasoning(text="x")), model(Declined("no")), model(Text("")))
    )
    assert encoded.body["messages"][1:] == [
        {"role": "assistant", "refusal": "no", "content": None},
        {"role": "assistant", "content": ""},
    ]


def test_bug_23_ids_of_calls_fit_and_stay_paired() -> None:
    encoded = write(asked(USER, model(ToolCall(id="x" * 64, name="f")), result(Text("1"), call="x" * 64)))
    _, called, answered = encoded.body["messages"]
    assert called["tool_calls"][0]["id"] == answered["tool_call_id"]
    assert len(answered["tool_call_id"]) <= 40


@pytest.mark.parametrize(
    ("part", "wanted", "lost"),
    [
        (
            Media(kind="image", url="https://x", detail="low"),
            {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}},
            [],
        ),
        (
            Media(kind="audio", mime="audio/mpeg", data="AA"),
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
            [],
        ),
        (
            Media(kind="audio", mime="audio/x-wav", data="AA"),
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            [],
        ),
        (
            Media(kind="document", mime="application/pdf", data=PDF),
            {"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            [],
        ),
        (Media(kind="document", text="t"), {"type": "text", "text": "t"}, []),
        (Media(kind="document", url="https://x/y.pdf"), None, ["document.url"]),
        (Media(kind="audio", url="https://x/y.mp3"), None, ["audio.url"]),
        (Media(kind="document", file="file-1"), None, ["document"]),
        (Opaque("widget", {}), None, ["widget"]),
    ],
)
def test_content(part: Part, wanted: Any, lost: list[str]) -> None:
    encoded = write(asked(user(Text("see"), part)))
    text = {"type": "text", "text": "see"}
    assert encoded.body["messages"][0]["content"] == ([text, wanted] if wanted else [text])
    assert fields(encoded) == lost


def test_what_an_earlier_answer_had_elsewhere_is_reported() -> None:
    encoded = write(
        asked(
            Message("user", (Text("hi", extras={"x": 1}, cache=Cache()),), extras={"y": 2}),
            model(
                Text("ho", citations=(Citation(url="u"),), signature=Seal("gemini", "s")),
                Reasoning(text="hm", signature=Seal("claude", "s")),
                ToolCall(id="c", name="f", signature=Seal("gemini", "s"), extras={"z": 3}),
            ),
            result(Text("1")),
        )
    )
    assert set(fields(encoded)) == {
        "x", "y", "z", "cache_control", "citations", "text.signature", "reasoning", "tool_call.signature",
    }  # fmt: skip


# Tools.


def test_no_choice_among_no_tools() -> None:
    hosted = HostedTool("web_search_20250305", {})
    encoded = write(asked(tools=(hosted,), tool_choice=ToolChoice(mode="auto"), parallel_tools=True))
    assert encoded.body.keys() == {"model", "messages"}
    assert fields(encoded) == ["tools.web_search_20250305"]
    raw = write(asked(tools=(TOOL,), tool_choice=ToolChoice(mode="auto", raw={"type": "x"})))
    assert "tool_choice" not in raw.body and fields(raw) == ["tool_choice"]


def test_tools_and_choices() -> None:
    bare = write(asked(tools=(Tool(name="f", strict=True, extras={"x": 1}),)))
    assert bare.body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False},
        }
    ]
    assert fields(bare) == ["tools.strict", "x"], "an open schema cannot be strict: it would be answered with a 400"
    named = {"type": "function", "function": {"name": "f"}}
    for choice, wanted in (
        (ToolChoice(mode="auto"), "auto"),
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="tool", name="f"), named),
        (
            ToolChoice(mode="auto", allowed=("f",)),
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}},
        ),
    ):
        assert write(asked(tools=(TOOL,), tool_choice=choice)).body["tool_choice"] == wanted


def test_free_text_tools_of_openai() -> None:
    flat = Tool(name="sh", custom=True, grammar={"type": "grammar", "syntax": "lark", "definition": "start: /x/"})
    for tool in (SHELL, flat):
        encoded = write(
            asked(
                USER, model(ToolCall(id="c", name="sh", arguments="ls", custom=True)), result(Text("ok"), custom=True),
                tools=(tool, TOOL), tool_choice=ToolChoice(mode="tool", name="sh"),
            )
        )  # fmt: skip
        assert encoded.body["tools"][0]["type"] == "custom"
        assert encoded.body["tools"][0]["custom"]["format"] == GRAMMAR, "nested, as this wire has it"
        assert encoded.body["tool_choice"] == {"type": "custom", "custom": {"name": "sh"}}
        assert encoded.body["messages"][1]["tool_calls"] == [
            {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
        ]
        assert encoded.dropped == ()
    allowed = write(asked(tools=(SHELL, TOOL), tool_choice=ToolChoice(mode="auto", allowed=("sh", "f"))))
    assert [each["type"] for each in allowed.body["tool_choice"]["allowed_tools"]["tools"]] == ["custom", "function"]


def test_forms_of_the_answer() -> None:
    form = Format(kind="json_schema", name="my answer", description="d", schema=SCHEMA, strict=True, extras={"x": 1})
    encoded = write(asked(format=form))
    inner = encoded.body["response_format"]["json_schema"]
    assert (inner["description"], inner["schema"], inner["strict"]) == ("d", SCHEMA, False), "an open one cannot be"
    assert " " not in inner["name"]
    assert fields(encoded) == ["response_format.strict", "response_format.x"]
    closed = {**SCHEMA, "required": ["n"], "additionalProperties": False}
    strict = write(asked(format=Format(kind="json_schema", schema=closed, strict=True)))
    assert (strict.body["response_format"]["json_schema"]["strict"], strict.dropped) == (True, ())
    unnamed = write(asked(format=Format(kind="json_schema", schema=SCHEMA)))
    assert unnamed.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }
    assert write(asked(format=Format(kind="json_object"))).body["response_format"] == {"type": "json_object"}


# The quirks, by a preset that has each (providers/catalog.py).


def test_elsewhere_the_bound_has_its_older_name_and_developers_are_the_system() -> None:
    encoded = write(asked(Message("developer", (Text("a"),)), USER, max_tokens=9), preset="xai")
    assert encoded.body["max_tokens"] == 9 and "max_completion_tokens" not in encoded.body
    assert encoded.body["messages"][0]["role"] == "system"
    assert write(asked(max_tokens=9), preset="groq").body["max_completion_tokens"] == 9


def test_elsewhere_a_free_text_tool_is_a_function_of_one_text() -> None:
    encoded = write(
        asked(USER, model(ToolCall(id="c", name="sh", arguments='ls "x"', custom=True)), result(Text("ok")), tools=(SHELL,),
              tool_choice=ToolChoice(mode="tool", name="sh")),
        preset="vllm",
    )  # fmt: skip
    function = encoded.body["tools"][0]["function"]
    assert function["parameters"]["properties"] == {"input": {"type": "string"}}
    assert function["description"].endswith("start: /x/")
    assert encoded.body["messages"][1]["tool_calls"][0]["function"] == {
        "name": "sh",
        "arguments": '{"input":"ls \\"x\\""}',
    }
    assert encoded.body["tool_choice"] == {"type": "function", "function": {"name": "sh"}}


def test_elsewhere_allowed_tools_are_the_only_ones_sent() -> None:
    choice = ToolChoice(mode="required", allowed=("f",))
    encoded = write(asked(tools=(TOOL, Tool(name="g")), tool_choice=choice), preset="together")
    assert [tool["function"]["name"] for tool in encoded.body["tools"]] == ["f"]
    assert encoded.body["tool_choice"] == "required"


def test_thoughts_are_taken_back_by_some() -> None:
    thought = Reasoning(text="hm", signature=Seal("claude", "s"))
    turn = model(thought, Text("x"))
    content = write(asked(USER, turn), preset="deepseek")
    assert content.body["messages"][1] == {"role": "assistant", "content": "x", "reasoning_content": "hm"}
    assert fields(content) == ["reasoning.signature"]
    details = write(asked(USER, turn), preset="openrouter")
    assert details.body["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    ]
    assert details.dropped == ()
    plain_ = write(asked(USER, model(Reasoning(text="hm"), Text("x"))), preset="openrouter")
    assert plain_.body["messages"][1]["reasoning"] == "hm"
    assert fields(write(asked(USER, turn), preset="xai")) == ["reasoning"]


def test_every_seal_of_every_family_has_its_detail() -> None:
    encoded = write(
        asked(
            USER,
            model(
                Reasoning(redacted=Seal("claude", "Em")),
                Reasoning(text="so", summary=("so",), signature=Seal("openai", "g", "rs_1")),
                Reasoning(signature=Seal("gemini", "Cs")),
                Text("x"),
            ),
        ),
        preset="openrouter",
    )
    assert encoded.body["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": "Em", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.summary", "summary": "so", "format": "openai-responses-v1", "index": 1, "id": "rs_1"},
        {"type": "reasoning.encrypted", "data": "g", "format": "openai-responses-v1", "index": 2, "id": "rs_1"},
        {"type": "reasoning.encrypted", "data": "Cs", "format": "google-gemini-v1", "index": 3},
    ]
    assert read({"messages": [encoded.body["messages"][1]]}).messages[0].parts[:3] == (
        Reasoning(redacted=Seal("claude", "Em")),
        Reasoning(text="so", summary=("so",), signature=Seal("openai", "g", "rs_1"), id="rs_1"),
        Reasoning(signature=Seal("gemini", "Cs")),
    )


def test_openrouter_has_an_object_for_reasoning() -> None:
    for how, wanted in (
        ({"budget": 2000}, {"max_tokens": 2000}),
        ({"effort": "low"}, {"effort": "low"}),
        ({"enabled": False}, {"effort": "none"}),
        ({"enabled": True}, {"enabled": True}),
    ):
        encoded = write(asked(thinking=Thinking(**how)), preset="openrouter")  # type: ignore[arg-type]
        assert encoded.body["reasoning"] == wanted and "reasoning_effort" not in encoded.body
    own = read({"reasoning": {"effort": "low", "exclude": True}})
    assert write(own, preset="openrouter").body["reasoning"] == {"exclude": True, "effort": "low"}
    elsewhere = write(asked(thinking=Thinking(effort="low", extras={"exclude": True})), "o3")
    assert fields(elsewhere) == ["reasoning.exclude"]


def test_some_take_efforts_for_every_model() -> None:
    encoded = write(asked(thinking=Thinking(effort="max")), "claude", "litellm")
    assert encoded.body["reasoning_effort"] == "xhigh"


def test_bug_19_cache_marks_go_to_those_who_take_them() -> None:
    request = asked(
        user(Text("hi", cache=Cache("1h"))), model(ToolCall(id="c", name="f")), result(Text("1"), cache=Cache()),
        tools=(Tool(name="f", cache=Cache()),),
    )  # fmt: skip
    encoded = write(request, preset="openrouter")
    mark = {"type": "ephemeral"}
    assert encoded.body["messages"][0]["content"] == [
        {"type": "text", "text": "hi", "cache_control": {**mark, "ttl": "1h"}}
    ]
    assert encoded.body["messages"][2]["cache_control"] == mark and encoded.body["tools"][0]["cache_control"] == mark
    assert encoded.dropped == ()
    refused = write(request)
    assert refused.body["messages"][0]["content"] == "hi" and fields(refused) == ["cache_control"]


def test_bug_7_geminis_signature_goes_to_those_who_take_it() -> None:
    turn = model(ToolCall(id="c", name="f", signature=Seal("gemini", "Cs")))
    call = write(asked(USER, turn, result(Text("1"))), preset="openrouter").body["messages"][1]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "Cs"}}


def test_mistral() -> None:
    # https://docs.mistral.ai/api: ids of nine letters and digits, random_seed, documents as URLs, usage in every stream
    ids = ("call_abc", "toolu_01", "aB3dE6gH9")
    encoded = write(
        asked(
            user(Media(kind="document", url="https://x/y.pdf"), Media(kind="document", mime="application/pdf", data=PDF),
                 Media(kind="audio", url="https://x/y.mp3")),
            model(*(ToolCall(id=id_, name="f") for id_ in ids)),
            Message("tool", tuple(ToolResult(call=id_, content=(Text("1"),)) for id_ in ids)),
            seed=0, user="u", logprobs=True, service_tier="auto", stream=True, stream_usage=True,
        ),
        "mistral-large-latest",
        "mistral",
    )  # fmt: skip
    body = encoded.body
    assert body["messages"][0]["content"] == [
        {"type": "document_url", "document_url": "https://x/y.pdf"},
        {"type": "document_url", "document_url": f"data:application/pdf;base64,{PDF}"},
    ]
    called = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert called == [message["tool_call_id"] for message in body["messages"][2:]]
    assert called[2] == "aB3dE6gH9" and all(len(id_) == 9 and id_.isalnum() for id_ in called)
    assert body["random_seed"] == 0 and "seed" not in body and "stream_options" not in body
    assert set(fields(encoded)) == {"audio.url", "user", "logprobs", "service_tier"}, (
        "usage is not lost: it comes unasked"
    )


def test_bug_11_one_system_message_where_templates_want_one() -> None:
    encoded = write(asked(Message("system", (Text("a"),)), USER, Message("system", (Text("b"),)), USER), preset="vllm")
    assert [message["role"] for message in encoded.body["messages"]] == ["system", "user", "user", "user"]
    assert encoded.body["messages"][2]["content"] == "<system-reminder>\nb\n</system-reminder>"
    assert fields(encoded) == ["messages.system"]
    assert write(asked(USER, Message("system", (Text("b"),)), USER)).body["messages"][1]["role"] == "system"


def test_fields_that_would_be_answered_with_an_error() -> None:
    encoded = write(asked(logprobs=True, logit_bias={"1": 1}, top_p=0.5), preset="groq")
    assert "logprobs" not in encoded.body and encoded.body["top_p"] == 0.5
    assert fields(encoded) == ["logprobs", "logit_bias"]
    assert write(asked(top_k=4), preset="together").body["top_k"] == 4


def test_quirks_that_no_preset_has_yet() -> None:
    def dialect(*quirks: str) -> Any:
        request = asked(tools=(Tool(name="f", strict=True),), tool_choice=ToolChoice(mode="required"))
        return plain(CHAT.encode_request(request, Dialect("x", "m", frozenset(quirks))).body)

    assert dialect("any")["tool_choice"] == "any"
    assert "strict" not in dialect("no_strict")["tools"][0]["function"]
    assert "tool_choice" not in dialect("no_tool_choice")


# A client of this wire whose request cannot pass as bytes gets back what it wrote.


def test_the_same_wire_gets_back_what_it_wrote() -> None:
    body = {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "be", "cache_control": {"type": "ephemeral"}}], "x": 1},
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}, {"type": "widget", "a": 1}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{
                    "id": "a" * 50, "type": "function", "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "Cs"}},
                }],
            },
            {"role": "tool", "tool_call_id": "a" * 50, "content": "1"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": None}, "x": 1},
            {"type": "custom", "custom": {"name": "sh", "format": GRAMMAR}},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "sh"}}]}},
        "max_tokens": 5, "temperature": 2, "top_k": 3, "stop": ["a"], "n": 2, "logprobs": None, "metadata": {"a": 1},
        "service_tier": "new", "reasoning_effort": "new", "store": True, "parallel_tool_calls": True, "prompt_cache_key": "k",
    }  # fmt: skip
    encoded = write(read(body), "m", "xai")
    wanted = plain(body)
    wanted["tools"][0]["function"].pop("strict")
    assert encoded.body == {**wanted, "model": "m"}
    assert encoded.dropped == ()
