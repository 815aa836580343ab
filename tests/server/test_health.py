"""GET /-/health and POST /-/health/reset of a running gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY, Running
from tests.servers import RedisServer

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
defaults: {{retries: {{attempts: 0}}, breaker: {{failures: 1, cooldown: 60s..60s}}}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_keys: {{main: {{env: CALLER_KEY}}, spare: {{env: ADMIN_KEY}}}}}}
  banned:
    protocol: openai-chat
    base_url: "{url}"
    api_key: none
    bans: [{{on: [4xx], failures: 1, within: 1m, for: 10m}}]
models:
  good: {{provider: up, id: "sandbox:tokens=2"}}
  bad: {{provider: up, id: "sandbox:status=500"}}
  poor: {{provider: up, id: "sandbox:quota"}}
  slow: {{provider: up, id: "sandbox:latency=2s"}}
  wrong: {{provider: banned, id: "sandbox:status=400"}}
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
"""


def clients(running: Running) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    return (
        httpx.AsyncClient(base_url=running.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20),
        httpx.AsyncClient(base_url=running.url, headers={"authorization": f"Bearer {ADMIN}"}, timeout=20),
    )


async def ask(client: httpx.AsyncClient, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return (await client.post("/v1/chat/completions", json=body)).status_code


async def rows(client: httpx.AsyncClient) -> dict[tuple[str, str, str], dict[str, Any]]:
    shown = (await client.get("/-/health")).json()["health"]
    return {(row["provider"], row["credential"], row["model"]): row for row in shown}


async def test_all_of_it_in_one_and_a_reset(upstream: Upstream, launch: Any) -> None:
    running = launch(CONFIG.format(url=upstream.url))
    caller, admin = clients(running)
    found = await rows(admin)
    assert {row["state"] for row in found.values()} == {"closed"}
    assert len(found) == 2 * 5 + 2
    assert await ask(caller, "bad") == 502
    assert await ask(caller, "wrong") == 400
    assert await ask(caller, "poor") == 503  # both accounts
    found = await rows(admin)
    bad = [found["up", name, "bad"] for name in ("main", "spare")]
    assert sorted(row["state"] for row in bad) == ["closed", "open"]
    resting = next(row for row in bad if row["state"] == "open")
    assert (resting["reason"], resting["banned"]) == ("server_error", False)
    assert 55 < resting["opens_in"] <= 60 and resting["until"].endswith("Z")
    banned = found["banned", "none", "wrong"]
    assert (banned["state"], banned["reason"], banned["banned"]) == ("open", "invalid_request", True)
    assert banned["opens_in"] > 590
    assert [found["up", name, "*"]["reason"] for name in ("main", "spare")] == ["quota", "quota"]
    text = (await admin.get("/metrics")).text
    assert 'gateway_breaker_open{credential="none",model="wrong",provider="banned"} 1.0' in text

    assert (await admin.post("/-/health/reset", json={"provider": "banned"})).json() == {"reset": 1}
    assert (await rows(admin))["banned", "none", "wrong"]["state"] == "closed"
    assert (await admin.post("/-/health/reset", json={"credential": "main", "model": "*"})).json() == {"reset": 1}
    assert await ask(caller, "good") == 200
    assert (await admin.post("/-/health/reset")).json() == {"reset": 2}
    assert {row["state"] for row in (await rows(admin)).values()} == {"closed"}


async def test_what_is_in_flight_is_shown(upstream: Upstream, launch: Any) -> None:
    caller, admin = clients(launch(CONFIG.format(url=upstream.url)))
    flying = asyncio.create_task(ask(caller, "slow"))
    await asyncio.sleep(0.5)
    assert (await rows(admin))["up", "main", "slow"]["in_flight"] == 1
    await flying
    row = (await rows(admin))["up", "main", "slow"]
    assert row["in_flight"] == 0 and row["first_content"] is None and 1.9 < row["whole_answer"] < 4.0


async def test_it_is_for_operators_and_takes_no_unknown_word(upstream: Upstream, launch: Any) -> None:
    caller, admin = clients(launch(CONFIG.format(url=upstream.url)))
    for answer in (await caller.get("/-/health"), await caller.post("/-/health/reset")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "admin_required")
    refused = await admin.post("/-/health/reset", json={"modle": "good"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_reset")
    assert (await admin.get("/-/health", headers={"authorization": ""})).status_code == 401


SHARED = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: {workers}, state: {state}}}
defaults: {{retries: {{attempts: 0}}}}
providers: {{up: {{protocol: openai-chat, base_url: "{url}", api_key: none}}}}
models:
  limited: {{provider: up, id: "sandbox:status=429:retry-after=100"}}
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
"""
ME = ("up", "none", "limited")


async def seen_by_each(running: Running, *, tries: int = 12) -> set[str]:
    """The state that workers tell; each connection may reach another one."""
    states = set()
    for _ in range(tries):
        _, admin = clients(running)
        async with admin:
            states.add((await rows(admin))[ME]["state"])
    return states


async def until(running: Running, state: str) -> None:
    """Waits until all workers that are reached agree; they do within two seconds."""
    async with asyncio.timeout(4.0):
        while await seen_by_each(running) != {state}:  # noqa: ASYNC110 - it is another process that changes
            await asyncio.sleep(0.1)


async def test_workers_agree_and_a_reset_reaches_them_all(upstream: Upstream, launch: Any) -> None:
    running = launch(SHARED.format(url=upstream.url, workers=2, state="memory"))
    caller, admin = clients(running)
    assert await ask(caller, "limited") == 429
    await until(running, "open")
    assert (await admin.post("/-/health/reset")).json() == {"reset": 1}
    await until(running, "closed")


async def test_a_restart_remembers_what_rests(upstream: Upstream, launch: Any, tmp_path: Any) -> None:
    state = f"{{disk: {tmp_path}/state}}"
    running = launch(SHARED.format(url=upstream.url, workers=1, state=state))
    caller, _ = clients(running)
    assert await ask(caller, "limited") == 429
    await asyncio.sleep(1.5)
    running.stop()
    again = launch(SHARED.format(url=upstream.url, workers=1, state=state))
    _, admin = clients(again)
    row = (await rows(admin))[ME]
    assert (row["state"], row["reason"]) == ("open", "rate_limit") and 80 < row["opens_in"] < 100


async def test_nodes_agree_and_go_on_alone_while_the_store_is_away(
    upstream: Upstream, launch: Any, redis: RedisServer
) -> None:
    state = f'{{redis: {{url: {{env: NOWHERE, default: "{redis.url}"}}}}}}'
    one, two = (launch(SHARED.format(url=upstream.url, workers=1, state=state)) for _ in range(2))
    caller, _ = clients(one)
    await ask(caller, "limited")
    await until(two, "open")
    redis.kill()
    other, admin = clients(two)
    assert (await admin.post("/-/health/reset")).json() == {"reset": 1}  # here at least
    await until(two, "closed")
    assert await seen_by_each(one) == {"open"}
    redis.restart()
    await ask(other, "limited")
    await asyncio.sleep(3.0)
    await until(two, "open")
