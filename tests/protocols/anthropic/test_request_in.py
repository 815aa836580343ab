"""Messages requests, as clients of Anthropic's wire write them, in the IR. Source: the API reference of /v1/messages."""

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
    Citation,
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
from tests.protocols.anthropic.kit import ANTHROPIC, read

PNG = "iVBORw0KGgoAAAANSUhEUg"


def parts(*content: Any, role: str = "user") -> Any:
    return read({"messages": [{"role": role, "content": list(content)}]}).messages[0].parts


def test_the_smallest_request_says_nothing_that_was_not_said() -> None:
    request = read({})
    assert request.messages == (Message("user", (Text("hi"),)),)
    assert (request.max_tokens, request.stream, request.stream_usage) == (100, False, True)
    for name in ("temperature", "top_p", "top_k", "stop", "user", "service_tier", "parallel_tools", "seed", "n"):
        assert getattr(request, name) is UNSET, name
    assert (request.tools, request.tool_choice, request.format, request.thinking) == ((), None, None, None)
    assert request.extras == {}


def test_explicit_values_are_values() -> None:
    request = read(
        {"temperature": 0, "top_p": 0.0, "top_k": 0, "stop_sequences": [], "metadata": {"user_id": None},
         "service_tier": "standard_only", "stream": True}
    )  # fmt: skip
    assert (request.temperature, request.top_p, request.top_k, request.stop) == (0, 0.0, 0, ())
    assert (request.user, request.service_tier, request.stream) == (None, "default", True)


def test_fields_that_only_this_wire_knows() -> None:
    request = read({"container": "c", "mcp_servers": [], "output_config": {"effort": "low", "new": 1}})
    assert request.extras == {"container": "c", "mcp_servers": [], "output_config": {"new": 1}}
    assert request.thinking == Thinking(effort="low")


def test_system_texts() -> None:
    assert read({"system": "be"}).messages[0] == Message("system", (Text("be"),))
    blocks = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
    ]
    assert read({"system": blocks}).messages[0].parts == (Text("a", cache=Cache("1h")), Text("b", cache=Cache()))
    later = read({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}).messages
    assert [message.role for message in later] == ["user", "system"], "where it was said"
    assert [message.role for message in read({"system": None}).messages] == ["user"]


def test_results_are_messages_of_their_own_in_the_order_they_were_written() -> None:
    request = read(
        {
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.0}}]},
                {
                    "role": "user",
                    "id": "turn",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": "one", "is_error": False},
                        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
                        {"type": "text", "text": "and"},
                        {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "3"}]},
                    ],
                },
            ]
        }
    )
    assert request.messages == (
        Message("assistant", (ToolCall(id="a", name="f", arguments='{"x":1.0}'),)),
        Message(
            "tool",
            (ToolResult(call="a", content=(Text("one"),), error=False), ToolResult(call="b", error=True)),
            extras={"id": "turn"},
        ),
        Message("user", (Text("and"),)),
        Message("tool", (ToolResult(call="c", content=(Text("3"),)),)),
    )


def test_media() -> None:
    assert parts(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "base64", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}, "title": "T",
         "citations": {"enabled": True}, "context": "c"},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}},
    )[:5] == (
        Media(kind="image", mime="image/png", data=PNG),
        Media(kind="image", mime="image/png", data=PNG),
        Media(kind="image", url="https://x/y.png", cache=Cache()),
        Media(kind="document", mime="text/plain", text="t", name="T", citations=True, extras={"context": "c"}),
        Media(kind="document", file="f"),
    )  # fmt: skip


def test_blocks_of_its_own_have_words_where_they_have_any() -> None:
    search = {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "found"}]}
    document = {
        "type": "document",
        "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    }
    hosted = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = parts(search, document, {"type": "tool_reference", "tool_name": "f"}, hosted)
    assert [(part.what, part.text) for part in found] == [
        ("search_result", "T (S)\nfound"),
        ("document.content", "a\nb"),
        ("tool_reference", "The tool f is available now."),
        ("server_tool_use", None),
    ]
    assert found[3] == Opaque("server_tool_use", hosted)


def test_thoughts_and_their_seals() -> None:
    found = parts(
        {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "redacted_thinking", "data": "Emw"},
        {"type": "thinking", "thinking": "other", "signature": "gw1~openai~rs_1~gAAA"},
        {"type": "redacted_thinking", "data": "gw1~openai~rs_2~gBBB"},
        {"type": "thinking", "thinking": "", "signature": "gw1~gemini~call:a~CsIF"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        role="assistant",
    )
    assert found == (
        Reasoning(text="hm", signature=Seal("claude", "EqQB")),
        Reasoning(text="unsigned"),
        Reasoning(redacted=Seal("claude", "Emw")),
        Reasoning(text="other", signature=Seal("openai", "gAAA", "rs_1")),
        Reasoning(signature=Seal("openai", "gBBB", "rs_2")),
        ToolCall(id="a", name="f", signature=Seal("gemini", "CsIF")),
    )


def test_citations_of_an_earlier_answer() -> None:
    cited = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "q", "encrypted_index": "e"}
    (text,) = parts({"type": "text", "text": "x", "citations": [cited]}, role="assistant")
    assert text.citations == (Citation(url="u", title="t", quote="q", start=0, end=len(text.text), raw=cited),)


def test_tools() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    request = read(
        {
            "tools": [
                {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True,
                 "cache_control": {"type": "ephemeral"}, "input_examples": [{}]},
                {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
                search,
            ]
        }
    )  # fmt: skip
    assert request.tools == (
        Tool(name="f", description="d", schema={"type": "object"}, strict=True, cache=Cache(), extras={"input_examples": [{}]}),
        Tool(name="g", schema={"type": "object"}),
        HostedTool("web_search_20250305", search),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "wanted", "parallel"),
    [
        ({"type": "auto"}, ToolChoice(mode="auto"), UNSET),
        ({"type": "none"}, ToolChoice(mode="none"), UNSET),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(mode="required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice(mode="tool", name="f"), True),
    ],
)
def test_tool_choices(choice: Any, wanted: ToolChoice, parallel: Any) -> None:
    request = read({"tool_choice": choice})
    assert (request.tool_choice, request.parallel_tools) == (wanted, parallel)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"thinking": {"type": "disabled"}}, Thinking(enabled=False)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Thinking(enabled=True, budget=2048)),
        ({"thinking": {"type": "adaptive"}}, Thinking(enabled=True, adaptive=True)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Thinking(enabled=True, adaptive=True, summary="")),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
            Thinking(enabled=True, adaptive=True, summary="auto", effort="max"),
        ),
        ({"output_config": {"effort": "high"}}, Thinking(effort="high")),
    ],
)
def test_thinking(body: dict[str, Any], wanted: Thinking) -> None:
    assert read(body).thinking == wanted


def test_the_form_of_the_answer_under_its_new_and_its_old_name() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    wanted = Format(kind="json_schema", schema={"type": "object"}, strict=True)
    assert read({"output_config": {"format": form}}).format == wanted
    assert read({"output_format": form}).format == wanted


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages[0].content[0].tool_use_id"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": True}, "temperature"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"tools": [{"description": "d"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "required"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "on"}}, "thinking.type"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
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
NAMES = "messages system tools tool_choice thinking output_config output_format metadata stop_sequences".split()


@settings(max_examples=60)
@given(st.sampled_from(NAMES), JSON)
def test_no_json_raises_anything_but_a_refusal(name: str, value: Any) -> None:
    for given_ in (value, [value], [{"role": "user", "content": [value]}], {"type": "enabled", "name": value}):
        body = json.dumps({"model": "m", "max_tokens": 1, "messages": [], name: given_}).encode()
        with contextlib.suppress(Refused):
            request_of(ANTHROPIC, ANTHROPIC.decode_head(body, None, None))
