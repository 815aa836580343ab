"""`gateway.state` in a running server: exact over workers, in memory, on disk and in Redis; and what happens without it."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.conftest import KEY, Running
from tests.servers import RedisServer, redis_server

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()


def text(state: str, limit: str, workers: int = 2, policy: str = "local") -> str:
    return f"""
version: 1
gateway: {{listen: "127.0.0.1:0", workers: {workers}, state: {state}, on_store_failure: {policy}}}
providers: {{sandbox: {{}}}}
models: {{m: {{provider: sandbox}}}}
keys:
  ci: {{from: {{env: CALLER_KEY}}, limits: {{{limit}}}}}
"""


def ask(url: str) -> tuple[int, float, Any]:
    """Status, seconds, body."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    request = urllib.request.Request(url + "/v1/chat/completions", BODY, headers)
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, time.monotonic() - started, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, time.monotonic() - started, json.load(error) | {"retry": error.headers["retry-after"]}


def burst(gateway: Running, count: int) -> list[tuple[int, float, Any]]:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda _: ask(gateway.url), range(count)))


def calm(gateway: Running, count: int) -> list[tuple[int, float, Any]]:
    """One after the other: nothing but the gateway keeps the store waiting."""
    return [ask(gateway.url) for _ in range(count)]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def passed(found: list[tuple[int, float, Any]]) -> int:
    assert {status for status, *_ in found} <= {200, 429}, found
    return sum(status == 200 for status, *_ in found)


@pytest.mark.parametrize("state", ["memory", "disk", "redis"])
def test_two_workers_share_one_limit(state: str, launch: Any, request: pytest.FixtureRequest) -> None:
    written = {"memory": "memory", "disk": "{disk: ./state}"}.get(state) or (
        f"{{redis: {{url: {{file: url}}, prefix: 'two{os.getpid()}:'}}}}"
    )
    files = {"url": request.getfixturevalue("redis_url")} if state == "redis" else None
    gateway = launch(text(written, "requests: 100/day"), files)
    assert 98 <= passed(burst(gateway, 160)) <= 100  # each worker may keep one lot of 2
    assert gateway.health()["state"] == {"kind": state, "up": True} | ({"moving": False} if state == "redis" else {})


def test_one_worker_is_exact(launch: Any) -> None:
    assert passed(burst(launch(text("memory", "requests: 100/day", workers=1)), 130)) == 100


def private_directories(gateway: Running) -> set[Path]:
    found = set()
    for parent in (Path("/dev/shm"), Path("/tmp")):
        for path in parent.glob("gateway-state-*"):
            holders = [link for link in Path(f"/proc/{gateway.process.pid}/fd").iterdir() if link.is_symlink()]
            if any(str(path) in str(holder.readlink()) for holder in holders):
                found.add(path)
    return found


def test_the_private_directory_is_private_and_goes(launch: Any) -> None:
    gateway = launch(text("memory", "requests: 100/day"))
    (path,) = private_directories(gateway)
    assert path.stat().st_mode & 0o777 == 0o700
    assert passed(burst(gateway, 4)) == 4
    assert (path / "counters.db").exists()
    gateway.stop()
    assert not path.exists()


def test_state_on_disk_outlives_the_server(launch: Any, tmp_path: Path) -> None:
    written = text(f"{{disk: {tmp_path / 'kept'}}}", "requests: 10/day")
    first = launch(written)
    assert passed(burst(first, 6)) == 6
    first.stop()
    assert passed(burst(launch(written), 10)) == 4  # lots came back at the end


def test_a_killed_worker_costs_a_lot_at_most(launch: Any) -> None:
    gateway = launch(text("memory", "requests: 200/day"))
    assert passed(burst(gateway, 40)) == 40
    tasks = Path(f"/proc/{gateway.process.pid}/task").glob("*/children")
    os.kill(int(next(pid for task in tasks for pid in task.read_text().split())), signal.SIGKILL)
    while "a worker died" not in gateway.log.read_text():
        time.sleep(0.01)
    gateway.wait(lambda health: health["workers"] == 2)
    assert 200 - 40 - 3 * 4 <= passed(burst(gateway, 250)) <= 160


def test_a_change_of_state_needs_a_restart(launch: Any) -> None:
    gateway = launch(text("memory", "requests: 100/day", workers=1))
    gateway.write(text("{disk: ./state}", "requests: 100/day", workers=1))
    health = gateway.wait(lambda health: health["last_rejection"])
    (found,) = health["last_rejection"]["diagnostics"]
    assert (found["code"], "gateway.state" in found["detail"]) == ("needs-restart", True)


@pytest.mark.parametrize("how", ["kill", "pause"])
@pytest.mark.parametrize("policy", ["local", "reject"])
def test_redis_goes_away_under_load_and_comes_back(how: str, policy: str, launch: Any, redis: RedisServer) -> None:
    state = "{redis: {url: {file: url}}}"
    gateway = launch(text(state, "requests: 1000000/second", policy=policy), {"url": redis.url})
    _until(lambda: all(status == 200 for status, *_ in burst(gateway, 40)))  # a busy machine connects slowly
    (redis.kill if how == "kill" else redis.pause)()
    found = burst(gateway, 200)
    wanted = {200} if policy == "local" else {200, 503}
    assert {status for status, *_ in found} <= wanted
    assert max(seconds for _, seconds, _ in found) < 5.0  # a loaded machine; the time-out itself is 0.25 s
    gateway.wait(lambda health: not health["state"]["up"])
    quick = [ask(gateway.url) for _ in range(20)]
    if policy == "reject":
        refused = [body for status, _, body in burst(gateway, 20) if status == 503]
        assert refused
        assert refused[0]["error"]["code"] == "store_unavailable"
        assert int(refused[0]["retry"]) >= 1
    else:
        assert {status for status, *_ in quick} == {200}
    (redis.restart if how == "kill" else redis.resume)()
    _until(lambda: all(gateway.health()["state"]["up"] for _ in range(8)))
    assert all(status == 200 for status, *_ in burst(gateway, 20))
    said = gateway.log.read_text()
    assert "the store of shared state cannot be reached" in said
    assert "the store of shared state is back" in said


def rewrite(gateway: Running, name: str, content: str) -> dict[str, Any]:
    """Another secret, and the health of a server that has noticed."""
    before = gateway.health()["revision"]
    new = gateway.directory / f"{name}.new"
    new.write_text(content)
    new.replace(gateway.directory / name)
    return gateway.wait(lambda health: health["revision"] != before)


def used(url: str, prefix: str = "gateway:") -> int:
    """What a Redis itself counts of the caller's requests of the day."""
    client: Any = Redis.from_url(url)
    (key,) = client.keys(f"{prefix}{{c}}:s:*") or [b""]
    cells = {name: int(count) for name, count in client.hgetall(key).items() if name != b"w"}
    client.close()
    return sum(cells.values())


def test_a_redis_under_a_new_password_is_the_same_one(launch: Any, redis: RedisServer) -> None:
    """The password is changed in both places, and the former user is put out: nothing is lost, and nothing counts anew."""
    admin: Any = Redis.from_url(redis.url)
    urls = {name: f"redis://{name}:{name}-secret@127.0.0.1:{redis.port}/0" for name in ("old", "new")}
    for name in urls:
        admin.acl_setuser(name, enabled=True, passwords=[f"+{name}-secret"], keys=["*"], categories=["+@all"])
    gateway = launch(text("{redis: {url: {file: url}}}", "requests: 200/day"), {"url": urls["old"]})
    assert passed(calm(gateway, 120)) == 120
    assert rewrite(gateway, "url", urls["new"])["state"] == {"kind": "redis", "up": True, "moving": False}
    admin.acl_deluser("old")
    assert 200 - 120 - 4 <= passed(calm(gateway, 120)) <= 80, "one limit, of which another worker may have a lot"
    assert {name for name in (client["user"] for client in admin.client_list()) if name != "default"} == {"new"}
    assert gateway.health()["state"]["up"]
    assert gateway.stop() == 0
    assert 196 <= used(redis.url) <= 200
    admin.close()


def test_another_redis_is_used_from_the_reload_on(launch: Any, redis: RedisServer) -> None:
    second = redis_server()
    try:
        gateway = launch(text("{redis: {url: {file: url}}}", "requests: 200/day"), {"url": redis.url})
        assert passed(calm(gateway, 50)) == 50
        rewrite(gateway, "url", second.url)
        assert passed(calm(gateway, 70)) == 70
        assert 50 <= used(redis.url) <= 58, "what is leased of it, a lot for each worker, is used or goes back"
        _until(lambda: used(redis.url) + used(second.url) <= 120 + 8)
        redis.kill()
        assert passed(calm(gateway, 20)) == 20
        assert gateway.health()["state"] == {"kind": "redis", "up": True, "moving": False}
        assert gateway.stop() == 0
        assert used(second.url) in range(140 - 58, 141)
        said = gateway.log.read_text()
        assert "is used by its new URL" in said and "cannot be reached" not in said
        assert redis.url not in said and second.url not in said
        redis.restart()
    finally:
        second.kill()


def test_a_url_that_does_not_serve_yet_stops_nobody(launch: Any, redis: RedisServer) -> None:
    second = redis_server()
    second.kill()
    try:
        gateway = launch(text("{redis: {url: {file: url}}}", "requests: 5000/day"), {"url": redis.url})
        assert passed(calm(gateway, 20)) == 20
        assert rewrite(gateway, "url", second.url)["state"]["moving"] is True
        before = used(redis.url)
        _until(lambda: passed(burst(gateway, 20)) == 20 and used(redis.url) > before)
        second.restart()
        gateway.wait(lambda health: not health["state"]["moving"])
        _until(lambda: gateway.log.read_text().count("is used by its new URL") == 2)  # each worker looks once a second
        _until(lambda: passed(burst(gateway, 20)) == 20 and used(second.url) > 0)
    finally:
        second.kill()


def test_a_url_of_something_else_is_refused(launch: Any, redis: RedisServer) -> None:
    gateway = launch(text("{redis: {url: {file: url}}}", "requests: 200/day"), {"url": redis.url})
    (gateway.directory / "url").write_text("https://:hidden@example.com")
    gateway.wait(lambda health: health["last_rejection"] or health["last_reload"]["outcome"] != "reloaded")
    assert "hidden" not in gateway.log.read_text() and "hidden" not in json.dumps(gateway.health())
    assert passed(burst(gateway, 20)) == 20


def test_state_and_ledger_lie_beside_the_file_that_says_where(launch: Any) -> None:
    more = 'gateway: {state: {disk: ./state}, ledger: "sqlite:///ledger.db"}\n'
    lines = text("memory", "requests: 100/day", workers=1).replace("state: memory, ", "")
    gateway = launch(lines + "include: [more/*.yaml]\n", {"more/place.yaml": more})
    assert passed(burst(gateway, 5)) == 5
    assert gateway.stop() == 0
    assert {path.name for path in gateway.directory.joinpath("more").iterdir()} >= {"place.yaml", "state", "ledger.db"}
    assert not gateway.directory.joinpath("state").exists()
