"""The sandbox on Ollama's wire: its own SDK over a socket, streams against whole answers, and requests of any shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import End, Plan
from gateway.sandbox.serve import Upstream, start
from gateway.sandbox.wires import Wire

ASK = [{"role": "user", "content": "one two three"}]
GOLDEN = Path(__file__).parent / "golden" / "ollama"
NAMES = sorted(path.name.removesuffix(".request.json") for path in GOLDEN.glob("*.request.json"))
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
    upstream = await start(wire=Wire.OLLAMA)
    yield upstream
    await upstream.close()
    await asyncio.sleep(0)


@pytest.fixture
def sdk(server: Upstream) -> ollama.AsyncClient:
    return ollama.AsyncClient(host=server.url, timeout=10)


def answered(body: object, model: str = "sandbox", path: str = "/api/chat", **headers: str) -> Plan:
    if isinstance(body, dict):
        body = json.dumps({"model": model, "messages": ASK, **body}).encode()
    assert isinstance(body, bytes)
    return Sandbox(Wire.OLLAMA).answer("POST", path, headers, body)


async def test_an_answer(sdk: ollama.AsyncClient) -> None:
    answer = await sdk.chat("sandbox:reasoning=2", ASK, think=True, options={"temperature": 0.2, "num_predict": 50})
    assert answer.message.content == "You said: one two three"
    assert len((answer.message.thinking or "").split()) == 2
    assert answer.done_reason == "stop"
    assert (answer.prompt_eval_count, answer.eval_count) == (3, 7)
    assert (await sdk.chat("sandbox:reasoning=2", ASK, think=False)).message.thinking is None


async def test_a_stream(sdk: ollama.AsyncClient) -> None:
    stream = await sdk.chat("sandbox:tokens=30:reasoning=3:split:crlf", ASK, stream=True)
    lines = [line async for line in stream]
    assert [line.done for line in lines] == [False] * 33 + [True]
    assert "".join(line.message.content or "" for line in lines).startswith("You said: one two three")
    assert lines[-1].eval_count == 33
    assert lines[-1].message.content == ""


async def test_a_loop_with_tools(sdk: ollama.AsyncClient) -> None:
    messages: list[Any] = [
        {"role": "user", "content": 'call weather({"city":"Oslo"}) and call weather({"city":"Rome"})'}
    ]
    answer = await sdk.chat("sandbox", messages, tools=[WEATHER])
    calls = answer.message.tool_calls or []
    assert [dict(call.function.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert answer.done_reason == "stop", "as Ollama has it"
    stream = await sdk.chat("sandbox", messages, tools=[WEATHER], stream=True)
    streamed = [call async for line in stream for call in line.message.tool_calls or ()]
    assert streamed == calls
    messages.append(answer.message)
    messages += [{"role": "tool", "tool_name": "weather", "content": f"sun {at}"} for at in range(2)]
    last = await sdk.chat("sandbox", messages, tools=[WEATHER])
    assert last.message.content == "The tool said: sun 0; sun 1"


async def test_a_structured_answer(sdk: ollama.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 3}}, "required": ["age"]}
    assert json.loads((await sdk.chat("sandbox", ASK, format=schema)).message.content or "") == {"age": 3}
    assert json.loads((await sdk.chat("sandbox", ASK, format="json")).message.content or "")["answer"]


async def test_an_image_is_taken(sdk: ollama.AsyncClient) -> None:
    answer = await sdk.chat("sandbox", [{"role": "user", "content": "look", "images": [b"\x89PNG"]}])
    assert answer.message.content == "You said: look"


@pytest.mark.parametrize(
    ("word", "status", "message"),
    [
        ("auth", 401, "unauthorized"),
        ("not-found", 404, "model 'sandbox' not found"),
        ("quota", 429, "usage limit"),
        ("overloaded", 503, "server busy"),
        ("context-length", 400, "context length"),
        ("unsupported=think", 400, '"sandbox" does not support think'),
        ("status=500", 500, "llama runner"),
        ("nonsense", 400, "does not know the word"),
    ],
)
async def test_errors(sdk: ollama.AsyncClient, word: str, status: int, message: str) -> None:
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError, match=message) as caught:
            answer = await sdk.chat(f"sandbox:{word}", ASK, stream=stream)
            async for _ in answer:
                pass
        assert caught.value.status_code == status


async def test_an_error_in_the_middle_of_a_stream(sdk: ollama.AsyncClient) -> None:
    seen = []
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        async for line in await sdk.chat("sandbox:error-at=2", ASK, stream=True):
            seen.append(line.message.content)
    assert seen == ["You", " said:"]


async def test_a_connection_that_breaks(sdk: ollama.AsyncClient) -> None:
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        async for _ in await sdk.chat("sandbox:cut-at=2", ASK, stream=True):
            pass


async def test_models(sdk: ollama.AsyncClient, server: Upstream) -> None:
    assert [model.model for model in (await sdk.list()).models] == ["sandbox:latest", "echo:latest"]
    shown = await sdk.show("sandbox:tokens=3")
    assert shown.capabilities == ["completion", "tools", "thinking", "vision"]
    assert (await sdk.chat("echo:latest", ASK)).message.content == "one two three", "a name that was listed is good"
    with pytest.raises(ollama.ResponseError) as caught:
        await sdk.show("sandbox:nonsense")
    assert caught.value.status_code == 404
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get("/api/version")).json() == {"version": "0.13.5"}
        assert (await http.get("/api/nothing")).text == "404 page not found"
        assert (await http.get("/api/chat")).headers["allow"] == "POST"


@pytest.mark.parametrize(
    "name", [name for name in NAMES if f"{name}-stream" in NAMES and not name.startswith("fault-")]
)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    lines = [
        json.loads(line) for line in (GOLDEN / f"{name}-stream.ndjson").read_text().partition("\n\n")[2].splitlines()
    ]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    for field in ("content", "thinking"):
        assert "".join(line["message"].get(field, "") for line in lines) == whole["message"].get(field, "")
    calls = [call for line in lines for call in line["message"].get("tool_calls", ())]
    assert calls == whole["message"].get("tool_calls", [])
    assert [row for line in lines for row in line.get("logprobs", ())] == whole.get("logprobs", [])
    last = {key: value for key, value in lines[-1].items() if key not in ("message", "created_at")}
    assert last == {k: v for k, v in whole.items() if k not in ("message", "created_at", "logprobs")}


def test_no_done_leaves_out_the_last_line() -> None:
    plan = answered({}, "sandbox:no-done")
    assert not any(b'"done":true' in step for step in plan.steps if isinstance(step, bytes))


def test_where_a_stream_breaks() -> None:
    steps = list(answered({}, "sandbox:cut-at=1").steps)
    assert (len(steps), steps[1]) == (2, End.RESET)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b'"x"', b"[" * 100_000, b'{"model":"\\ud800"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    for path in ("/api/chat", "/api/show"):
        plan = answered(body, path=path)
        assert plan.status == 400
        assert json.loads(plan.body or b"")["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=5,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "Tool", "x"])},
    optional={"content": JSON, "thinking": JSON, "images": JSON, "tool_calls": JSON, "tool_name": JSON},
)
FIELDS = (
    "stream",
    "format",
    "keep_alive",
    "tools",
    "options",
    "think",
    "truncate",
    "shift",
    "logprobs",
    "top_logprobs",
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3), st.lists(MESSAGE, max_size=3) | JSON)
def test_no_request_raises(fields: dict[str, Any], messages: Any) -> None:
    plan = answered({"messages": messages, **fields}, "sandbox:tokens=3:reasoning=2")
    assert plan.status in (200, 400, 500)
    list(plan.steps)
    if plan.status != 200:
        assert list(json.loads(plan.body or b"")) == ["error"]
