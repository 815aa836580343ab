"""The official OpenAI SDK against the whole gateway, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import KEY

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: {{env: CALLER_KEY}}, headers: {{x-team: platform}}}}
  sandbox: {{}}
models:
  plain: {{provider: up, id: sandbox}}
  long: {{provider: up, id: "sandbox:tokens=300"}}
  thinking: {{provider: up, id: "sandbox:reasoning=5"}}
  torn: {{provider: up, id: "sandbox:tokens=40:split"}}
  built-in: {{provider: sandbox, id: sandbox}}
  hidden: {{provider: up, id: sandbox, visibility: internal}}
  "up/*": {{provider: up, id: "*"}}
  edited:
    provider: up
    id: sandbox
    request: {{default: {{temperature: 0.5}}, set: {{user: gateway}}, drop: [logit_bias]}}
aliases: {{gpt-4o: plain, "gpt-*": long}}
combos: {{smart: [plain, built-in], backup: [hidden]}}
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  narrow: {{hash: "sha256:cf80cd8aed482d5d1527d7dc72fceff84e6326592848447d2dc0b0e87dfc9a90", allow: [smart, "gpt-*"]}}
"""

NARROW = "testing"


@pytest.fixture(scope="module")
def upstream(standing_upstream: Upstream) -> Upstream:
    return standing_upstream


@pytest.fixture(scope="module")
def gateway(launch_once: Any, upstream: Upstream) -> Any:
    return launch_once(CONFIG.format(url=upstream.url))


def client(gateway: Any, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0, **options)


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def test_the_sdk_end_to_end(gateway: Any, upstream: Upstream) -> None:
    async with client(gateway) as sdk:
        answer = await sdk.chat.completions.create(model="plain", messages=ask("hello there"))
        assert answer.choices[0].message.content == "You said: hello there"
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 4)

        received = upstream.journal[-1]
        assert received.headers["authorization"] == f"Bearer {KEY}"
        assert received.headers["x-team"] == "platform"
        assert b'"model":"sandbox"' in received.body

        stream = await sdk.chat.completions.create(model="long", messages=ask("hi"), stream=True)
        chunks = [chunk async for chunk in stream]
        assert len(chunks) == 302, "a role, 300 pieces, a finish: what we asked for ourselves is not passed on"
        assert all(chunk.choices for chunk in chunks)

        stream = await sdk.chat.completions.create(
            model="long", messages=ask("hi"), stream=True, stream_options={"include_usage": True}
        )
        usages = [chunk.usage async for chunk in stream if chunk.usage is not None]
        assert [usage.completion_tokens for usage in usages] == [300]

        stream = await sdk.chat.completions.create(model="torn", messages=ask("zoë"), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text.startswith("You said: zoë")
        assert len(text.split()) == 40

        answer = await sdk.chat.completions.create(
            model="plain", messages=ask("please call get_weather and call get_weather"), tools=[WEATHER]
        )
        calls = answer.choices[0].message.tool_calls or []
        assert [call.function.name for call in calls if call.type == "function"] == ["get_weather"] * 2
        follow: Any = [
            *ask("please call get_weather"),
            answer.choices[0].message.model_dump(exclude_none=True),
            *({"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls),
        ]
        answer = await sdk.chat.completions.create(model="plain", messages=follow, tools=[WEATHER])
        assert answer.choices[0].message.content == "The tool said: sunny"

        stream = await sdk.chat.completions.create(
            model="smart", messages=ask("call get_weather"), tools=[WEATHER], stream=True
        )
        arguments = ""
        async for chunk in stream:
            for delta in chunk.choices[0].delta.tool_calls or ():
                arguments += (delta.function.arguments if delta.function else None) or ""
        assert arguments == '{"city":"text"}'

        await sdk.chat.completions.create(model="edited", messages=ask("x"), temperature=0, logit_bias={"1": 1})
        sent = upstream.journal[-1].body
        assert b'"temperature":0' in sent
        assert b'"user":"gateway"' in sent
        assert b"logit_bias" not in sent

        models = [model.id async for model in sdk.models.list()]
        assert models == ["plain", "long", "thinking", "torn", "built-in", "edited", "smart", "backup", "gpt-4o"]
        assert (await sdk.models.retrieve("smart")).id == "smart"


async def test_names_lead_where_the_file_says(gateway: Any, upstream: Upstream) -> None:
    async with client(gateway) as sdk:
        for name, sent in (
            ("gpt-4o", "sandbox"),
            ("gpt-anything", "sandbox:tokens=300"),
            ("up/sandbox:tokens=7", "sandbox:tokens=7"),
            ("backup", "sandbox"),
        ):
            await sdk.chat.completions.create(model=name, messages=ask("x"))
            assert f'"model":"{sent}"'.encode() in upstream.journal[-1].body
        for name in ("hidden", "nothing", "up/bad\nname", "up/"):
            with pytest.raises(openai.NotFoundError) as caught:
                await sdk.chat.completions.create(model=name, messages=ask("x"))
            assert caught.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError, match="Did you mean 'smart'"):
            await sdk.chat.completions.create(model="smrt", messages=ask("x"))


async def test_keys(gateway: Any) -> None:
    body = {"model": "smart", "messages": ask("x")}
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        for headers, query in (
            ({"authorization": f"Bearer {KEY}"}, ""),
            ({"authorization": f"bearer {KEY}"}, ""),
            ({"x-api-key": KEY}, ""),
            ({"x-goog-api-key": KEY}, ""),
            ({}, f"?key={KEY}"),
        ):
            response = await http.post(f"/v1/chat/completions{query}", json=body, headers=headers)
            assert response.status_code == 200, response.text
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": KEY}, {"x-api-key": ""}):
            response = await http.post("/v1/chat/completions", json=body, headers=headers)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"] == "Bearer"
            assert (await http.get("/v1/models", headers=headers)).status_code == 401
        narrow = {"authorization": f"Bearer {NARROW}"}
        for model, status in (("smart", 200), ("gpt-4o", 403), ("plain", 403), ("gpt-5", 403), ("nothing", 404)):
            response = await http.post("/v1/chat/completions", json={**body, "model": model}, headers=narrow)
            assert response.status_code == status, (model, response.text)
        listed = (await http.get("/v1/models", headers=narrow)).json()["data"]
        assert [model["id"] for model in listed] == ["smart"], "patterns speak of models, not of aliases"
        assert (await http.post("/-/reload", headers=narrow)).status_code == 403


async def test_every_error_has_the_envelope(gateway: Any) -> None:
    headers = {"authorization": f"Bearer {KEY}", "x-request-id": "mine-1"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        for method, path, body, status, code in (
            ("GET", "/v1/nothing", b"", 404, "not_found"),
            ("GET", "/v1/chat/completions", b"", 405, "method_not_allowed"),
            ("POST", "/v1/chat/completions", b"{", 400, "invalid_json"),
            ("POST", "/v1/chat/completions", b'{"model":"plain"}', 400, "missing_required_parameter"),
            ("POST", "/v1/chat/completions", b"x" * (33 << 20), 413, "request_too_large"),
        ):
            response = await http.request(method, path, content=body)
            assert response.status_code == status
            error = response.json()["error"]
            assert error["code"] == code
            assert error["message"]
            assert set(error) == {"message", "type", "param", "code", "request_id"}
            assert response.headers["x-request-id"] == error["request_id"]
            if status != 413:
                assert error["request_id"] == "mine-1"


async def test_what_is_no_http_has_the_envelope_too(gateway: Any) -> None:
    for data in (b"NONSENSE\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 5)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["error"]["code"] == "bad_request"
        writer.close()


def counted(metrics: str) -> float:
    """Requests for `smart` that were answered, as /metrics tells them."""
    series = 'gateway_requests_total{kind="ok",model="plain",provider="up",route="smart",status="200"} '
    return sum(float(line.removeprefix(series)) for line in metrics.splitlines() if line.startswith(series))


async def test_headers_say_what_happened(gateway: Any) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        revision = gateway.health()["revision"]
        before = counted((await http.get("/metrics")).text)
        for extra in ({}, {"stream": True}):
            response = await http.post(
                "/api/v1/chat/completions", json={"model": "smart", "messages": ask("x"), **extra}
            )
            assert response.headers["x-gateway-revision"] == revision[:12]
            assert response.headers["x-gateway-provider"] == "up"
            assert response.headers["x-gateway-model"] == "plain"
            assert response.headers["x-gateway-attempts"] == "1"
            assert response.headers["x-request-id"].startswith("req_")
        metrics = (await http.get("/metrics")).text
        assert counted(metrics) == before + 2
        assert "gateway_workers 1.0" in metrics


def test_the_sync_client(gateway: Any) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=KEY, max_retries=0) as sdk:
        answer = sdk.chat.completions.create(model="built-in", messages=ask("hello"))
        assert answer.choices[0].message.content == "You said: hello"
        with sdk.chat.completions.create(model="built-in", messages=ask("hello"), stream=True) as stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == "You said: hello"
        with pytest.raises(openai.AuthenticationError):
            sdk.with_options(api_key="wrong").chat.completions.create(model="built-in", messages=ask("x"))
