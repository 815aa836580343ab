"""Hot reload of a running gateway: every way in which a file changes, and every way in which it must not."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY, Running

CONFIG = """
version: 1
include: [more/*.yaml]
gateway: {{listen: "127.0.0.1:0", workers: {workers}, drain: 5s}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: {{file: key.txt}}}}
models:
  m: {{provider: up, id: "{id}"}}
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
"""


def config(upstream: Upstream, id_: str = "sandbox", workers: int = 1) -> str:
    return CONFIG.format(url=upstream.url, id=id_, workers=workers)


FILES = {"key.txt": "first-secret\n", "more/a.yaml": "aliases: {other: m}\n"}


@pytest.fixture
def gateway(launch: Any, upstream: Upstream) -> Any:
    return launch(config(upstream), FILES)


async def ask(gateway: Any, model: str = "m", **fields: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {KEY}"}) as http:
        body = {"model": model, "messages": [{"role": "user", "content": "x"}], **fields}
        return await http.post("/v1/chat/completions", json=body)


async def test_a_saved_change_is_in_force(gateway: Any, upstream: Upstream) -> None:
    before = gateway.health()["revision"]
    gateway.write(gateway.text.replace('id: "sandbox"', 'id: "sandbox:tokens=3"'))
    health = gateway.wait(lambda health: health["revision"] != before)
    assert health["last_reload"]["outcome"] == "reloaded"
    response = await ask(gateway)
    assert response.headers["x-gateway-revision"] == health["revision"][:12]
    assert b"sandbox:tokens=3" in upstream.journal[-1].body
    with gateway.file.open("w") as file:  # in place, in two halves
        file.write(gateway.text[:80])
        file.flush()
        await asyncio.sleep(0.03)
        file.write(gateway.text[80:])
    assert gateway.wait(lambda health: health["revision"] == before)["last_rejection"] is None


async def test_a_broken_file_changes_nothing_and_says_why(gateway: Any) -> None:
    before = gateway.health()["revision"]
    gateway.write(gateway.text.replace("provider: up", "provider: upp"))
    health = gateway.wait(lambda health: health["last_rejection"] is not None)
    assert health["revision"] == before
    assert health["status"] == "ok"
    (found,) = health["last_rejection"]["diagnostics"]
    assert found["code"] == "unknown-provider"
    line = next(i for i, text in enumerate(gateway.text.splitlines(), 1) if "provider: up" in text)
    assert found["at"] == f"{gateway.file}:{line}:17"
    assert (await ask(gateway)).status_code == 200
    gateway.write(gateway.text)
    gateway.wait(lambda health: health["last_rejection"] is None)


async def test_what_needs_a_restart_is_named_and_refused(gateway: Any) -> None:
    gateway.write(gateway.text.replace("workers: 1", "workers: 2"))
    health = gateway.wait(lambda health: health["last_rejection"] is not None)
    assert [found["code"] for found in health["last_rejection"]["diagnostics"]] == ["needs-restart"]


async def test_includes_and_secret_files_are_watched(gateway: Any, upstream: Upstream) -> None:
    before = gateway.health()["revision"]
    (gateway.directory / "more" / "b.yaml").write_text("aliases: {second: m}\n")
    after = gateway.wait(lambda health: health["revision"] != before)["revision"]
    assert (await ask(gateway, "second")).status_code == 200
    (gateway.directory / "key.txt").write_text("second-secret\n")
    gateway.wait(lambda health: health["revision"] != after)
    await ask(gateway)
    assert upstream.journal[-1].headers["authorization"] == "Bearer second-secret"


async def test_kubernetes_symlinks(upstream: Upstream, tmp_path: Path) -> None:
    """A ConfigMap volume: router.yaml → ..data/router.yaml, and ..data is swapped in one rename."""
    mount = tmp_path / "mount"
    text = config(upstream).replace("include: [more/*.yaml]\n", "").replace("{file: key.txt}", "none")
    for name, id_ in (("..v1", "sandbox"), ("..v2", "sandbox:tokens=2")):
        (mount / name).mkdir(parents=True)
        (mount / name / "router.yaml").write_text(text.replace('id: "sandbox"', f'id: "{id_}"'))
    (mount / "..data").symlink_to("..v1")
    (mount / "router.yaml").symlink_to("..data/router.yaml")
    running = Running(mount, "")
    try:
        before = running.health()["revision"]
        (mount / "..new").symlink_to("..v2")
        (mount / "..new").rename(mount / "..data")
        running.wait(lambda health: health["revision"] != before)
        await ask(running)
        assert b"sandbox:tokens=2" in upstream.journal[-1].body
    finally:
        running.stop()


async def test_sighup_and_post_reload(gateway: Any) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {ADMIN}"}) as http:
        assert (await http.post("/-/reload")).json()["outcome"] == "unchanged"
        before = gateway.health()["revision"]
        gateway.file.write_text(gateway.text + "# a comment\n")
        outcome = (await http.post("/-/reload")).json()
        assert outcome["revision"] != before
        assert outcome["outcome"] in ("reloaded", "unchanged"), "the watcher may have been first"
        gateway.file.write_text("version: 2\n")
        response = await http.post("/-/reload")
        assert response.status_code == 422
        assert response.json()["outcome"] == "rejected"
        assert "unknown-word" in {found["code"] for found in response.json()["diagnostics"]}
    current = gateway.health()["revision"]
    gateway.file.write_text(gateway.text + "# another\n")
    os.kill(gateway.process.pid, signal.SIGHUP)
    gateway.wait(lambda health: health["revision"] != current)


async def test_a_stream_keeps_its_revision_and_a_stop_waits_for_it(gateway: Any) -> None:
    before = gateway.health()["revision"]
    gateway.write(gateway.text.replace('id: "sandbox"', 'id: "sandbox:tokens=30:rate=30/s"'))
    slow = gateway.wait(lambda health: health["revision"] != before)["revision"]
    stream = asyncio.create_task(ask(gateway, stream=True))
    await asyncio.sleep(0.2)
    gateway.write(gateway.text)
    gateway.wait(lambda health: health["revision"] == before)
    gateway.process.send_signal(signal.SIGTERM)
    response = await stream
    assert response.headers["x-gateway-revision"] == slow[:12]
    assert response.text.count('"content":"') == 31, "a role and thirty pieces"
    assert response.text.endswith("data: [DONE]\n\n")
    assert await asyncio.to_thread(gateway.process.wait, 10) == 0


async def test_two_workers_change_together_and_a_dead_one_comes_back_on_the_revision_in_force(
    launch: Any, upstream: Upstream
) -> None:
    text = config(upstream, workers=2).replace("include: [more/*.yaml]\n", "").replace("{file: key.txt}", "none")
    gateway = launch(text)
    assert gateway.health()["workers"] == 2
    before = gateway.health()["revision"]
    gateway.write(text.replace('id: "sandbox"', 'id: "sandbox:tokens=4"'))
    after = gateway.wait(lambda health: health["revision"] != before)["revision"]
    seen = {(await ask(gateway)).headers["x-gateway-revision"] for _ in range(20)}
    assert seen == {after[:12]}, "each request has a connection of its own, so both workers were asked"
    os.kill(children_of(gateway.process.pid)[0], signal.SIGKILL)
    async with asyncio.timeout(10):
        while "starting another" not in gateway.log.read_text() or len(children_of(gateway.process.pid)) < 2:  # noqa: ASYNC110 - another process' doing
            await asyncio.sleep(0.02)
    gateway.wait(lambda health: health["workers"] == 2)
    seen = {(await ask(gateway)).headers["x-gateway-revision"] for _ in range(20)}
    assert seen == {after[:12]}


def test_an_invalid_file_is_not_served(launch: Any, upstream: Upstream) -> None:
    with pytest.raises(RuntimeError, match="exited with 1") as caught:
        launch(config(upstream).replace("version: 1", "version: 1\nmodelz: {}"), forked=False)
    assert "error[unknown-key]" in str(caught.value)
    assert "did you mean 'models'" in str(caught.value)


def children_of(pid: int) -> list[int]:
    """The processes that a process started."""
    lists = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for text in lists for child in text.split()]
