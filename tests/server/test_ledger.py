"""The ledger of a running gateway: a row for each request, whatever became of it, and /generation, which shows it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from gateway.sandbox.serve import Upstream
from gateway.server import recording as recordings
from gateway.server.recording import Recording
from gateway.server.scribe import Scribed
from gateway.store.ledger.book import Book
from gateway.store.ledger.tables import COLUMNS
from gateway.telemetry.ledger import Recorder
from tests.conftest import ADMIN, KEY, Running
from tests.server.test_starting import wait_until
from tests.servers import PostgresServer

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: {workers}, drain: 3s, ledger: {ledger}}}
defaults:
  timeouts: {{connect: 1s, first_token: 2s, idle: 2s, total: 5s}}
  retries: {{backoff: 1ms..2ms}}
  breaker: {{failures: 1000}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_keys: {{main: {{env: CALLER_KEY}}}}}}
  claude: {{preset: sandbox, protocol: anthropic}}
models:
  good: {{provider: up, id: "sandbox:tokens=5"}}
  bad: {{provider: up, id: "sandbox:status=500"}}
  other: {{provider: claude, id: "sandbox:tokens=5"}}
  silent: {{provider: up, id: "sandbox:tokens=5:no-usage"}}
  slow: {{provider: up, id: "sandbox:tokens=200:rate=50/s"}}
  stalled: {{provider: up, id: "sandbox:stall"}}
  broken: {{provider: up, id: "sandbox:tokens=5:cut-at=3"}}
combos:
  both: [bad, good]
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  stranger: {{hash: "sha256:{stranger}"}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
"""
STRANGER = "sk-stranger-0123456789abcdef"


def config(upstream: Upstream, ledger: object = "sqlite:///ledger.db", workers: int = 1) -> str:
    from hashlib import sha256

    stranger = sha256(STRANGER.encode()).hexdigest()
    return CONFIG.format(url=upstream.url, ledger=json.dumps(ledger), workers=workers, stranger=stranger)


def rows(running: Running) -> list[dict[str, Any]]:
    """What the file of a gateway holds."""
    with sqlite3.connect(running.directory / "ledger.db") as connection:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        found = connection.execute(f"SELECT {names} FROM gateway_ledger ORDER BY at").fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


class Asking:
    """A client of one gateway."""

    def __init__(self, running: Running, key: str = KEY) -> None:
        self.running = running
        self.client = httpx.AsyncClient(base_url=running.url, headers={"authorization": f"Bearer {key}"}, timeout=20)

    async def chat(self, model: str, stream: bool = False, **headers: str) -> httpx.Response:
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "one two three"}]}
        return await self.client.post("/v1/chat/completions", json=body, headers=headers)

    async def generation(self, name: str, key: str = KEY, path: str = "/api/v1/generation") -> httpx.Response:
        return await self.client.get(path, params={"id": name}, headers={"authorization": f"Bearer {key}"})


async def test_a_request_is_shown_at_once_to_its_key_and_to_operators(upstream: Upstream, launch: Any) -> None:
    asking = Asking(launch(config(upstream)))
    answer = await asking.chat("both")
    name = answer.headers["x-request-id"]
    shown = await asking.generation(name)
    assert shown.status_code == 200, shown.text
    data = shown.json()["data"]
    assert data["id"] == data["request_id"] == name
    assert data["upstream_id"] == answer.json()["id"]
    assert (data["model"], data["provider_name"], data["route"], data["asked"]) == ("good", "up", "both", "both")
    assert data["native_tokens_completion"] == answer.json()["usage"]["completion_tokens"]
    assert (data["streamed"], data["cancelled"], data["finish_reason"], data["estimated"]) == (
        False, False, "stop", False,
    )  # fmt: skip
    assert [(trial["target"], trial["status"]) for trial in data["path"]["tried"]] == [("bad", 500)] * 3 + [
        ("good", 200)
    ]
    assert data["revision"] == answer.headers["x-gateway-revision"]
    assert "credential" not in data["path"]["tried"][0]
    for path in ("/generation", "/v1/generation"):
        assert (await asking.generation(name, path=path)).json()["data"]["id"] == name
    assert (await asking.client.get(f"/v1/generation/{name}")).json()["data"]["id"] == name
    assert (await asking.generation(answer.json()["id"])).json()["data"]["id"] == name
    operator = (await asking.generation(name, ADMIN)).json()["data"]
    assert operator["path"]["tried"][0]["credential"] == "main"
    refused = await asking.generation(name, STRANGER)
    assert refused.status_code == 404 and refused.json()["error"]["code"] == "generation_not_found"
    assert (await asking.generation("", KEY)).status_code == 400
    assert (await asking.generation(name, "sk-nobody-0123456789abcdef")).status_code == 401


async def test_every_end_of_a_request_is_one_row(upstream: Upstream, launch: Any) -> None:
    running = launch(config(upstream))
    asking = Asking(running)
    await asking.chat("good")
    await asking.chat("good", stream=True)
    await asking.chat("bad")
    await asking.chat("nothing")
    await asking.client.post("/v1/chat/completions", json={"model": "good"}, headers={"authorization": "Bearer x"})
    await asking.chat("other", stream=True)
    await asking.chat("silent", stream=True)
    await asking.chat("broken", stream=True)
    await leave(asking, "slow", after=3)
    await leave(asking, "stalled", after=0)
    await asking.client.post(
        "/v1/messages", json={"model": "good", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    )
    running.stop()
    found = rows(running)
    assert [(row["asked"], row["status"], row["kind"], row["model"]) for row in found] == [
        ("good", 200, None, "good"),
        ("good", 200, None, "good"),
        ("bad", 502, "server_error", None),
        ("nothing", 404, "model_not_found", None),
        ("", 401, "invalid_api_key", None),
        ("other", 200, None, "other"),
        ("silent", 200, None, "silent"),
        ("broken", 200, "interrupted", "broken"),
        ("slow", 499, "cancelled", "slow"),
        ("stalled", 499, "cancelled", "stalled"),
        ("good", 200, None, "good"),
    ]
    by_name = {row["asked"]: row for row in found}
    assert [by_name[name]["estimated"] for name in ("other", "silent", "broken", "slow", "stalled")] == [0, 1, 1, 1, 1]
    assert by_name["silent"]["input"] > 0 and 3 <= by_name["silent"]["output"] <= 10
    assert 3 <= by_name["slow"]["output"] < 60
    assert (by_name["stalled"]["output"], by_name["stalled"]["credential"]) == (0, "main")
    assert by_name["bad"]["input"] is None and by_name["bad"]["attempts"] == 3
    assert by_name["silent"]["first_content"] is not None and by_name["silent"]["finish"] == "stop"
    assert found[-1]["protocol"] == "anthropic" and found[-1]["finish"] == "end_turn"
    assert all(row["at"] > time.time() - 60 and row["node"] for row in found)


async def leave(asking: Asking, model: str, after: int) -> None:
    """Begins to read a stream and goes."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "one two three"}]}
    try:
        async with asyncio.timeout(0.4 if not after else 5):
            async with asking.client.stream("POST", "/v1/chat/completions", json=body) as answer:
                lines = 0
                async for line in answer.aiter_lines():
                    lines += line.startswith("data:")
                    if lines >= after > 0:
                        break
    except TimeoutError:
        pass
    await asyncio.sleep(0.2)  # the gateway notices


async def test_an_id_that_comes_again_loses_no_row(upstream: Upstream, launch: Any) -> None:
    running = launch(config(upstream))
    asking = Asking(running)
    for model in ("good", "good", "bad"):
        answer = await asking.chat(model, **{"x-request-id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
    newest = (await asking.generation("mine")).json()["data"]
    assert (newest["status"], newest["request_id"]) == (502, "mine")
    running.stop()
    found = rows(running)
    assert [row["request_id"] for row in found] == ["mine"] * 3
    assert len({row["id"] for row in found}) == 3


async def test_without_a_ledger_there_is_nothing_to_show(upstream: Upstream, launch: Any) -> None:
    asking = Asking(launch(config(upstream).replace(', ledger: "sqlite:///ledger.db"', "")))
    refused = await asking.generation((await asking.chat("good")).headers["x-request-id"])
    assert refused.status_code == 404 and "gateway.ledger" in refused.json()["error"]["message"]


async def test_another_ledger_needs_a_restart(upstream: Upstream, launch: Any) -> None:
    running = launch(config(upstream))
    running.write(config(upstream, "sqlite:///other.db"))
    health = running.wait(lambda health: health["last_rejection"] is not None)
    found = health["last_rejection"]["diagnostics"]
    assert [each["code"] for each in found] == ["needs-restart"] and "other.db" in found[0]["detail"]


async def test_what_the_url_refers_to_may_change_and_is_used_once_it_serves(upstream: Upstream, launch: Any) -> None:
    text = config(upstream, {"url": {"file": "ledger.url"}, "flush": "50ms"}, workers=2)
    running = launch(text, {"ledger.url": "sqlite:///first.db"})
    asking = Asking(running)
    before = (await asking.chat("good")).headers["x-request-id"]
    await asking.generation(before)
    broken = running.directory / "second.db"
    broken.write_bytes(b"this is no database" * 100)
    (running.directory / "ledger.url").write_text("sqlite:///second.db")
    log = running.log
    await asyncio.to_thread(
        wait_until, lambda: log.read_text().count("the new URL of the ledger does not serve: the former is used") == 2
    )
    meanwhile = (await asking.chat("good")).headers["x-request-id"]
    assert (await asking.generation(meanwhile)).status_code == 200
    broken.unlink()
    await asyncio.to_thread(wait_until, lambda: log.read_text().count("the ledger is used by its new URL") == 2)
    after = [(await asking.chat("good")).headers["x-request-id"] for _ in range(6)]
    for name in after:
        assert (await asking.generation(name)).status_code == 200
    assert (await asking.generation(before)).status_code == 404, "it is in another database"
    running.stop()
    for file, ids in (("first.db", {before, meanwhile}), ("second.db", set(after))):
        with sqlite3.connect(running.directory / file) as connection:
            assert {row[0] for row in connection.execute("SELECT id FROM gateway_ledger")} == ids


async def test_attempts_to_use_another_ledger_leave_nothing_behind(
    shared_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "_AGAIN", 0.01)
    newer, good = (shared_postgres.create(f"d{uuid4().hex}") for _ in range(2))
    with psycopg.connect(newer, autocommit=True) as connection:
        connection.execute("CREATE TABLE gateway_ledger_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO gateway_ledger_version VALUES ('9999')")
        told: list[str] = []
        url = f"sqlite:///{tmp_path}/ledger.db"
        book = Book(url)
        book.prepare()
        writes = Scribed(book, url, None, lambda *_, **__: None)
        recorder = Recorder(writes, node="n", flush=0.01, keep=None, tell=lambda *_, **__: None)
        recorder.start()
        recording = Recording(writes, recorder, 0.01, lambda level, message, **_: told.append(message))
        recording.move(newer)
        await asyncio.sleep(1.0)
        ours = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gateway' AND datname = current_database()"
        ).fetchone()
        assert ours is not None and ours[0] <= 1, "one attempt at a time"
        recording.move(good)
        await asyncio.to_thread(wait_until, lambda: "the ledger is used by its new URL" in told)
        assert told == [
            "the new URL of the ledger does not serve: the former is used",
            "the ledger is used by its new URL",
        ]
        assert await recording.close() == 0


async def test_a_ledger_of_a_newer_gateway_refuses_to_serve(upstream: Upstream, launch: Any, tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE gateway_ledger_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO gateway_ledger_version VALUES ('9999')")
    with pytest.raises(RuntimeError, match="version 9999"):
        launch(config(upstream, f"sqlite:///{file}"))


async def load(asking: Asking, until: asyncio.Event, seen: Counter[int], ids: list[str]) -> None:
    while not until.is_set():
        try:
            answer = await asking.chat("good")
        except httpx.HTTPError:
            seen[0] += 1
            await asyncio.sleep(0.02)
            continue
        seen[answer.status_code] += 1
        ids.append(answer.headers["x-request-id"])
        await asyncio.sleep(0.01)  # some hundreds a second: a batch holds many, and a flush many batches


async def test_after_a_kill_the_rows_of_the_last_second_are_missing_at_most(upstream: Upstream, launch: Any) -> None:
    running = launch(config(upstream))
    asking = Asking(running)
    stop, seen, ids = asyncio.Event(), Counter[int](), list[str]()
    clients = [asyncio.create_task(load(asking, stop, seen, ids)) for _ in range(4)]
    await asyncio.sleep(2.0)
    before = len(ids)  # at least a flush ago
    await asyncio.sleep(1.5)
    for pid in [*children(running.process.pid), running.process.pid]:
        os.kill(pid, signal.SIGKILL)
    stop.set()
    await asyncio.gather(*clients)
    running.process.wait()
    found = [row["request_id"] for row in rows(running)]
    assert len(found) == len(set(found))
    assert set(ids[:before]) <= set(found)
    assert len(found) <= len(ids) + len(clients)  # those whose answers were on their way


def children(pid: int) -> list[int]:
    words = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True).stdout
    return [int(word) for word in words.split()]


async def test_a_database_that_dies_in_the_middle_of_load_loses_nothing(
    upstream: Upstream, launch: Any, postgres: PostgresServer
) -> None:
    running = launch(config(upstream, postgres.create("dies"), workers=2))
    asking = Asking(running)
    stop, seen, ids = asyncio.Event(), Counter[int](), list[str]()
    clients = [asyncio.create_task(load(asking, stop, seen, ids)) for _ in range(4)]
    await asyncio.sleep(1.2)
    await asyncio.to_thread(postgres.kill)
    killed = len(ids)
    await asyncio.sleep(1.0)
    assert len(ids) > killed  # requests are served all the same
    down = await asking.generation(ids[0])
    assert (down.status_code, down.json()["error"]["code"]) == (503, "ledger_unavailable")
    await asyncio.to_thread(postgres.restart)
    await asyncio.sleep(0.5)
    stop.set()
    await asyncio.gather(*clients)
    assert set(seen) == {200}
    running.stop()
    assert counted(postgres, "dies") == Counter(ids)
    log = running.log.read_text()
    assert "the ledger cannot be written" in log and "the ledger is written again" in log


async def test_two_nodes_share_a_database_from_the_first_start_on(
    upstream: Upstream, tmp_path: Path, shared_postgres: PostgresServer
) -> None:
    url = shared_postgres.create("shared")
    nodes = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    starting = [asyncio.to_thread(Running, tmp_path / name, config(upstream, url)) for name in ("a", "b")]
    nodes = await asyncio.gather(*starting)
    try:
        first, second = map(Asking, nodes)
        ids = [(await asking.chat("good")).headers["x-request-id"] for asking in (first, second) * 5]
        shown = await asyncio.gather(*(second.generation(name) for name in ids))
        assert [each.json()["data"]["id"] for each in shown] == ids
    finally:
        for node in nodes:
            node.stop()
    assert counted(shared_postgres, "shared") == Counter(ids)


def counted(postgres: PostgresServer, database: str) -> Counter[str]:
    import psycopg

    with psycopg.connect(postgres.database(database)) as connection:
        return Counter(row[0] for row in connection.execute("SELECT request_id FROM gateway_ledger").fetchall())
