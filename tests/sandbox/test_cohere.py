"""The sandbox on Cohere's wire: its own SDK over a socket, streams against whole answers, and requests of any shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cohere
import httpx
import pytest
from cohere.core.api_error import ApiError
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import Plan
from gateway.sandbox.serve import Upstream, start
from gateway.sandbox.wires import Wire

ASK: Any = [{"role": "user", "content": "one two three"}]
GOLDEN = Path(__file__).parent / "golden" / "cohere"
NAMES = sorted(path.name.removesuffix(".request.json") for path in GOLDEN.glob("*.request.json"))
ONCE: Any = {"max_retries": 0}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    upstream = await start(wire=Wire.COHERE)
    yield upstream
    await upstream.close()
    await asyncio.sleep(0)


@pytest.fixture
async def sdk(server: Upstream) -> AsyncIterator[cohere.AsyncClientV2]:
    async with cohere.AsyncClientV2(api_key="any", base_url=server.url, timeout=10) as client:
        yield client


def answered(body: object, model: str = "sandbox") -> Plan:
    if isinstance(body, dict):
        body = json.dumps({"model": model, "messages": ASK, **body}).encode()
    assert isinstance(body, bytes)
    return Sandbox(Wire.COHERE).answer("POST", "/v2/chat", {}, body)


async def test_an_answer(sdk: cohere.AsyncClientV2) -> None:
    answer = await sdk.chat(model="sandbox:reasoning=2:cached=2", messages=ASK, temperature=0.5, request_options=ONCE)
    thinking, text = answer.message.content or []
    assert thinking.type == "thinking"
    assert len(thinking.thinking.split()) == 2
    assert text.type == "text"
    assert text.text == "You said: one two three"
    assert answer.finish_reason == "COMPLETE"
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert (answer.usage.tokens.input_tokens, answer.usage.tokens.output_tokens) == (3, 7)
    assert answer.usage.cached_tokens == 2


async def test_a_stream(sdk: cohere.AsyncClientV2) -> None:
    model = "sandbox:tokens=30:reasoning=2:split:comments:crlf"
    events = [event async for event in sdk.chat_stream(model=model, messages=ASK, request_options=ONCE)]
    assert [event.type for event in events] == [
        "message-start",
        "content-start",
        *["content-delta"] * 2,
        "content-end",
        "content-start",
        *["content-delta"] * 30,
        "content-end",
        "message-end",
    ]
    parts = [event.delta.message.content for event in events if event.type == "content-delta"]
    assert len([part for part in parts if part.thinking]) == 2
    assert "".join(part.text or "" for part in parts).startswith("You said: one two three")
    assert events[-1].delta.usage.tokens.output_tokens == 32


async def test_a_loop_with_tools(sdk: cohere.AsyncClientV2) -> None:
    messages: Any = [{"role": "user", "content": 'call weather({"city":"Oslo"}) and call weather({"city":"Rome"})'}]
    answer = await sdk.chat(model="sandbox", messages=messages, tools=[WEATHER], request_options=ONCE)
    calls = answer.message.tool_calls or []
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert answer.message.tool_plan == "I will use the weather tool."
    assert answer.finish_reason == "TOOL_CALL"
    messages += [
        {"role": "assistant", "tool_plan": answer.message.tool_plan, "tool_calls": calls},
        *({"role": "tool", "tool_call_id": call.id, "content": f"sun {at}"} for at, call in enumerate(calls)),
    ]
    last = await sdk.chat(model="sandbox", messages=messages, tools=[WEATHER], request_options=ONCE)
    assert last.message.content[0].text == "The tool said: sun 0; sun 1"
    cited = last.message.citations or []
    assert [(each.start, each.end, each.text) for each in cited] == [(15, 20, "sun 0"), (22, 27, "sun 1")]
    assert [each.sources[0].id for each in cited] == [f"{call.id}:0" for call in calls]


async def test_a_structured_answer(sdk: cohere.AsyncClientV2) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 3}}, "required": ["age"]}
    format_: Any = {"type": "json_object", "json_schema": schema}
    answer = await sdk.chat(model="sandbox", messages=ASK, response_format=format_, request_options=ONCE)
    assert json.loads(answer.message.content[0].text) == {"age": 3}


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        ("auth", cohere.UnauthorizedError, "invalid api token"),
        ("status=403", cohere.ForbiddenError, "forbidden"),
        ("not-found", cohere.NotFoundError, "not found"),
        ("status=422", cohere.UnprocessableEntityError, "not a valid field"),
        ("status=429", cohere.TooManyRequestsError, "request limit"),
        ("quota", ApiError, "payment method"),
        ("context-length", cohere.BadRequestError, "too many tokens"),
        ("status=500", cohere.InternalServerError, "internal server error"),
        ("overloaded", cohere.ServiceUnavailableError, "service unavailable"),
        ("nonsense", cohere.BadRequestError, "does not know the word"),
    ],
)
async def test_errors(sdk: cohere.AsyncClientV2, word: str, error: type[ApiError], message: str) -> None:
    with pytest.raises(error) as caught:
        await sdk.chat(model=f"sandbox:{word}", messages=ASK, request_options=ONCE)
    assert message in caught.value.body["message"]
    assert caught.value.body["id"]
    with pytest.raises(error):
        async for _ in sdk.chat_stream(model=f"sandbox:{word}", messages=ASK, request_options=ONCE):
            pass


async def test_an_error_in_the_middle_of_a_stream(sdk: cohere.AsyncClientV2) -> None:
    events = [e async for e in sdk.chat_stream(model="sandbox:error-at=2", messages=ASK, request_options=ONCE)]
    assert events[-1].type == "message-end"
    assert (events[-1].delta.finish_reason, events[-1].delta.error) == (
        "ERROR",
        "internal server error, please try again",
    )


async def test_a_connection_that_breaks(sdk: cohere.AsyncClientV2) -> None:
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        async for _ in sdk.chat_stream(model="sandbox:cut-at=2", messages=ASK, request_options=ONCE):
            pass


async def test_models(sdk: cohere.AsyncClientV2, server: Upstream) -> None:
    assert [model.name for model in (await sdk.models.list()).models] == ["sandbox", "echo"]
    assert (await sdk.models.get("sandbox:tokens=3")).endpoints == ["chat"]
    with pytest.raises(cohere.NotFoundError):
        await sdk.models.get("sandbox:nonsense")
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get("/v2/nothing")).json()["message"] == "404 page not found"
        assert (await http.get("/v2/chat")).status_code == 405


def events_of(text: str) -> list[dict[str, Any]]:
    frames = text.strip().split("\n\n")
    assert frames.pop() == "data: [DONE]"
    events = []
    for frame in frames:
        name, _, data = frame.partition("\ndata: ")
        events.append(json.loads(data))
        assert name == f"event: {events[-1]['type']}"
    return events


@pytest.mark.parametrize(
    "name", [name for name in NAMES if f"{name}-stream" in NAMES and not name.startswith("fault-")]
)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    events = events_of((GOLDEN / f"{name}-stream.sse").read_text().partition("\n\n")[2])
    start, end = events.pop(0), events.pop()
    assert start["delta"]["message"]["role"] == "assistant"
    assert end["delta"] == {key: whole[key] for key in ("finish_reason", "usage") if key in whole}
    message: dict[str, Any] = {"role": "assistant"}
    at: int | None = None
    for event in events:
        kind = event["type"]
        delta = event.get("delta", {}).get("message", {})
        if kind == "content-start":
            message.setdefault("content", []).append(delta["content"])
            at = event["index"]
            assert at == len(message["content"]) - 1
        elif kind == "content-delta":
            assert event["index"] == at
            for field, text in delta["content"].items():
                message["content"][-1][field] += text
        elif kind == "citation-start":
            assert delta["citations"]["end"] <= len(message["content"][-1]["text"])
            message.setdefault("citations", []).append(delta["citations"])
        elif kind == "citation-end":
            assert event["index"] == len(message["citations"]) - 1
        elif kind == "tool-plan-delta":
            message["tool_plan"] = message.get("tool_plan", "") + delta["tool_plan"]
        elif kind == "tool-call-start":
            message.setdefault("tool_calls", []).append(delta["tool_calls"])
            at = event["index"]
        elif kind == "tool-call-delta":
            assert event["index"] == at
            message["tool_calls"][-1]["function"]["arguments"] += delta["tool_calls"]["function"]["arguments"]
        else:
            assert kind in ("content-end", "tool-call-end")
            assert event["index"] == at
            at = None
    assert at is None
    assert message == whole["message"]
    assert [event["logprobs"] for event in events if "logprobs" in event] == whole.get("logprobs", [])


def test_no_done_leaves_out_done_alone() -> None:
    steps = [step for step in answered({"stream": True}, "sandbox:no-done").steps if isinstance(step, bytes)]
    assert b"message-end" in steps[-1]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b'"x"', b"[" * 100_000, b'{"model":"\\ud800"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    plan = answered(body)
    assert plan.status == 400
    assert json.loads(plan.body or b"")["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=5,
)
PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "document", "image_url", "x"]) | JSON},
    optional={"text": JSON, "thinking": JSON, "document": JSON, "image_url": JSON},
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "x"]) | JSON},
    optional={"content": JSON | st.lists(PART, max_size=2), "tool_calls": JSON, "tool_call_id": JSON},
)
FIELDS = (
    "stream", "tools", "strict_tools", "documents", "citation_options", "response_format", "safety_mode", "max_tokens",
    "stop_sequences", "temperature", "seed", "frequency_penalty", "presence_penalty", "k", "p", "logprobs",
    "tool_choice", "thinking", "priority", "x",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3), st.just(ASK) | st.lists(MESSAGE, max_size=3) | JSON)
def test_no_request_raises(fields: dict[str, Any], messages: Any) -> None:
    plan = answered({"messages": messages, **fields}, "sandbox:tokens=3:reasoning=2")
    assert plan.status in (200, 400, 422)
    list(plan.steps)
    if plan.status != 200:
        assert json.loads(plan.body or b"")["message"]
