"""The drills again, shorter, over sockets: a running gateway before sandboxes that do what ill upstreams do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY

FILE = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
defaults:
  timeouts: {{connect: 1s, first_token: 300ms, idle: 300ms, total: 3s}}
  retries: {{attempts: 1, backoff: 1ms..2ms}}
  breaker: {{failures: 2, window: 30s, cooldown: 500ms..1s}}
providers:
  first: {{protocol: openai-chat, base_url: "{url}", api_key: none}}
  second: {{protocol: openai-chat, base_url: "{url}", api_key: none}}
models:
  sick: {{provider: first, id: "sandbox:tokens=3{ill}"}}
  well: {{provider: second, id: "sandbox:tokens=3"}}
combos: {{both: [sick, well]}}
keys: {{caller: {{from: {{env: CALLER_KEY}}}}, admin: {{from: {{env: ADMIN_KEY}}, admin: true}}}}
"""

# illness: (whether clients see it, until the breaker opens; the longest that one request may take; why it rests)
ILL: dict[str, tuple[bool, float, str]] = {
    "refuse": (False, 1.0, "connection"),
    "status=500": (False, 1.0, "server_error"),
    "status=429:retry-after=30": (False, 1.0, "rate_limit"),
    "quota": (False, 1.0, "quota"),
    "auth": (False, 1.0, "auth"),
    "garbage": (False, 1.0, "bad_response"),
    "stall": (False, 1.5, "timeout"),
    "stall-at=2": (True, 1.5, "interrupted"),
}


async def ask(client: httpx.AsyncClient) -> tuple[bool, str, float]:
    """(whether the answer was whole, who gave it, seconds)."""
    started = time.monotonic()
    body = {"model": "both", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        text = (await answer.aread()).decode()
    whole = answer.status_code == 200 and "[DONE]" in text and '"error"' not in text
    return whole, answer.headers.get("x-gateway-model", ""), time.monotonic() - started


@pytest.mark.parametrize("illness", ILL)
async def test_an_illness_and_its_end(upstream: Upstream, launch: Any, illness: str) -> None:
    seen, longest, reason = ILL[illness]
    running = launch(FILE.format(url=upstream.url, ill=f":{illness}"))
    client = httpx.AsyncClient(base_url=running.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20)
    operator = {"authorization": f"Bearer {ADMIN}"}
    found = [await ask(client) for _ in range(5)]
    assert all(seconds < longest for _, _, seconds in found)
    assert [whole for whole, _, _ in found] == [not seen] * 2 + [True] * 3
    assert {by for whole, by, _ in found if whole} == {"well"}
    health = (await client.get("/-/health", headers=operator)).json()["health"]
    assert reason in {row["reason"] for row in health if row["provider"] == "first"}

    running.write(FILE.format(url=upstream.url, ill=""))  # the provider is well again
    running.wait(lambda health: health["last_reload"]["why"] != "start")
    if reason in ("rate_limit", "quota"):  # they rest for long: an operator knows better
        await client.post("/-/health/reset", headers=operator, json={"provider": "first"})
    deadline = time.monotonic() + 3.0
    while (await ask(client))[1] != "sick":
        assert time.monotonic() < deadline, "traffic did not come back"
        await asyncio.sleep(0.1)
