"""Chat requests, as clients of OpenAI's chat wire and of its many relatives write them, in the IR."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from gateway.failure import Refused
from gateway.ir.chat import (
    Cache,
    Declined,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Reasoning,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols.reading import Malformed
from gateway.protocols.translate import request_of
from tests.protocols.openai_chat.kit import CHAT, read

PNG = "iVBORw0KGgoAAAANSUhEUg"
PDF = "JVBERi0xLjc="


def message(**fields: Any) -> Message:
    return read({"messages": [fields]}).messages[0]


def parts(*content: Any) -> Any:
    return message(role="user", content=list(content)).parts


def test_the_smallest_request_says_nothing_that_was_not_said() -> None:
    request = read({})
    assert request.messages == (Message("user", (Text("hi"),)),)
    names = "max_tokens temperature top_p top_k stop seed presence_penalty frequency_penalty logprobs top_logprobs "
    for name in (names + "logit_bias n user service_tier metadata cache_key parallel_tools").split():
        assert getattr(request, name) is UNSET, name
    assert (request.tool_choice, request.format, request.thinking, request.extras) == (None, None, None, {})
    assert (request.stream, request.stream_usage) == (False, False)


def test_bug_20_explicit_values_are_values() -> None:
    given_ = {
        "temperature": 0, "top_p": 0.0, "top_k": 0, "seed": 0, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False,
        "top_logprobs": 0, "logit_bias": {}, "n": 1, "user": "", "service_tier": None, "metadata": {},
    }  # fmt: skip
    request = read({**given_, "stop": [], "prompt_cache_key": "k", "parallel_tool_calls": False})
    assert {name: getattr(request, name) for name in given_} == given_
    assert (request.stop, request.cache_key, request.parallel_tools) == ((), "k", False)


def test_two_names_of_the_bound_and_two_forms_of_stop() -> None:
    assert read({"max_tokens": 5}).max_tokens == 5
    assert read({"max_tokens": 5, "max_completion_tokens": 7}).max_tokens == 7
    assert read({"max_tokens": 5, "max_completion_tokens": None}).max_tokens == 5
    assert read({"stop": "x"}).stop == ("x",)
    assert read({"stop": None}).stop is None


def test_streams_and_what_only_this_wire_knows() -> None:
    request = read({"stream": True, "stream_options": {"include_usage": True}, "store": True, "verbosity": "low"})
    assert (request.stream, request.stream_usage) == (True, True)
    assert {"store": True, "verbosity": "low"}.items() <= request.extras.items()
    assert read({"stream": True, "stream_options": {"include_usage": False}}).stream_usage is False


def test_roles() -> None:
    roles = ("system", "developer", "user", "assistant")
    request = read({"messages": [{"role": role, "content": "x", "name": "n"} for role in roles]})
    assert request.messages == tuple(Message(role, (Text("x"),), "n") for role in roles)  # type: ignore[arg-type]


def test_a_tool_loop() -> None:
    request = read(
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"x": 1.0}'},
                            "index": 0,
                        },
                        {"id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
                        {"id": "c", "function": {"name": "g", "arguments": {"y": 1}}},
                        {"id": "d", "type": "function", "function": {"name": "h", "arguments": ""}},
                    ],
                },
                {"role": "tool", "tool_call_id": "a", "content": "one"},
                {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}], "is_error": True},
            ]
        }
    )
    assert request.messages == (
        Message(
            "assistant",
            (
                ToolCall(id="a", name="f", arguments='{"x": 1.0}'),
                ToolCall(id="b", name="sh", arguments="ls", custom=True),
                ToolCall(id="c", name="g", arguments='{"y":1}'),
                ToolCall(id="d", name="h", arguments="{}"),
            ),
        ),
        Message("tool", (ToolResult(call="a", content=(Text("one"),)),)),
        Message("tool", (ToolResult(call="b", content=(Text("2"),), error=True),)),
    )


def test_the_functions_that_preceded_tools_stay_paired() -> None:
    request = read(
        {
            "functions": [{"name": "f", "parameters": {"type": "object"}}],
            "function_call": {"name": "f"},
            "messages": [
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "1"},
            ],
        }
    )
    assert request.tools == (Tool(name="f", schema={"type": "object"}),)
    assert request.tool_choice == ToolChoice(mode="tool", name="f")
    call, result = (each.parts[0] for each in request.messages)
    assert isinstance(call, ToolCall) and isinstance(result, ToolResult) and call.id == result.call
    assert read({"function_call": "none"}).tool_choice == ToolChoice(mode="none")


def test_media() -> None:
    assert parts(
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": f"data:;base64,{PNG}"}},
        {"type": "image_url", "image_url": "https://x/y.png"},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": PDF}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}},
        {"type": "document_url", "document_url": "https://x/y.pdf"},
    ) == (
        Media(kind="image", mime="image/png", data=PNG, detail="high"),
        Media(kind="image", mime="image/png", data=PNG),
        Media(kind="image", url="https://x/y.png"),
        Media(kind="audio", mime="audio/mpeg", data="AA"),
        Media(kind="document", mime="application/pdf", data=PDF, name="a.pdf"),
        Media(kind="document", mime="application/pdf", data=PDF),
        Media(kind="document", file="file-1"),
        Media(kind="video", url="https://x/y.mp4"),
        Media(kind="document", url="https://x/y.pdf"),
    )


def test_other_parts() -> None:
    assert parts("x", {"type": "refusal", "refusal": "no"}, {"type": "widget", "a": 1}) == (
        Text("x"),
        Declined("no"),
        Opaque("widget", {"type": "widget", "a": 1}),
    )
    assert message(role="assistant", content="a", refusal="no", audio={"id": "x"}, annotations=[]).parts == (
        Text("a"), Declined("no"), Opaque("audio", {"audio": {"id": "x"}}),
    )  # fmt: skip


def test_cache_marks_on_parts_messages_and_tools() -> None:
    mark = {"type": "ephemeral"}
    assert parts({"type": "text", "text": "x", "cache_control": {**mark, "ttl": "1h"}}) == (
        Text("x", cache=Cache("1h")),
    )
    assert message(role="system", content="x", cache_control=mark).parts == (Text("x", cache=Cache()),)
    tools = [
        {"type": "function", "function": {"name": "f"}, "cache_control": mark},
        {"type": "function", "function": {"name": "g", "cache_control": mark}},
    ]
    assert read({"tools": tools}).tools == (Tool(name="f", cache=Cache()), Tool(name="g", cache=Cache()))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"reasoning_content": "hm"}, (Reasoning(text="hm"), Text("x"))),
        ({"reasoning": "hm"}, (Reasoning(text="hm"), Text("x"))),
        (
            {"reasoning": "hm", "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}]},
            (Reasoning(text="hm", signature=Seal("claude", "s")), Text("x")),
        ),
        (
            {"reasoning_details": [
                {"type": "reasoning.summary", "summary": "so", "format": "openai-responses-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "g", "id": "rs_1", "format": "openai-responses-v1", "index": 0}]},
            (Reasoning(text="so", summary=("so",), signature=Seal("openai", "g", "rs_1"), id="rs_1"), Text("x")),
        ),
        (
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "Em", "format": "anthropic-claude-v1"}]},
            (Reasoning(redacted=Seal("claude", "Em")), Text("x")),
        ),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]},
         (Reasoning(text="hm"), Text("x"))),
    ],
)  # fmt: skip
def test_thoughts_under_their_many_names(said: dict[str, Any], wanted: Any) -> None:
    assert message(**{"role": "assistant", "content": "x", **said}).parts == wanted


def test_bug_7_geminis_signature_of_a_call() -> None:
    call = {
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "Cs"}},
    }
    assert message(role="assistant", tool_calls=[call]).parts == (
        ToolCall(id="a", name="f", signature=Seal("gemini", "Cs")),
    )


def test_tools() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}}
    search = {"type": "web_search", "x": 1}
    request = read(
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
                },
                {"type": "custom", "custom": {"name": "sh", "description": "d", "format": grammar}},
                search,
            ]
        }
    )
    assert request.tools == (
        Tool(name="f", description="d", schema={"type": "object"}, strict=False),
        Tool(name="sh", description="d", custom=True, grammar=grammar),
        HostedTool("web_search", search),
    )


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ("any", ToolChoice(mode="required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="tool", name="f")),
        ({"type": "custom", "custom": {"name": "sh"}}, ToolChoice(mode="tool", name="sh")),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
                {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "sh"}}]}},
            ToolChoice(mode="required", allowed=("f", "sh")),
        ),
        ({"type": "mcp", "server": "s"}, ToolChoice(mode="auto", raw={"type": "mcp", "server": "s"})),
        (None, None),
    ],
)  # fmt: skip
def test_tool_choices(choice: Any, wanted: Any) -> None:
    assert read({"tool_choice": choice}).tool_choice == wanted


def test_forms_of_the_answer_and_efforts() -> None:
    schema = {"name": "a", "description": "d", "schema": {"type": "object"}, "strict": True}
    assert read({"response_format": {"type": "json_schema", "json_schema": schema}}).format == Format(
        kind="json_schema", name="a", description="d", schema={"type": "object"}, strict=True
    )
    assert read({"response_format": {"type": "json_object"}}).format == Format(kind="json_object")
    assert read({"response_format": {"type": "text"}}).format == Format(kind="text")
    assert read({"reasoning_effort": "xhigh"}).thinking == Thinking(effort="xhigh")
    openrouter = {"effort": "low", "max_tokens": 2000, "enabled": True, "exclude": True}
    assert read({"reasoning": openrouter}).thinking == Thinking(
        effort="low", budget=2000, enabled=True, extras={"exclude": True}
    )


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0].function"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 1.5}, "n"),
        ({"stop": 7}, "stop"),
        ({"stop": [7]}, "stop[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "some"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"stream_options": 7}, "stream_options"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], at: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(body)
    assert caught.value.at == at


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = "messages tools tool_choice function_call functions response_format reasoning stop stream_options".split()


@settings(max_examples=60)
@given(st.sampled_from(NAMES), JSON)
def test_no_json_raises_anything_but_a_refusal(name: str, value: Any) -> None:
    for given_ in (
        value,
        [value],
        [{"role": "user", "content": [value]}],
        [{"role": "assistant", "tool_calls": value}],
    ):
        body = json.dumps({"model": "m", "messages": [], name: given_}).encode()
        with contextlib.suppress(Refused):
            request_of(CHAT, CHAT.decode_head(body, None, None))
