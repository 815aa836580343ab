"""Strategies that execute, over sockets: what a client sees, what upstreams see, what metrics and the log say."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx

from gateway.sandbox.serve import Upstream
from tests.conftest import KEY

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
providers: {{up: {{protocol: openai-chat, base_url: "{url}", api_key: none}}}}
models:
  fast: {{provider: up, id: "sandbox:tokens=5"}}
  stalled: {{provider: up, id: "sandbox:stall"}}
  slow: {{provider: up, id: "sandbox:latency=30s"}}
  other: {{provider: up, id: "sandbox:tokens=9"}}
  judge: {{provider: up, id: "sandbox:tokens=7", visibility: internal}}
combos:
  raced: {{strategy: race, targets: [stalled, fast], after: 100ms}}
  copied: {{strategy: mirror, targets: [fast, other]}}
  lingering: {{strategy: mirror, targets: [fast, slow]}}
  council: {{strategy: panel, targets: [fast, other], judge: judge}}
  refined: {{strategy: pipeline, targets: [fast, other]}}
keys: {{caller: {{from: {{env: CALLER_KEY}}}}}}
"""


async def test_contests_end_to_end(launch: Any, upstream: Upstream) -> None:
    gateway = launch(CONFIG.format(url=upstream.url))
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as http:

        async def ask(model: str, **fields: Any) -> httpx.Response:
            body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **fields}
            response = await http.post("/v1/chat/completions", json=body)
            assert response.status_code == 200, response.text
            return response

        for stream in (False, True):
            response = await ask("raced", stream=stream)
            assert response.headers["x-gateway-model"] == "fast"
            if not stream:
                assert response.headers["x-gateway-attempts"] == "2"
            await until(lambda: len(upstream.open) <= 1)  # the loser's connection is closed, the winner's is kept

        usage = (await ask("council")).json()["usage"]
        assert usage["completion_tokens"] == 5 + 9 + 7
        said = json.loads(upstream.journal[-1].body)["messages"][-1]["content"]
        assert said.count("<answer number=") == 2
        text = (await ask("council", stream=True)).text
        assert text.endswith("data: [DONE]\n\n")

        usage = (await ask("refined")).json()["usage"]
        assert usage["completion_tokens"] == 5 + 9

        await ask("copied")
        await ask("copied", stream=True)
        await until(lambda: "mirrored" in gateway.log.read_text() and gateway.log.read_text().count("mirrored") == 2)
        lines = [line for line in gateway.log.read_text().splitlines() if "mirrored" in line]
        assert all("served=fast" in line and "model=other" in line and "same_finish=True" in line for line in lines)
        metrics = (await http.get("/metrics")).text
        assert 'gateway_mirrored_total{model="other",outcome="same",served="fast"} 2.0' in metrics
        assert 'gateway_tokens_total{model="other",provider="up",type="output"}' in metrics

        await ask("lingering")
    started = time.monotonic()
    gateway.stop()
    assert time.monotonic() - started < 15, "copies end with the worker"


async def until(condition: Any) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")
