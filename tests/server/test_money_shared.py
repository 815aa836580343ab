"""Limits and budgets that several workers or nodes share: never exceeded, and not forgotten by `kill -9`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import Running
from tests.server.test_money import body, client, config, cost, used
from tests.servers import RedisServer

KINDS = ["memory, 2 workers", "disk, 2 workers", "redis, 2 nodes"]
Nodes = Callable[..., list[Running]]


@pytest.fixture(params=KINDS)
def nodes(request: pytest.FixtureRequest, launch: Any, upstream: Upstream, tmp_path: Path) -> Nodes:
    """Gateways that share their state, by what a file says of limits and budgets."""

    def begin(more: str = "", limits: str = "") -> list[Running]:
        if request.param.startswith("memory"):
            return [launch(config(upstream, more, limits, workers=2))]
        if request.param.startswith("disk"):
            return [launch(config(upstream, more, limits, workers=2, state=f"{{disk: {tmp_path / 'state'}}}"))]
        url = request.getfixturevalue("redis_url")
        text = config(upstream, more, limits, state=_redis(url))
        return [launch(text) for _ in range(2)]

    return begin


async def test_200_at_one_time_do_not_overspend(nodes: Nodes, upstream: Upstream) -> None:
    """What so many reserve at one time is more than there is; what they do not use is there for those who come later."""
    running = nodes("budgets: {b: {limit: 1 USD, per: month}}")
    random = Random(7)
    clients = [client(node) for node in running for _ in range(2)]
    answers: list[Any] = []

    async def ask(number: int) -> None:
        model = f"s/{random.randint(1, 400)}"
        answers.append(await clients[number % len(clients)].post("/v1/chat/completions", json=body(model)))

    async def in_turn(number: int) -> None:
        for _ in range(30):
            await ask(number)

    try:
        await asyncio.gather(*(ask(number) for number in range(200)))
        await asyncio.gather(*(in_turn(number) for number in range(4)))
    finally:
        for each in clients:
            await each.aclose()
    assert {answer.status_code for answer in answers} == {200, 402}
    spent = sum(cost(answer.json()["usage"]) for answer in answers if answer.status_code == 200)
    assert spent <= 1.0
    assert spent > 0.9, "and nearly all of it can be spent"
    assert spent - 1e-6 <= await used(running[0], "b") <= 1.0


async def test_streams_that_clients_cut_are_never_over_it(nodes: Nodes, upstream: Upstream) -> None:
    running = nodes("budgets: {b: {limit: 0.3 USD, per: month}}")
    random = Random(8)
    heard = 0

    async def one(node: Running, length: int, most: int) -> None:
        nonlocal heard
        async with (
            client(node) as http,
            http.stream("POST", "/v1/chat/completions", json=body(f"slow/{length}", stream=True)) as answer,
        ):
            seen = 0
            async for line in answer.aiter_lines():
                seen += '"content"' in line
                if seen >= most:
                    break
            heard += seen

    await asyncio.gather(
        *(one(running[n % len(running)], random.randint(20, 200), random.randint(1, 40)) for n in range(30))
    )
    await asyncio.sleep(1.5)
    assert heard
    assert 0 < await used(running[0], "b") <= 0.3


async def test_a_rate_is_never_exceeded_in_any_window(nodes: Nodes, upstream: Upstream) -> None:
    """Four times as many as may be, over 4 windows of a second; counted where clients see them."""
    running = nodes(limits=", limits: {requests: 30/second}")
    clients = [client(node) for node in running for _ in range(2)]
    began = time.monotonic()
    admitted = refused = 0
    until = began + 4

    async def press(number: int) -> None:
        nonlocal admitted, refused
        while time.monotonic() < until:
            answer = await clients[number % len(clients)].post("/v1/chat/completions", json=body("free"))
            admitted += answer.status_code == 200
            refused += answer.status_code == 429
            await asyncio.sleep(0.06)  # 8 of them: 130 a second

    try:
        await asyncio.gather(*(press(number) for number in range(8)))
    finally:
        for each in clients:
            await each.aclose()
    seconds = time.monotonic() - began
    assert refused > admitted * 0.2
    assert admitted <= 30 * (int(seconds) + 1)
    assert admitted >= 30 * seconds * 0.5


@pytest.mark.parametrize("kind", ["disk", "redis"])
async def test_nothing_is_forgotten_by_a_kill(
    kind: str, launch: Any, upstream: Upstream, tmp_path: Path, redis: RedisServer
) -> None:
    """A gateway that begins anew and cannot reach its store in time would count alone by default, and knows of nothing:
    here it refuses."""
    state = f"{{disk: {tmp_path / 'state'}}}" if kind == "disk" else _redis(redis.url)
    state += ", on_store_failure: reject"
    text = config(
        upstream, "budgets: {b: {limit: 0.5 USD, per: month}}", ", limits: {requests: 200/hour}", workers=2, state=state
    )
    first = launch(text)
    spent = 0.0
    admitted = 0

    async def press(node: Running, number: int, times: int) -> None:
        nonlocal spent, admitted
        async with client(node) as http:
            for _ in range(times):
                try:
                    answer = await http.post("/v1/chat/completions", json=body(f"s/{number}"))
                except Exception:
                    return
                if answer.status_code == 200:
                    admitted += 1
                    spent += cost(answer.json()["usage"])

    pressing = asyncio.gather(*(press(first, number, 100) for number in (50, 100, 150, 200)))
    while admitted <= 20 and not pressing.done():  # noqa: ASYNC110 - a few requests long
        await asyncio.sleep(0.01)
    _kill(first)
    await pressing
    before = (spent, admitted)
    assert before[1] > 10
    second = launch(text)
    assert await used(second, "b") >= before[0] - 1e-9
    await asyncio.gather(*(press(second, number, 60) for number in (50, 100, 150, 200)))
    assert spent <= 0.5
    assert admitted <= 200
    assert await used(second, "b") >= spent - 1e-9


def _redis(url: str) -> str:
    """A part of a Redis that nobody else counts in."""
    return f'{{redis: {{url: {{env: STORE, default: "{url}"}}, prefix: "{uuid4().hex}:"}}}}'


def _kill(node: Running) -> None:
    """Everything at once, as a machine without power."""
    children = subprocess.run(["pgrep", "-P", str(node.process.pid)], capture_output=True, text=True).stdout.split()
    for pid in (node.process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    node.process.wait(10)
