"""Real processes that share a store: together they never use more than the limit, and a killed one costs a lot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from gateway.state.meter import LOT
from gateway.state.meters import Held
from gateway.store.disk import Disk
from tests.store.taking import TOTAL, opened

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["disk", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "state")
    return f"{request.getfixturevalue('redis_url')} p{uuid.uuid4().hex}:"


def together(where: str, window: str, limit: int, seconds: float) -> list[list[float]]:
    """When each of four processes took what it took; all begin once all are there."""
    command = [sys.executable, "-m", "tests.store.taking", where, window, str(limit), str(seconds)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [json.loads(process.communicate(timeout=60)[0]) for process in processes]


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_four_processes_share_one_limit(where: str, window: str) -> None:
    counts = [len(taken) for taken in together(where, window, 1000, 1.5)]
    assert 1000 - 3 * (1000 // LOT) <= sum(counts) <= 1000
    assert sum(count > 0 for count in counts) >= 2, "more than one had some of it"


def test_no_span_holds_more_than_the_limit(where: str) -> None:
    taken = sorted(at for each in together(where, "short", 100, 5.0) for at in each)
    assert len(taken) > 200
    # A take is known to lie after `at`; the store may have counted it up to an exchange later.
    spans = [later - earlier for earlier, later in zip(taken, taken[100:], strict=False)]
    assert min(spans) > 2.0 - 0.5


async def test_a_killed_process_leaves_a_lot_and_what_it_held_comes_back(where: str) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from gateway.state.meters import Held, Meters
from tests.store.taking import TOTAL, opened
async def main():
    meters = Meters(opened({where!r}))
    kept = [(meters.meter("k", 1000, lambda now: TOTAL), 5), (meters.meter("h", 100, lambda now: Held("", 1.0)), 7)]
    assert await meters.take(kept) is None
    print("taken", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - it begins at once
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    store = opened(where)
    assert await store.used([("k", TOTAL), ("h", Held("x"))]) == [1000 // LOT, 7]
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while (await store.used([("h", Held("x"))]))[0]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert await store.used([("k", TOTAL)]) == [1000 // LOT]
    await store.close()


async def test_a_process_that_stands_still_does_not_hold_up_others(tmp_path: Path) -> None:
    """It is stopped inside a transaction, with SQLite's lock: others are told in time, and go on when it does."""
    where = str(tmp_path / "state")
    program = f"""
import sqlite3, time
connection = sqlite3.connect({where + "/counters.db"!r}, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(60)
"""
    from gateway.store.contract import StoreDown, Want

    store = Disk(Path(where), patience=0.3)
    wants = [Want("k", TOTAL, 10, 1)]
    assert (await store.lease(wants))[0].amount == 1
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - it begins at once
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(StoreDown):
        await store.lease(wants)
    assert time.monotonic() - started < 3.0
    process.kill()
    process.wait()
    assert (await store.lease(wants))[0].amount == 1
    await store.close()
