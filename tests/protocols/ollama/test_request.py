"""Ollama's requests: read, written, and what is lost on the way. Facts: https://docs.ollama.com/api/chat."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from gateway.failure import Refused
from gateway.ir.chat import (
    Cache,
    Citation,
    Declined,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Reasoning,
    Request,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect, Edits
from gateway.protocols.reading import Malformed
from gateway.protocols.translate import request_of

OLLAMA = PROTOCOLS["ollama"]
CHAT = PROTOCOLS["openai-chat"]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAE="
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Says the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def read(**fields: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return request_of(OLLAMA, OLLAMA.decode_head(json.dumps(body).encode()))


def written(request: Request, model: str = "llama3.2", *quirks: str) -> tuple[dict[str, Any], dict[str, str]]:
    encoded = OLLAMA.encode_request(request, Dialect("ollama", model, frozenset(quirks)))
    return json.loads(msgspec.json.encode(encoded.body)), {each.field: each.why for each in encoded.dropped}


def asked(*messages: Message, **fields: Any) -> Request:
    return Request(origin="elsewhere", model="m", messages=messages or (Message("user", (Text("hi"),)),), **fields)


FULL: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": [PNG]},
        {
            "role": "assistant",
            "content": "I look.",
            "thinking": "Hm.",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Paris"}}},
                {"function": {"name": "weather", "arguments": {"city": "Rome", "days": 10**15, "hot": False}}},
            ],
        },
        {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": "c1"},
        {"role": "tool", "content": "sun", "tool_name": "weather"},
        {"role": "user", "content": ""},
    ],
    "tools": [WEATHER],
    "format": {"type": "object", "properties": {"a": {"type": "integer"}}},
    "options": {
        "num_predict": 0,
        "temperature": 0,
        "top_p": 1.0,
        "top_k": 0,
        "seed": 0,
        "stop": [],
        "presence_penalty": 0.0,
        "frequency_penalty": None,
        "num_ctx": 4096,
        "repeat_penalty": 1.1,
    },
    "think": False,
    "stream": False,
    "logprobs": False,
    "top_logprobs": 0,
    "keep_alive": 0,
    "truncate": False,
}


def test_the_same_wire_gets_back_what_was_written() -> None:
    request = request_of(OLLAMA, OLLAMA.decode_head(json.dumps(FULL).encode()))
    body, dropped = written(request, "m")
    assert body == FULL
    assert dropped == {}


@pytest.mark.parametrize("think", [True, False, "low", "medium", "high", "max", "deep", None])
def test_think_comes_back_as_it_was(think: Any) -> None:
    assert written(read(think=think))[0]["think"] == think


def test_what_a_request_means() -> None:
    request = request_of(OLLAMA, OLLAMA.decode_head(json.dumps(FULL).encode()))
    assert request.max_tokens == 0
    assert request.temperature == 0
    assert request.stop == ()
    assert request.frequency_penalty is None
    assert request.top_logprobs == 0
    assert request.thinking == Thinking(enabled=False)
    assert request.format == Format(kind="json_schema", schema=FULL["format"])
    assert request.extras == {
        "keep_alive": 0,
        "truncate": False,
        "options.num_ctx": 4096,
        "options.repeat_penalty": 1.1,
    }
    look = request.messages[1].parts
    assert look == (Text("What is this?"), Media(kind="image", mime="image/png", data=PNG))


def test_nothing_said_is_nothing_read() -> None:
    request = read(options={}, format="", tools=None, think=None)
    assert (request.max_tokens, request.temperature, request.stop) == (UNSET, UNSET, UNSET)
    assert (request.format, request.thinking, request.tools) == (None, None, ())
    assert request.stream, "it streams unless told not to"
    assert not read(stream=False).stream
    assert CHAT.encode_request(request, Dialect("openai", "gpt-4o")).dropped == ()


def test_no_bound_is_no_bound_anywhere() -> None:
    request = read(options={"num_predict": -1})
    assert request.max_tokens is UNSET
    assert written(request)[0]["options"] == {"num_predict": -1}


def test_what_the_chat_wire_gets_and_loses() -> None:
    request = request_of(OLLAMA, OLLAMA.decode_head(json.dumps(FULL).encode()))
    encoded = CHAT.encode_request(request, Dialect("openai", "gpt-4o"))
    assert {each.field for each in encoded.dropped} == {
        "reasoning", "options.num_ctx", "options.repeat_penalty", "keep_alive", "truncate", "top_k",
    }  # fmt: skip
    calls = encoded.body["messages"][2]["tool_calls"]
    assert calls[0]["id"] == "c1"
    assert json.loads(calls[1]["function"]["arguments"]) == {"city": "Rome", "days": 10**15, "hot": False}
    assert encoded.body["messages"][4]["tool_call_id"] == calls[1]["id"]


def pairs(*messages: dict[str, Any]) -> list[tuple[str, str]]:
    """(name and arguments of the call, text of the result) as they belong together."""
    request = read(messages=list(messages))
    calls = {part.id: part.arguments for each in request.messages for part in each.parts if isinstance(part, ToolCall)}
    results = [part for each in request.messages for part in each.parts if isinstance(part, ToolResult)]
    return [(calls[result.call], result.content[0].text) for result in results]  # type: ignore[union-attr]


def call(name: str, n: int, **ids: str) -> dict[str, Any]:
    return {**ids, "function": {"name": name, "arguments": {"n": n}}}


def said(text: str, **names: str) -> dict[str, Any]:
    return {"role": "tool", "content": text, **names}


def test_results_find_their_calls() -> None:
    turn = {"role": "assistant", "content": "", "tool_calls": [call("f", 1), call("g", 2), call("f", 3)]}
    assert pairs(turn, said("a"), said("b"), said("c")) == [('{"n":1}', "a"), ('{"n":2}', "b"), ('{"n":3}', "c")]
    by_name = pairs(turn, said("g", tool_name="g"), said("x", tool_name="f"), said("y", name="f"))
    assert by_name == [('{"n":2}', "g"), ('{"n":1}', "x"), ('{"n":3}', "y")]
    with_ids = {"role": "assistant", "tool_calls": [call("f", 1, id="p"), call("f", 2, id="q")]}
    assert pairs(with_ids, said("q", tool_call_id="q"), said("p", tool_call_id="p")) == [
        ('{"n":2}', "q"),
        ('{"n":1}', "p"),
    ]


def test_ids_are_the_same_when_the_conversation_comes_again() -> None:
    turn = {"role": "assistant", "content": "", "tool_calls": [call("f", 1), call("f", 1)]}
    once, again = read(messages=[turn, said("a")]), read(messages=[turn, said("a"), said("b"), turn])
    assert once.messages[0] == again.messages[0]
    ids = [part.id for each in again.messages for part in each.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 4


def test_a_result_without_a_call_keeps_its_place() -> None:
    lonely = [said("a", tool_name="f"), said("b", tool_call_id="z"), said("c")]
    assert written(read(messages=lonely))[0]["messages"] == lonely


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": "x"}]}, "messages[0].images"),
        ({"messages": [{"role": "user", "images": [7]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name"),
        ({"options": []}, "options"),
        ({"options": {"temperature": "0"}}, "options.temperature"),
        ({"options": {"seed": 0.5}}, "options.seed"),
        ({"options": {"stop": [1]}}, "options.stop[0]"),
        ({"format": "yaml"}, "format"),
        ({"think": 3}, "think"),
        ({"logprobs": 1}, "logprobs"),
    ],
)
def test_bad_requests_name_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        read(**fields)
    assert (caught.value.refusal.status, caught.value.refusal.param) == (400, param)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYS = ("messages", "tools", "options", "format", "think", "stream", "logprobs", "model")
PARTS = ("content", "images", "thinking", "tool_calls", "tool_name", "tool_call_id", "name", "function", "arguments")


@given(st.sampled_from(KEYS), JSON, st.sampled_from(PARTS), st.sampled_from(["user", "assistant", "tool", "system"]))
def test_no_json_raises_anything_else(key: str, value: object, part: str, role: str) -> None:
    message = {"role": role, part: value}
    call_ = {"function": {"name": "f", part: value}}
    for body in (
        {"model": "m", "messages": [], key: value},
        {"model": "m", "messages": [message], "options": {"stop": value, "seed": value}},
        {"model": "m", "messages": [{"role": "assistant", "tool_calls": [call_]}], "tools": [call_]},
    ):
        with contextlib.suppress(Refused, Malformed):
            request = OLLAMA.decode_request(OLLAMA.decode_head(msgspec.json.encode(body)))
            written(request)
            CHAT.encode_request(request, Dialect("openai", "m"))


def test_forwarded_bytes_stay() -> None:
    body = b'{"messages":[{"role":"user","content":"h\\u00e9"}],"options":{"temperature":0.0,"seed":12345678901234567890},"model":"x"}'
    sent = OLLAMA.encode_forwarded(OLLAMA.decode_head(body), "y", Edits(), True)
    assert sent.body == body.replace(b'"x"', b'"y"')
    assert not sent.strip_usage


# From other wires.


def test_a_plain_request() -> None:
    body, dropped = written(asked(max_tokens=5, temperature=0, stop=("a",), top_k=0, seed=0, stream=True))
    assert body == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "options": {"num_predict": 5, "temperature": 0, "top_k": 0, "stop": ["a"], "seed": 0},
    }
    assert dropped == {}


def test_what_changes_nothing_is_not_reported() -> None:
    request = asked(
        n=1,
        parallel_tools=True,
        logit_bias={},
        service_tier="auto",
        user=None,
        metadata=None,
        temperature=None,
        format=Format(kind="text"),
        tool_choice=ToolChoice(mode="auto"),
        tools=(Tool(name="f", strict=False),),
    )
    assert written(request)[1] == {}


def test_what_the_wire_has_no_place_for_is_reported() -> None:
    seal = Seal("claude", "x")
    request = asked(
        Message("user", (Text("a", cache=Cache()), Media(kind="image", url="https://x/y.png")), name="Ann"),
        Message(
            "assistant",
            (
                Text("b", citations=(Citation(url="u"),), signature=seal),
                Reasoning(text="t", signature=seal),
                Opaque("web_search", {}),
                ToolCall(id="1", name="f", signature=seal, extras={"odd": 1}),
            ),
            extras={"strange": 1},
        ),
        Message("tool", (ToolResult(call="1", error=True, content=(Media(kind="audio", data="x"),)),)),
        Message("user", (Media(kind="document", mime="application/pdf", data="JVBERi0="),)),
        n=2,
        parallel_tools=False,
        logit_bias={"1": 1},
        user="u",
        metadata={"a": "b"},
        cache_key="k",
        service_tier="flex",
        tools=(HostedTool("web_search", {}), Tool(name="f", strict=True)),
        format=Format(kind="json_schema", schema={}, description="d"),
        extras={"store": True},
    )
    assert set(written(request)[1]) == {
        "cache_control", "image.url", "messages.name", "citations", "text.signature", "reasoning.signature", "web_search",
        "tool_call.signature", "odd", "strange", "tool_result.is_error", "audio", "document", "n", "parallel_tool_calls",
        "logit_bias", "user", "metadata", "prompt_cache_key", "service_tier", "tools.web_search", "tools.strict",
        "response_format.description", "store",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "names", "reported"),
    [
        (ToolChoice(mode="auto"), ["f", "g"], False),
        (ToolChoice(mode="auto", allowed=("g",)), ["g"], False),
        (ToolChoice(mode="none"), [], True),
        (ToolChoice(mode="required"), ["f", "g"], True),
        (ToolChoice(mode="tool", name="f"), ["f"], True),
    ],
)
def test_a_choice_of_tools(choice: ToolChoice, names: list[str], reported: bool) -> None:
    body, dropped = written(asked(tools=(Tool(name="f"), Tool(name="g")), tool_choice=choice))
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == names
    assert ("tool_choice" in dropped) is reported


def test_a_free_text_tool_is_a_function_of_one_string() -> None:
    request = asked(
        Message("assistant", (ToolCall(id="1", name="sh", arguments="ls", custom=True),)),
        tools=(Tool(name="sh", custom=True),),
    )
    body, _ = written(request)
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == {"input": "ls"}
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]


def test_bug_1_parallel_calls_have_places_of_their_own() -> None:
    calls = (ToolCall(id="1", name="f"), ToolCall(id="2", name="f"))
    body, _ = written(asked(Message("assistant", calls)))
    assert [each["function"]["index"] for each in body["messages"][0]["tool_calls"]] == [0, 1]


def test_bug_5_and_6_seals_of_others_do_not_travel_and_nothing_is_left_of_sealed_thought() -> None:
    seal = Seal("claude", "secret")
    request = asked(Message("assistant", (Reasoning(signature=seal), Reasoning(redacted=seal), Text("a"))))
    body, dropped = written(request)
    assert body["messages"] == [{"role": "assistant", "content": "a"}]
    assert "reasoning.signature" in dropped


def test_bug_9_results_stand_each_for_themselves_with_id_and_name() -> None:
    calls = (ToolCall(id="1", name="f"), ToolCall(id="2", name="g"))
    results = (ToolResult(call="2", content=(Text("b"),)), ToolResult(call="1", content=(Text("a"), Text("c"))))
    body, _ = written(asked(Message("assistant", calls), Message("tool", results)))
    assert body["messages"][1:] == [
        {"role": "tool", "content": "b", "tool_name": "g", "tool_call_id": "2"},
        {"role": "tool", "content": "a\n\nc", "tool_name": "f", "tool_call_id": "1"},
    ]


def test_bug_10_empty_texts_leave_no_trace() -> None:
    request = asked(Message("user", (Text(""), Text("a"))), Message("assistant", (Text(""),)))
    assert written(request)[0]["messages"] == [{"role": "user", "content": "a"}]


def test_bug_11_a_system_text_stays_where_it_was_said() -> None:
    request = asked(
        Message("user", (Text("a"),)), Message("developer", (Text("b"),)), Message("assistant", (Declined("c"),))
    )
    assert [(each["role"], each["content"]) for each in written(request)[0]["messages"]] == [
        ("user", "a"),
        ("system", "b"),
        ("assistant", "c"),
    ]


def test_bug_20_zeros_are_values() -> None:
    body, _ = written(asked(temperature=0, top_p=0.0, presence_penalty=0, logprobs=False, top_logprobs=0))
    assert body["options"] == {"temperature": 0, "top_p": 0.0, "presence_penalty": 0}
    assert (body["logprobs"], body["top_logprobs"]) == (False, 0)


def test_bug_21_images_are_bytes_documents_are_text_and_urls_are_reported() -> None:
    request = asked(
        Message(
            "user",
            (
                Media(kind="image", data=PNG),
                Media(kind="document", mime="text/plain", data="aGk="),
                Media(kind="document", text="note"),
                Media(kind="image", url="https://x/y"),
            ),
        )
    )
    body, dropped = written(request)
    assert body["messages"][0] == {"role": "user", "content": "hi\n\nnote", "images": [PNG]}
    assert set(dropped) == {"image.url"}


@pytest.mark.parametrize(
    ("model", "thinking", "think", "reported"),
    [
        ("llama3.2", Thinking(effort="high"), None, True),
        ("llama3.2", Thinking(effort="none"), False, False),
        ("qwen3:8b", Thinking(enabled=True), True, False),
        ("qwen3:8b", Thinking(effort="high"), True, True),
        ("qwen3:8b", Thinking(budget=2000), True, True),
        ("qwen3-coder:30b", Thinking(enabled=True), None, True),
        ("qwen3:30b-instruct", Thinking(enabled=True), None, True),
        ("gpt-oss:20b", Thinking(effort="high"), "high", False),
        ("gpt-oss:20b", Thinking(effort="minimal"), "low", True),
        ("gpt-oss:20b", Thinking(budget=9000), "medium", True),
        ("gpt-oss:20b", Thinking(enabled=False), "low", True),
        ("gpt-oss:20b", Thinking(enabled=True), True, False),
    ],
)
def test_bug_26_effort_as_the_model_takes_it(model: str, thinking: Thinking, think: Any, reported: bool) -> None:
    body, dropped = written(asked(thinking=thinking), model)
    assert body.get("think") == think
    assert bool(dropped) is reported


def test_bug_26_a_quirk_says_that_a_model_thinks() -> None:
    assert written(asked(thinking=Thinking(enabled=True)), "my-own", "think")[0]["think"] is True


def test_bug_28_a_tool_always_has_parameters() -> None:
    body, _ = written(asked(tools=(Tool(name="f"),)))
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
