"""A saved change serves some sessions first: it comes into force where it does well, and goes by itself where not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from gateway.engine.canary import falls_to
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


def config(upstream: Upstream, id_: str = "sandbox", *, workers: int = 1, bake: str = "4s", least: int = 5) -> str:
    return CONFIG.format(url=upstream.url, id=id_, workers=workers, bake=bake, least=least)


BODY: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


class Callers:
    """Sessions that ask one request after the other, each over a connection of its own."""

    def __init__(self, gateway: Running, sessions: int = 12) -> None:
        self.gateway = gateway
        self.seen: dict[str, list[tuple[str, int]]] = {f"s{index}": [] for index in range(sessions)}
        self._tasks: list[asyncio.Task[None]] = []
        headers = {"authorization": f"Bearer {KEY}", "connection": "close"}
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.AsyncClient(base_url=gateway.url, headers=headers, limits=limits, timeout=20)

    async def __aenter__(self) -> Callers:
        self._tasks = [asyncio.create_task(self._call(name)) for name in self.seen]
        await self.answered(1)
        return self

    async def answered(self, more: int) -> None:
        """Waits until every session has had so many more answers."""
        least = {name: len(seen) + more for name, seen in self.seen.items()}
        while any(len(seen) < least[name] for name, seen in self.seen.items()):  # noqa: ASYNC110 - a few requests long
            await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _call(self, name: str) -> None:
        while True:
            response = await self._http.post("/v1/chat/completions", json=BODY, headers={"x-session-id": name})
            self.seen[name].append((response.headers["x-gateway-revision"], response.status_code))
            await asyncio.sleep(0.05)

    def revisions(self, name: str, beyond: int = 0) -> set[str]:
        """The revisions that a session saw, past its first answers."""
        return {revision for revision, _ in self.seen[name][beyond:]}


def chosen(callers: Callers, revision: str) -> set[str]:
    """The sessions that a revision on trial is to serve."""
    return {name for name in callers.seen if falls_to(revision, 0.4, f"{KEY}\0{name}")}


async def served(gateway: Any, asked: Iterable[tuple[str, str]]) -> list[str]:
    """The revisions that serve requests of sessions ("" for one without a name) with a text, one after the other, each
    over a connection of its own."""
    headers = {"authorization": f"Bearer {KEY}", "connection": "close"}
    found = []
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as http:
        for session, text in asked:
            body = {"model": "m", "messages": [{"role": "user", "content": text}]}
            named = {"x-session-id": session} if session else {}
            response = await http.post("/v1/chat/completions", json=body, headers=named)
            found.append(response.headers["x-gateway-revision"])
    return found


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
        during = await until(gateway, lambda health: health["canary"])
        new = during["canary"]["revision"]
        tried = chosen(callers, new)
        assert 0 < len(tried) < len(callers.seen)
        assert during["revision"] == old
        assert during["shares"] == {old: 0.6, new: 0.4}
        marks = {name: len(seen) + 1 for name, seen in callers.seen.items()}  # one was under way
        await callers.answered(3)
        between = {name: callers.revisions(name, mark) for name, mark in marks.items()}
        assert (await until(gateway, lambda health: health["canary"]))["canary"]["failed"] == 0, "it is not over yet"
        assert between == {name: {new[:12] if name in tried else old[:12]} for name in callers.seen}
        health = await until(gateway, lambda health: health["revision"] == new)
        marks = {name: len(seen) + 1 for name, seen in callers.seen.items()}
        await callers.answered(2)
    assert {revision for name, mark in marks.items() for revision in callers.revisions(name, mark)} == {new[:12]}
    assert (health["canary"], health["not_the_file"]) == (None, None)
    assert health["last_reload"]["outcome"] == "canary-promoted"
    assert await outcomes(gateway) == ["canary-began", "canary-promoted"]
    assert {status for seen in callers.seen.values() for _, status in seen} == {200}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_failing_revision_is_taken_back_by_itself(launch: Any, upstream: Upstream, workers: int) -> None:
    text = config(upstream, workers=workers, bake="1m", least=30)  # more failures than open a breaker
    gateway = launch(text)
    old = gateway.health()["revision"]
    async with Callers(gateway) as callers:
        bad = config(upstream, "sandbox:status=500", workers=workers, bake="1m", least=30)
        gateway.write(bad)
        health = await until(gateway, lambda health: health["not_the_file"])
        await callers.answered(2)  # the second of them began afterwards
    apart = health["not_the_file"]
    assert health["revision"] == old
    assert health["shares"] == {old: 1.0}
    assert health["status"] == "ok"
    assert apart["why"] == "canary-aborted"
    assert "requests failed (100%; " in apart["detail"]
    assert "server_error" in apart["detail"]
    assert "`error_rate` allows 10% more" in apart["detail"]
    assert gateway.file.read_text() == bad, "the file is left alone"
    new = apart["file"]
    tried = {name for name in callers.seen if new[:12] in callers.revisions(name)}
    assert tried, "somebody had it fail"
    assert tried <= chosen(callers, new)
    for seen in callers.seen.values():
        assert all((status == 200) is (revision == old[:12]) for revision, status in seen), "no breaker is shared"
        assert [revision for revision, _ in seen[-1:]] == [old[:12]], "back with the old one"
    assert await outcomes(gateway) == ["canary-began", "canary-aborted"]
    metrics = (await operate(gateway, "/metrics", "GET")).text
    assert 'gateway_changes_total{outcome="canary-aborted"} 1.0' in metrics
    assert 'gateway_config_not_the_file{why="canary-aborted"} 1.0' in metrics
    log = gateway.log.read_text()
    assert "the new revision was taken back" in log
    again = (await operate(gateway, "/-/reload")).json()
    assert again["outcome"] == "canary", "who asks for it has it tried again"
    gateway.write(text)
    health = await until(gateway, lambda health: health["canary"] is None and health["not_the_file"] is None)
    assert health["shares"] == {old: 1.0}
    assert (await outcomes(gateway))[2:] == ["canary-began", "canary-aborted"]


async def test_an_edit_meanwhile_begins_anew(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, bake="1m"))
    old = gateway.health()["revision"]
    gateway.write(config(upstream, "sandbox:tokens=3", bake="1m"))
    first = gateway.wait(lambda health: health["canary"])["canary"]["revision"]
    gateway.write(gateway.text.replace("provider: up", "provider: upp"))
    health = gateway.wait(lambda health: health["last_rejection"])
    assert health["canary"]["revision"] == first, "what cannot be served changes nothing"
    gateway.write(config(upstream, "sandbox:tokens=4", bake="300ms"))
    health = gateway.wait(lambda health: health["revision"] != old)
    assert health["revision"] != first
    assert health["last_rejection"] is None
    assert await outcomes(gateway) == [
        "canary-began", "rejected", "canary-aborted", "canary-began", "canary-promoted"
    ]  # fmt: skip
    gateway.write(config(upstream, "sandbox:tokens=4", bake="300ms") + "# a comment\n")
    commented = gateway.wait(lambda health: health["last_reload"]["outcome"] == "reloaded")
    assert commented["revision"] != health["revision"], "what says the same needs no trial"


async def test_rollback(launch: Any, upstream: Upstream) -> None:
    """Back to what was before, by command, past every trial; and the server says that it is not the file."""
    canary = config(upstream, bake="1m")
    text = "\n".join(line for line in canary.splitlines() if "reload:" not in line)
    gateway = launch(text)
    first = gateway.health()["revision"]
    assert (await operate(gateway, "/-/rollback", key=KEY)).status_code == 403
    nothing = await operate(gateway, "/-/rollback")
    assert (nothing.status_code, nothing.json()["outcome"]) == (409, "rejected")
    assert "Nothing was in force before" in nothing.json()["detail"]
    revisions = [first]
    for tokens in (3, 4):
        gateway.write(text.replace('"sandbox"', f'"sandbox:tokens={tokens}"'))
        revisions.append(gateway.wait(lambda health: health["revision"] != revisions[-1])["revision"])
    back = (await operate(gateway, "/-/rollback")).json()
    assert back == {"outcome": "rolled-back", "revision": revisions[1], "from": revisions[2]}
    health = gateway.health()
    assert health["not_the_file"]["why"] == "rolled-back"
    assert health["not_the_file"]["file"] == revisions[2]
    assert health["not_the_file"]["detail"] == f"key admin rolled back from {revisions[2][:12]}"
    assert await served(gateway, [("", "x")]) == [revisions[1][:12]]
    assert 'gateway_config_not_the_file{why="rolled-back"} 1.0' in (await operate(gateway, "/metrics", "GET")).text
    assert (await operate(gateway, f"/-/rollback?to={first[:12]}")).json()["revision"] == first
    unknown = await operate(gateway, "/-/rollback?to=abcdef")
    assert unknown.status_code == 409
    assert f"none of those that are kept: {first[:12]}." in unknown.json()["detail"]
    assert (await operate(gateway, "/-/reload")).json()["outcome"] == "reloaded", "the file again"
    health = gateway.health()
    assert health["revision"] == revisions[2]
    assert health["not_the_file"] is None
    gateway.write(canary)
    tried = gateway.wait(lambda health: health["canary"])["canary"]["revision"]
    assert (await operate(gateway, "/-/rollback")).json() == {"outcome": "canary-aborted", "revision": revisions[2]}
    assert gateway.health()["not_the_file"]["file"] == tried
    changes = (await operate(gateway, "/-/audit", "GET")).json()["changes"]
    assert [(change["outcome"], change["who"]) for change in changes] == [
        ("canary-aborted", "key admin"),
        ("canary-began", "a source changed"),
        ("reloaded", "POST /-/reload by key admin"),
        ("rollback-refused", "key admin"),
        ("rolled-back", "key admin"),
        ("rolled-back", "key admin"),
        ("reloaded", "a source changed"),
        ("reloaded", "a source changed"),
        ("rollback-refused", "key admin"),
    ]
    plans = [change["plan"] for change in changes if change["outcome"] in ("reloaded", "rolled-back")]
    assert plans[-1] == "1 changed; risk high: models m id sandbox → sandbox:tokens=3", "as `gateway plan` has it"
    assert all(plans)
    assert (await operate(gateway, "/-/audit", "GET", key=KEY)).status_code == 403


async def test_a_session_without_a_name_is_one_too(launch: Any, upstream: Upstream) -> None:
    """The first words of a conversation name it, so one key's requests do not all go the same way."""
    gateway = launch(config(upstream, bake="1m"))
    gateway.write(config(upstream, "sandbox:tokens=3", bake="1m"))
    gateway.wait(lambda health: health["canary"])
    texts = [f"conversation {index}" for index in range(12)]
    first = await served(gateway, [("", text) for text in texts])
    assert len(set(first)) == 2
    assert await served(gateway, [("", text) for text in texts] * 2) == first * 2


async def test_a_worker_that_dies_ends_a_trial_and_comes_back(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream, workers=2, bake="1m"))
    old = gateway.health()["revision"]
    gateway.write(config(upstream, "sandbox:tokens=3", workers=2, bake="1m"))
    gateway.wait(lambda health: health["canary"])
    os.kill(children_of(gateway.process.pid)[0], signal.SIGKILL)
    health = gateway.wait(lambda health: health["not_the_file"] and health["workers"] == 2)
    assert health["not_the_file"]["detail"].startswith("worker ")
    assert set(await served(gateway, [(f"s{index}", "x") for index in range(20)])) == {old[:12]}
