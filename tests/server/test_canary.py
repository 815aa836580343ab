"""A saved change serves some sessions first: it comes into force where it does well, and goes by itself where not."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY, Running
from tests.server.test_reload import children_of

CONFIG = """
version: 1
gateway:
  listen: "127.0.0.1:0"
  workers: {workers}
  drain: 5s
  reload: {{canary: 40%, bake: {bake}, abort_if: {{error_rate: 10%, min_requests: {least}}}}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: none, retries: {{attempts: 0}}}}
models:
  m: {{provider: up, id: "{id}"}}
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
"""


def config(upstream: Upstream, id_: str = "sandbox", *, workers: int = 1, bake: str = "1s", least: int = 5) -> str:
    return CONFIG.format(url=upstream.url, id=id_, workers=workers, bake=bake, least=least)


class Callers:
    """Sessions that ask one after the other without pause, each request over a connection of its own."""

    def __init__(self, gateway: Running, sessions: int = 12) -> None:
        self.gateway = gateway
        self.seen: dict[str, list[tuple[str, int]]] = {f"s{index}": [] for index in range(sessions)}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Callers:
        self._tasks = [asyncio.create_task(self._call(name)) for name in self.seen]
        while not all(self.seen.values()):
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, name: str) -> None:
        while True:
            response = await ask(self.gateway, session=name)
            self.seen[name].append((response.headers["x-gateway-revision"], response.status_code))
            await asyncio.sleep(0.02)

    def turns(self, name: str) -> list[str]:
        """The revisions that a session saw, without repeats in a row."""
        revisions = [revision for revision, _ in self.seen[name]]
        return [revision for index, revision in enumerate(revisions) if index == 0 or revisions[index - 1] != revision]


async def ask(gateway: Any, session: str = "", text: str = "x") -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}", **({"x-session-id": session} if session else {})}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        return await http.post("/v1/chat/completions", json=body)


async def until(gateway: Running, condition: Any) -> dict[str, Any]:
    """Waits until /health satisfies a condition, while callers call."""
    return await asyncio.to_thread(gateway.wait, condition)


async def operate(gateway: Any, path: str, method: str = "POST", key: str = ADMIN) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}) as http:
        return await http.request(method, path)


async def outcomes(gateway: Any) -> list[str]:
    """What happened to the configuration, the first first."""
    changes = (await operate(gateway, "/-/audit", "GET")).json()["changes"]
    return [change["outcome"] for change in reversed(changes)]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_healthy_revision_serves_some_then_all(launch: Any, upstream: Upstream, workers: int) -> None:
    gateway = launch(config(upstream, workers=workers))
    old = gateway.health()["revision"]
    async with Callers(gateway) as callers:
        gateway.write(config(upstream, "sandbox:tokens=3", workers=workers))
        during = await until(gateway, lambda health: health["canary"] and health["canary"]["requests"])
        new = during["canary"]["revision"]
        assert during["revision"] == old
        assert during["shares"] == {old: 0.6, new: 0.4}
        health = await until(gateway, lambda health: health["revision"] == new)
        await asyncio.sleep(0.2)
    assert health["canary"] is None
    assert health["not_the_file"] is None
    assert health["last_reload"]["outcome"] == "canary-promoted"
    assert await outcomes(gateway) == ["canary-began", "canary-promoted"]
    turns = {tuple(callers.turns(name)) for name in callers.seen}
    assert turns == {(old[:12], new[:12])}, "a session goes over once and never back"
    assert {status for seen in callers.seen.values() for _, status in seen} == {200}
