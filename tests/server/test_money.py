"""Limits and budgets of a running gateway: real sockets, many clients at one time, those that leave, and restarts."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import anthropic
import httpx
import openai
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY, Running

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: {workers}, drain: 5s, state: {state}}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: none}}
models:
  "s/*": {{provider: up, id: "sandbox:tokens=*", price: {{input: 1, output: 50}}, max_output: 400}}
  "slow/*": {{provider: up, id: "sandbox:tokens=*:rate=200/s", price: {{input: 1, output: 50}}, max_output: 400}}
  free: {{provider: up, id: "sandbox:tokens=3", price: {{input: 0, output: 0}}}}
keys:
  caller: {{from: {{env: CALLER_KEY}}, tags: [batch]{limits}}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
{more}
"""


def config(upstream: Upstream, more: str = "", limits: str = "", workers: int = 1, state: str = "memory") -> str:
    return CONFIG.format(url=upstream.url, more=more, limits=limits, workers=workers, state=state)


def client(gateway: Running, key: str = KEY) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=gateway.url,
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
        limits=httpx.Limits(max_connections=64),
    )


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], **fields}


async def used(gateway: Running, budget: str) -> float:
    """What a budget has used, in USD, once nothing is in flight."""
    async with client(gateway, ADMIN) as http:
        rows = (await http.get("/-/limits")).json()["budgets"]
    (row,) = [row for row in rows if row["budget"] == budget]
    found: float = row["used_usd"]
    return found


def cost(usage: dict[str, int]) -> float:
    return (usage["prompt_tokens"] * 1 + usage["completion_tokens"] * 50) / 1e6


async def test_200_at_one_time_do_not_overspend(launch: Any, upstream: Upstream) -> None:
    """Answers of lengths that nobody knows before; a budget for about 50 of them."""
    gateway = launch(config(upstream, "budgets: {b: {limit: 0.5 USD, per: month}}"))
    random = Random(5)
    lengths = [random.randint(1, 400) for _ in range(200)]
    async with client(gateway) as http:
        answers = await asyncio.gather(
            *(http.post("/v1/chat/completions", json=body(f"s/{length}")) for length in lengths)
        )
    assert {answer.status_code for answer in answers} == {200, 402}
    spent = sum(cost(answer.json()["usage"]) for answer in answers if answer.status_code == 200)
    assert await used(gateway, "b") == pytest.approx(spent)
    assert 0.4 < spent <= 0.5
    refusal = next(answer for answer in answers if answer.status_code == 402)
    assert refusal.headers["x-should-retry"] == "false"
    assert refusal.json()["error"]["code"] == "budget_exceeded"
    assert refusal.json()["error"]["message"].startswith("The budget 'b' (0.5 USD a month) has 0.0")


async def test_streams_that_clients_cut_are_paid_for(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, "budgets: {b: {limit: 0.2 USD, per: month}}"))
    random = Random(6)
    frames: list[int] = []

    async def one(http: httpx.AsyncClient, length: int, most: int) -> None:
        async with http.stream("POST", "/v1/chat/completions", json=body(f"slow/{length}", stream=True)) as answer:
            if answer.status_code != 200:
                return
            frames.append(0)
            at = len(frames) - 1
            async for line in answer.aiter_lines():
                frames[at] += b"content" in line.encode()
                if frames[at] >= most:
                    break

    async with client(gateway) as http:
        await asyncio.gather(*(one(http, random.randint(20, 300), random.randint(1, 60)) for _ in range(40)))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if "gateway_requests_in_flight" in (text := (await http.get("/metrics")).text) and in_flight(text) == 0:
                break
    assert frames
    spent = await used(gateway, "b")
    assert 0 < spent <= 0.2
    assert spent >= 0.3 * sum(frames) * 50e-6, "about a token a frame, by the text in them"


def in_flight(metrics: str) -> float:
    return sum(
        float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("gateway_requests_in_flight{")
    )


async def test_a_rate_is_never_exceeded_and_told(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, limits=", limits: {requests: 20/second, tokens: 400k/minute}"))
    admitted: list[float] = []
    began = time.monotonic()
    async with client(gateway) as http:
        while time.monotonic() < began + 3:

            async def one() -> None:
                sent = time.monotonic()
                answer = await http.post("/v1/chat/completions", json=body("free"))
                if answer.status_code == 200:
                    admitted.append(sent)
                    assert answer.headers["x-ratelimit-limit-requests"] == "20"
                    assert int(answer.headers["x-ratelimit-remaining-requests"]) < 20
                    assert answer.headers["x-ratelimit-limit-tokens"] == "400000"
                    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(answer.headers)
                else:
                    assert answer.status_code == 429
                    assert answer.headers["retry-after"] == "1"
                    assert answer.json()["error"]["message"].startswith(
                        "Key 'caller' is limited to 20 requests per second"
                    )

            await asyncio.gather(*(one() for _ in range(8)))
    assert len(admitted) <= 20 * (time.monotonic() - began + 1)
    assert len(admitted) > 20 * 1.5


async def test_every_client_reads_its_refusal(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, "budgets: {b: {limit: 0.000001 USD, per: day}}", ", limits: {requests: 3/day}"))
    async with client(gateway) as http:
        for path, told in (
            ("/v1/chat/completions", body("s/5")),
            ("/v1/messages", body("s/5", max_tokens=5)),
            ("/api/chat", body("s/5", stream=False)),
        ):
            answer = await http.post(path, json=told)
            assert answer.status_code == 402, answer.text
            assert "The budget 'b'" in answer.text
    sdk = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0)
    with pytest.raises(openai.RateLimitError, match="limited to 3 requests per day"):
        await sdk.chat.completions.create(model="free", messages=[{"role": "user", "content": "x"}])
    claude = anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0)
    with pytest.raises(anthropic.RateLimitError, match="limited to 3 requests per day"):
        await claude.messages.create(model="free", max_tokens=5, messages=[{"role": "user", "content": "x"}])


async def test_who_waits_in_line_is_served(launch: Any, upstream: Upstream) -> None:
    limits = ", limits: {concurrent: 1, queue: {most: 4, wait: 5s}}"
    gateway = launch(config(upstream, limits=limits))
    async with client(gateway) as http:
        sent = [http.post("/v1/chat/completions", json=body("slow/20")) for _ in range(8)]
        answers = await asyncio.gather(*sent)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 5 + [429] * 3


async def test_who_leaves_the_line_takes_no_place(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, limits=", limits: {concurrent: 1, queue: {most: 2, wait: 10s}}"))
    async with client(gateway) as http:
        first = asyncio.ensure_future(http.post("/v1/chat/completions", json=body("slow/390")))
        await asyncio.sleep(0.4)
        leaving = [asyncio.ensure_future(http.post("/v1/chat/completions", json=body("free"))) for _ in range(2)]
        await asyncio.sleep(0.4)
        assert (await http.post("/v1/chat/completions", json=body("free"))).status_code == 429
        for each in leaving:
            each.cancel()
        await asyncio.sleep(0.4)
        assert (await http.post("/v1/chat/completions", json=body("free"))).status_code == 200
        assert (await first).status_code == 200
    assert len(upstream.journal) == 2


async def test_money_that_is_used_up_leads_elsewhere(launch: Any, upstream: Upstream) -> None:
    more = "budgets: {b: {limit: 0.001 USD, per: day, scope: {tag: batch}, when_exhausted: {route: free}}}"
    gateway = launch(config(upstream, more))
    async with client(gateway) as http:
        answer = await http.post("/v1/chat/completions", json=body("s/300"))
        assert (answer.status_code, answer.headers["x-gateway-model"]) == (200, "free")
    async with client(gateway, ADMIN) as http:
        answer = await http.post("/v1/chat/completions", json=body("s/300"))
        assert answer.headers["x-gateway-model"] == "s/300", "it is not of that tag"


async def test_a_key_reads_what_it_is_and_has(launch: Any, upstream: Upstream) -> None:
    more = """
budgets:
  day: {limit: 1 USD, per: day, scope: {key: caller}}
  month: {limit: 0.5 USD, per: month, each: key}
  other: {limit: 0.1 USD, per: week, scope: {key: admin}}
  model: {limit: 0.2 USD, per: week, scope: {model: free}}
"""
    gateway = launch(config(upstream, more, ", limits: {requests: 60/minute}"))
    async with client(gateway) as http:
        spent = cost((await http.post("/v1/chat/completions", json=body("s/100"))).json()["usage"])
        found = [
            (await http.get(path)).json()
            for path in ("/key", "/v1/key", "/api/v1/key", "/auth/key", "/api/v1/auth/key")
        ]
        assert all(each == found[0] for each in found)
        data = found[0]["data"]
        assert data["label"] == "caller"
        assert (data["limit"], data["limit_reset"]) == (0.5, "monthly")
        assert data["limit_remaining"] == pytest.approx(0.5 - spent)
        assert data["usage"] == data["usage_daily"] == data["usage_monthly"] == pytest.approx(spent)
        assert data["usage_weekly"] is None
        assert data["is_management_key"] is False
        assert data["rate_limit"]["requests_per_minute"] == 60
        assert data["rate_limit"]["remaining"] == 59
        for path in ("/credits", "/api/v1/credits"):
            credit = (await http.get(path)).json()
            assert credit["data"] == {"total_credits": 0.5, "total_usage": pytest.approx(spent)}
            assert credit["balance"] == pytest.approx(0.5 - spent)
            assert credit["currency"] == "usd"
        assert (await http.get("/key", headers={"authorization": "Bearer no"})).status_code == 401
        assert (await http.get("/-/limits")).status_code == 403
        assert (await http.post("/-/budgets/day/reset")).status_code == 403


async def test_operators_see_all_and_reset_a_budget(launch: Any, upstream: Upstream) -> None:
    more = "budgets: {b: {limit: 0.05 USD, per: day, each: key}, u: {limit: 1 USD, per: day, each: tag}}"
    gateway = launch(config(upstream, more, ", limits: {requests: 60/minute, concurrent: 5}"))
    async with client(gateway) as http, client(gateway, ADMIN) as admin:
        for _ in range(4):
            last = await http.post("/v1/chat/completions", json=body("s/390"))
        assert last.status_code == 402
        seen = (await admin.get("/-/limits")).json()
        rows = {row["limits"]: row for row in seen["limits"]}
        assert rows["requests"] == {
            "of": "key 'caller'", "counter": "limit:key:caller:requests:minute", "limits": "requests", "limit": 60,
            "per": "minute", "used": 4, "left": 56,
        }  # fmt: skip
        assert rows["concurrent"]["used"] == 0
        budgets = {(row["budget"], row["of"]): row for row in seen["budgets"]}
        assert set(budgets) == {("b", "caller"), ("b", "admin"), ("u", "batch")}
        assert budgets["b", "caller"]["left_usd"] == pytest.approx(0.05 - budgets["b", "caller"]["used_usd"])
        assert budgets["b", "caller"]["resets_at"].endswith("T00:00:00+00:00")
        assert (await admin.post("/-/budgets/none/reset")).status_code == 404
        told = await admin.post("/-/budgets/u/reset")
        assert told.status_code == 400
        assert "say whose with ?of=" in told.text
        assert (await admin.post("/-/budgets/b/reset?of=caller")).json() == {"budget": "b", "reset": ["caller"]}
        assert (await http.post("/v1/chat/completions", json=body("s/390"))).status_code == 200


async def test_a_budget_goes_on_over_a_reload(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, "budgets: {b: {limit: 0.05 USD, per: day}}", ", limits: {requests: 60/minute}"))
    async with client(gateway) as http:
        before = cost((await http.post("/v1/chat/completions", json=body("s/390"))).json()["usage"])
        revision = gateway.health()["revision"]
        gateway.write(gateway.text.replace("0.05 USD", "0.03 USD"))
        gateway.wait(lambda health: health["revision"] != revision)
        assert await used(gateway, "b") == pytest.approx(before)
        answer = await http.post("/v1/chat/completions", json=body("s/390"))
        assert answer.status_code == 402
        assert "0.03 USD a day" in answer.text
        assert answer.headers["x-ratelimit-remaining-requests"] == "58"


async def test_parts_of_a_budget_are_logged_and_counted(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, "budgets: {b: {limit: 0.03 USD, per: day, warn_at: [50%]}}"))
    async with client(gateway) as http:
        assert (await http.post("/v1/chat/completions", json=body("s/390"))).status_code == 200
        metrics = (await http.get("/metrics")).text
    assert 'gateway_budget_reached_total{budget="b",share="0.5"} 1.0' in metrics
    assert "budget reached  budget=b share=50%" in gateway.log.read_text()
