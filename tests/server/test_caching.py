"""Caches, joining, idempotency and progress through the whole gateway, over real sockets, with the official SDKs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: none}}
models:
  plain: {{provider: up, id: sandbox, price: {{input: 1, output: 2}}}}
  other: {{provider: up, id: sandbox}}
  long: {{provider: up, id: "sandbox:tokens=60"}}
  slow: {{provider: up, id: "sandbox:tokens=30:rate=40/s:latency=100ms"}}
  cut: {{provider: up, id: "sandbox:tokens=40:cut-at=10"}}
  filtered: {{provider: up, id: "sandbox:finish=content_filter"}}
  vectors: {{provider: up, id: text-embedding-3-small, visibility: internal}}
keys:
  anna: {{from: {{env: CALLER_KEY}}}}
  boss: {{from: {{env: ADMIN_KEY}}, admin: true}}
{cache}
"""
EXACT = "cache: {exact: {ttl: 10m}}"


@pytest.fixture(scope="module")
def standing(launch_once: Any, standing_upstream: Upstream) -> Any:
    return launch_once(CONFIG.format(url=standing_upstream.url, cache=EXACT))


@pytest.fixture
def upstream(standing_upstream: Upstream) -> Upstream:
    """One that was not asked yet."""
    standing_upstream.journal.clear()
    return standing_upstream


@pytest.fixture
def gateway(standing: Any, upstream: Upstream) -> Any:
    """One that keeps nothing yet."""
    cleared = httpx.delete(f"{standing.url}/-/cache", headers={"authorization": f"Bearer {ADMIN}"}, timeout=20)
    assert cleared.status_code == 200, cleared.text
    return standing


def sdk(gateway: Any, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)


def http(gateway: Any, key: str = KEY) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=20)


def ask(text: str = "hello there", model: str = "plain", **fields: Any) -> Any:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def chats(upstream: Upstream) -> int:
    return sum(received.path.endswith("/chat/completions") for received in upstream.journal)


async def post(client: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    return await client.post(
        "/v1/chat/completions", json=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


async def test_the_openai_sdk_hits(gateway: Any, upstream: Upstream) -> None:
    async with sdk(gateway) as client:
        first = await client.chat.completions.with_raw_response.create(**ask())
        second = await client.chat.completions.with_raw_response.create(**ask(), temperature=openai.omit)
        assert first.parse().model_dump() == second.parse().model_dump()
        assert (first.headers["x-gateway-cache"], second.headers["x-gateway-cache"]) == ("miss", "hit")
        assert (first.headers["x-omniroute-cache"], second.headers["x-omniroute-cache"]) == ("MISS", "HIT")
        assert second.headers["x-omniroute-cache-hit"] == "true"
        assert int(second.headers["age"]) <= 5
        assert second.headers["x-gateway-model"] == "plain"
        assert second.headers["x-gateway-provider"] == "up"
        assert "x-gateway-attempts" not in second.headers
        # 2 tokens for 1 USD a million, 4 for 2
        assert second.headers["x-gateway-cost-saved"] == "0.00001"
        assert second.headers["x-omniroute-cost-saved"] == "0.0000100000"
        assert chats(upstream) == 1

        pieces = []
        for _ in range(2):
            stream = await client.chat.completions.with_raw_response.create(**ask(model="long"), stream=True)
            chunks = [chunk async for chunk in stream.parse()]
            pieces.append((stream.headers["x-gateway-cache"], [chunk.model_dump() for chunk in chunks]))
        assert [word for word, _ in pieces] == ["miss", "hit"]
        assert pieces[0][1] == pieces[1][1]
        assert len(pieces[0][1]) > 60
        assert chats(upstream) == 2


async def test_keys_share_nothing(gateway: Any, upstream: Upstream) -> None:
    async with http(gateway) as anna, http(gateway, ADMIN) as boss:
        assert [(await post(each, ask())).headers["x-gateway-cache"] for each in (anna, boss, anna, boss)] == [
            "miss",
            "miss",
            "hit",
            "hit",
        ]


async def test_hits_outlive_a_reload_that_leaves_the_route_alone(launch: Any, upstream: Upstream) -> None:
    text = CONFIG.format(url=upstream.url, cache=EXACT)
    gateway = launch(text)

    async def reloaded(new: str) -> None:
        before = gateway.health()["revision"]
        gateway.write(new)
        await asyncio.to_thread(gateway.wait, lambda health: health["revision"] != before)

    async with http(gateway) as client:
        await post(client, ask())
        await reloaded(text + "aliases: {another: other}\n")
        assert (await post(client, ask())).headers["x-gateway-cache"] == "hit"
        await reloaded(text.replace("id: sandbox, price", "id: sandbox, request: {set: {user: x}}, price"))
        assert (await post(client, ask())).headers["x-gateway-cache"] == "miss"
        await reloaded(text.replace(EXACT, 'cache: {exact: {ttl: 10m, only_when: {headers: {x-app: ["a"]}}}}'))
        assert (await post(client, ask())).headers["x-gateway-cache"] == "bypass"
        assert (await post(client, ask(), x_app="a")).headers["x-gateway-cache"] == "hit", "of the first revision"
        await reloaded(text.replace(EXACT, ""))
        assert "x-gateway-cache" not in (await post(client, ask())).headers


async def test_clients_may_go_around_it(gateway: Any, upstream: Upstream) -> None:
    async with http(gateway) as client:
        await post(client, ask())
        for headers in (
            {"cache_control": "no-cache"},
            {"cache_control": "max-age=0, No-Store"},
            {"x_omniroute_no_cache": "true"},
            {"x_gateway_no_cache": "1"},
        ):
            before = chats(upstream)
            answer = await post(client, ask(), **headers)
            assert answer.headers["x-gateway-cache"] == "bypass"
            assert answer.headers["x-omniroute-cache"] == "MISS"
            assert chats(upstream) == before + 1
        assert (await post(client, ask(), cache_control="max-age=0")).headers["x-gateway-cache"] == "hit"


async def test_what_is_cut_or_filtered_or_refused_is_not_kept(gateway: Any, upstream: Upstream) -> None:
    async with http(gateway) as client:
        for _ in range(2):
            answer = await post(client, ask(model="cut", stream=True))
            assert answer.headers["x-gateway-cache"] == "miss"
            assert "error" in answer.text
            answer = await post(client, ask(model="filtered"))
            assert answer.headers["x-gateway-cache"] == "miss"
            answer = await post(client, ask("please", max_tokens=-1))
            assert answer.status_code == 400
            assert answer.headers["x-gateway-cache"] == "miss"


@pytest.mark.parametrize("stream", [False, True])
async def test_fifty_at_once_are_one_call(gateway: Any, upstream: Upstream, stream: bool) -> None:
    async with http(gateway) as client:
        answers = await asyncio.gather(*(post(client, ask(model="slow", stream=stream)) for _ in range(50)))
    assert len({answer.content for answer in answers}) == 1
    assert chats(upstream) == 1
    words = [answer.headers["x-gateway-cache"] for answer in answers]
    assert sorted(words) == ["joined"] * 49 + ["miss"]


async def test_the_first_client_leaves_and_the_others_do_not_notice(gateway: Any, upstream: Upstream) -> None:
    async with http(gateway) as client, http(gateway) as hasty:
        async with hasty.stream("POST", "/v1/chat/completions", json=ask(model="slow", stream=True)) as leaving:
            async for _ in leaving.aiter_bytes():
                break
            staying = asyncio.create_task(post(client, ask(model="slow", stream=True)))
            await asyncio.sleep(0.1)
        answer = await staying
    assert answer.headers["x-gateway-cache"] == "joined"
    assert answer.text.endswith("data: [DONE]\n\n")
    assert len(re.findall('"content"', answer.text)) >= 30
    assert chats(upstream) == 1


async def test_the_anthropic_sdk_hits(gateway: Any, upstream: Upstream) -> None:
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        texts = []
        for _ in range(2):
            async with client.messages.stream(
                model="long", max_tokens=500, messages=[{"role": "user", "content": "hello"}]
            ) as stream:
                texts.append(await stream.get_final_text())
                texts.append(stream.response.headers["x-gateway-cache"])
        assert texts[0] == texts[2]
        assert (texts[1], texts[3]) == ("miss", "hit")
        whole = [
            await client.messages.create(model="plain", max_tokens=50, messages=[{"role": "user", "content": "hello"}])
            for _ in range(2)
        ]
        assert whole[0] == whole[1]
    assert chats(upstream) == 2


async def test_ollama_hits(gateway: Any, upstream: Upstream) -> None:
    client = ollama.AsyncClient(host=gateway.url, headers={"authorization": f"Bearer {KEY}"})
    said = []
    for _ in range(2):
        stream = await client.chat(model="long", messages=[{"role": "user", "content": "hello"}], stream=True)
        said.append("".join([part.message.content or "" async for part in stream]))
    assert said[0] == said[1] != ""
    assert chats(upstream) == 1


async def test_a_stream_of_gemini_is_one_entry_in_both_framings(gateway: Any, upstream: Upstream) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    async with http(gateway) as client:
        sse = await client.post("/v1beta/models/long:streamGenerateContent?alt=sse", json=body)
        array = await client.post("/v1beta/models/long:streamGenerateContent", json=body)
    assert (sse.headers["x-gateway-cache"], array.headers["x-gateway-cache"]) == ("miss", "hit")
    events = [json.loads(line.removeprefix("data: ")) for line in sse.text.splitlines() if line.startswith("data: ")]
    assert json.loads(array.text) == events
    assert chats(upstream) == 1


async def test_semantic(launch: Any, upstream: Upstream) -> None:
    semantic = "cache: {semantic: {model: vectors, threshold: 0.8, ttl: 10m}}"
    gateway = launch(CONFIG.format(url=upstream.url, cache=semantic))
    text = "please tell me what is the capital city of france today"
    async with http(gateway) as client:
        assert (await post(client, ask(text))).headers["x-gateway-cache"] == "miss"
        answer = await post(client, ask(text + " ?"))
        word, _, similarity = answer.headers["x-gateway-cache"].partition("; similarity=")
        assert word == "semantic"
        assert 0.8 <= float(similarity) < 1
        assert re.fullmatch(r"0\.\d{3}", similarity)
        assert answer.headers["x-omniroute-cache"] == "HIT"
        assert (await post(client, ask("write a poem"))).headers["x-gateway-cache"] == "miss"
        assert (await post(client, ask(text, temperature=0))).headers["x-gateway-cache"] == "miss"
        assert (await client.get("/v1/models")).json()["data"][-1]["id"] != "vectors"
    assert chats(upstream) == 3


async def test_operators_look_and_forget(launch: Any, upstream: Upstream) -> None:
    gateway = launch(CONFIG.format(url=upstream.url, cache=EXACT))  # whose counts begin here
    async with http(gateway) as anna, http(gateway, ADMIN) as boss:
        for client in (anna, boss, anna):
            await post(client, ask())
        await post(anna, ask(), cache_control="no-store")
        seen = (await boss.get("/-/cache")).json()
        kept = seen.pop("bytes")
        assert 2 * 300 < kept < 2 * 2000
        assert seen == {
            "entries": 2, "hits": 1, "semantic": 0, "joined": 0, "misses": 2, "bypassed": 1, "idempotent": 0
        }  # fmt: skip
        metrics = (await anna.get("/metrics")).text
        assert 'gateway_cache_total{outcome="hit"} 1.0' in metrics
        for method in ("GET", "DELETE"):
            assert (await anna.request(method, "/-/cache")).status_code == 403
            assert (await anna.request(method, "/-/cache", headers={"authorization": "x"})).status_code == 401
        assert (await boss.delete("/-/cache?keys=anna")).status_code == 400
        assert (await boss.delete("/-/cache?key=ann")).json() == {"cleared": 0, "scope": "key/ann"}
        assert (await boss.delete("/-/cache?key=anna")).json() == {"cleared": 1, "scope": "key/anna"}
        assert (await post(boss, ask())).headers["x-gateway-cache"] == "hit"
        assert (await post(anna, ask())).headers["x-gateway-cache"] == "miss"
        assert (await boss.delete("/-/cache")).json() == {"cleared": 2, "scope": "all"}
        assert (await boss.get("/-/cache")).json()["entries"] == 0


# Idempotency.


async def test_a_repeated_request_is_answered_once(launch: Any, upstream: Upstream) -> None:
    gateway = launch(CONFIG.format(url=upstream.url, cache="idempotency: {window: 1s}"))
    async with http(gateway) as client, http(gateway, ADMIN) as boss:
        for stream in (False, True):
            body, before = ask(stream=stream), chats(upstream)
            first = await post(client, body, idempotency_key=f"k{stream}")
            second = await post(client, body, idempotency_key=f"k{stream}")
            assert first.content == second.content
            assert "x-gateway-idempotent" not in first.headers
            assert second.headers["x-gateway-idempotent"] == second.headers["x-omniroute-idempotent"] == "true"
            assert "x-gateway-cache" not in second.headers
            assert chats(upstream) == before + 1
        other = await post(client, ask("something else"), idempotency_key="kTrue")
        assert other.status_code == 422
        assert other.json()["error"]["code"] == "idempotency_mismatch"
        assert (await post(boss, ask("something else"), idempotency_key="kTrue")).status_code == 200
        assert (await post(client, ask(), idempotency_key="x" * 256)).status_code == 400
        before = chats(upstream)
        both = await asyncio.gather(*(post(client, ask(model="slow"), idempotency_key="slow") for _ in range(2)))
        assert both[0].content == both[1].content
        assert chats(upstream) == before + 1
        await asyncio.sleep(1.2)
        assert (await post(client, ask("something else"), idempotency_key="kTrue")).status_code == 200
        before = chats(upstream)
        for _ in range(2):
            await post(client, ask(), x_request_id="the-same")
        assert chats(upstream) == before + 2


# Progress.


async def test_progress_beside_the_frames(gateway: Any) -> None:
    body = ask(model="slow", stream=True, max_tokens=500)
    body["model"] = "slow"
    async with http(gateway) as client:
        plain = await post(client, body)
        answer = await post(client, body, x_omniroute_progress="true", x_gateway_no_cache="true")
        assert answer.headers["x-omniroute-progress"] == answer.headers["x-gateway-progress"] == "enabled"
        events = re.findall(r"event: progress\ndata: (.*)\n\n", answer.text)
        last = json.loads(events[-1])
        assert last["done"] is True
        assert last["tokens_generated"] == 30
        assert last["elapsed_ms"] > 300
        rest = re.sub(r"event: progress\ndata: .*\n\n", "", answer.text)
        words = [
            json.loads(line[6:])["choices"][0]["delta"] for line in rest.splitlines() if line.startswith("data: {")
        ]
        again = [
            json.loads(line[6:])["choices"][0]["delta"]
            for line in plain.text.splitlines()
            if line.startswith("data: {")
        ]
        assert words == again
        lines = await client.post("/api/chat", json=ask(model="slow"), headers={"x-gateway-progress": "true"})
        assert "x-gateway-progress" not in lines.headers
        assert all(json.loads(line) for line in lines.text.splitlines())


async def test_the_sdks_read_on(gateway: Any) -> None:
    asked = {"x-gateway-progress": "true"}
    async with sdk(gateway) as openai_client:
        stream = await openai_client.chat.completions.create(**ask(model="long"), stream=True, extra_headers=asked)
        chunks = [chunk async for chunk in stream]
        assert all(chunk.choices for chunk in chunks)
        events = await openai_client.responses.create(model="long", input="hi", stream=True, extra_headers=asked)
        assert all([event.type.startswith("response.") async for event in events])
    client = anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0)
    async with client.messages.stream(
        model="long", max_tokens=500, messages=[{"role": "user", "content": "hello"}], extra_headers=asked
    ) as messages:
        assert len((await messages.get_final_text()).split()) == 60
        assert messages.response.headers["x-gateway-progress"] == "enabled"
    await client.close()
