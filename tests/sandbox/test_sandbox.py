"""The sandbox by itself: what it says, on which wire, and how it fails."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from gateway.failure import Failed, Kind
from gateway.sandbox import openai_chat
from gateway.sandbox.content import instance
from gateway.sandbox.local import LocalUpstream
from gateway.sandbox.plan import Plan
from gateway.sandbox.serve import Upstream
from gateway.transport.contract import Origin, Request, Timeouts


def chat(header: str | None = None, **fields: Any) -> Plan:
    body = {"model": "sandbox", "messages": [{"role": "user", "content": "one two three"}], **fields}
    return openai_chat.chat(json.dumps(body).encode(), header, {})


def answer(plan: Plan) -> Any:
    assert plan.body is not None
    return json.loads(plan.body)


def test_unknown_words_and_bad_values_are_explained() -> None:
    plan = chat(model="sandbox:slwo")
    assert plan.status == 400
    message = answer(plan)["error"]["message"]
    assert "'slwo'" in message
    assert "latency" in message
    for model in ("sandbox:latency=5", "sandbox:status=200", "sandbox:rate=0/s", "sandbox:garbage=1"):
        assert chat(model=model).status == 400


def test_the_same_request_gets_the_same_bytes() -> None:
    assert chat() == chat()
    assert chat(model="sandbox:tokens=9:seed=1") != chat(model="sandbox:tokens=9:seed=2")


def test_what_a_request_asks_for() -> None:
    said = answer(chat(max_tokens=3))
    assert said["choices"][0]["message"]["content"] == "You said: one"
    assert said["choices"][0]["finish_reason"] == "length"
    assert said["usage"]["completion_tokens"] == 3
    assert answer(chat(stop=" two"))["choices"][0]["message"]["content"] == "You said: one"
    assert [choice["index"] for choice in answer(chat(n=3))["choices"]] == [0, 1, 2]
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 4}}, "required": ["a"]}
    structured = answer(chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}))
    assert json.loads(structured["choices"][0]["message"]["content"]) == {"a": 4}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "minLength": 6}, "text.."),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 0}, 0),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 1}, [True]),
        ({"anyOf": [{"type": "integer", "minimum": 5}]}, 5),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "object", "required": []}}}, {"a": {}}),
    ],
)
def test_instances_satisfy_their_schema(schema: Any, value: Any) -> None:
    assert instance(schema) == value


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"{}", None),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
    ],
)
def test_malformed_requests(body: bytes, param: str | None) -> None:
    plan = openai_chat.chat(body, None, {})
    assert plan.status == 400
    assert answer(plan)["error"]["param"] == param


async def test_failing_at_first_and_then_not(upstream: Upstream) -> None:
    sdk = openai.AsyncOpenAI(base_url=upstream.url, api_key="any", max_retries=0)
    ask: Any = {"model": "sandbox:fail=2", "messages": [{"role": "user", "content": "x"}]}
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await sdk.chat.completions.create(**ask)
    assert (await sdk.chat.completions.create(**ask)).choices[0].message.content == "You said: x"
    assert [model.id async for model in sdk.models.list()] == ["sandbox", "echo"]
    assert upstream.journal[-1].path == "/v1/models"
    with pytest.raises(openai.NotFoundError):
        await sdk.moderations.create(input="y")
    await sdk.close()


async def test_in_process_time_is_virtual() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    local = LocalUpstream(sleep)

    def request(model: str, **fields: Any) -> Request:
        body = {"model": model, "messages": [{"role": "user", "content": "a b"}], **fields}
        return Request(
            origin=Origin("sandbox", "local", 0),
            target="/v1/chat/completions",
            body=json.dumps(body).encode(),
            timeouts=Timeouts(first_byte=5.0, idle=3.0, total=60.0),
        )

    response = await local(request("sandbox:latency=2s"))
    assert slept == [2.0]
    assert b"You said: a b" in await response.read_all(1 << 20)
    for model, kind in (
        ("sandbox:stall", Kind.TIMEOUT),
        ("sandbox:refuse", Kind.CONNECTION),
        ("sandbox:latency=6s", Kind.TIMEOUT),
    ):
        with pytest.raises(Failed) as caught:
            await local(request(model))
        assert caught.value.failure.kind is kind
    slept.clear()
    response = await local(request("sandbox:rate=10/s", stream=True))
    await response.read_all(1 << 20)
    assert slept == [0.1] * 4
    response = await local(request("sandbox:stall-at=1", stream=True))
    with pytest.raises(Failed, match="timeout"):
        await response.read_all(1 << 20)
