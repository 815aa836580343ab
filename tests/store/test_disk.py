"""The store on disk: no pickle is ever read, nobody else may look, damage is told, and threads end."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.store.aside import Aside
from gateway.store.contract import Fixed, StoreDown, Want
from gateway.store.disk import Disk
from tests.store.places import Clock

TOTAL = Fixed("total", float("inf"))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_explode, ("unpickled",))


exploded: list[str] = []


def _explode(what: str) -> str:
    exploded.append(what)
    return what


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
@pytest.mark.parametrize("in_file", [False, True])
async def test_a_planted_pickle_is_never_read_as_one(tmp_path: Path, mode: int, in_file: bool) -> None:
    store = Disk(tmp_path)
    await store.put("k", b"mine", 60)
    data = pickle.dumps(Bomb())
    assert pickle.loads(data) == "unpickled"
    exploded.clear()
    name = "00/11/" + "a" * 28 + ".val"
    (tmp_path / "values" / "00" / "11").mkdir(parents=True)
    (tmp_path / "values" / name).write_bytes(data)
    with sqlite3.connect(tmp_path / "values" / "cache.db") as connection:
        where = (None, name) if in_file else (data, None)
        connection.execute("UPDATE Cache SET mode = ?, value = ?, filename = ?", (mode, *where))
        connection.execute(
            "INSERT INTO Cache (key, raw, store_time, access_time, tag, mode, value) VALUES (?, 0, 0, 0, NULL, 1, ?)",
            (data, data),
        )
    connection.close()
    found = await store.get("k")
    assert found is None or found == data[8:]  # as bytes, which is what it was stored as
    assert await store.clear("") >= 0
    await store.add("k", b"again", 60)
    assert await store.get("k") == b"again" or mode in (1, 2)
    assert exploded == []
    await store.close()


async def test_a_value_never_leads_out_of_its_directory(tmp_path: Path) -> None:
    store = Disk(tmp_path / "state")
    await store.put("k", b"mine", 60)
    (tmp_path / "secret").write_bytes(b"\x7f" * 100)
    with sqlite3.connect(tmp_path / "state" / "values" / "cache.db") as connection:
        connection.execute("UPDATE Cache SET mode = 2, filename = '../../secret', value = NULL")
    connection.close()
    assert await store.get("k") is None
    await store.close()


async def test_values_lapse_by_the_clock(tmp_path: Path) -> None:
    clock = Clock()
    store = Disk(tmp_path, clock)
    await store.put("k", b"v", 60)
    clock.now += 61
    assert await store.get("k") is None
    assert await store.add("k", b"w", 60)
    await store.close()


async def test_values_are_bounded(tmp_path: Path) -> None:
    store = Disk(tmp_path, size=1 << 20)
    for index in range(60):
        await store.put(f"k{index}", b"x" * 100_000, 60)
    files = list(tmp_path.rglob("*.val"))  # noqa: ASYNC240 - a test may wait
    assert sum(path.stat().st_size for path in files) < 3 << 20
    assert await store.get("k59") is not None
    await store.close()


async def test_only_its_owner_may_look(tmp_path: Path) -> None:
    store = Disk(tmp_path / "deep" / "state")
    await store.lease([Want("k", TOTAL, 1, 1)])
    assert (tmp_path / "deep" / "state").stat().st_mode & 0o077 == 0
    await store.close()


async def test_counters_stay(tmp_path: Path) -> None:
    for left in (6, 2, 0):
        store = Disk(tmp_path)
        (grant,) = await store.lease([Want("k", TOTAL, 10, 4)])
        assert grant.left == left
        await store.close()


async def test_what_is_over_is_swept(tmp_path: Path) -> None:
    clock = Clock()
    store = Disk(tmp_path, clock)
    await store.lease([Want("k", Fixed("d", clock.now + 10), 10, 4)])
    await store.visit("k", "a", 10, 5)
    await store.note("t", "f", b"x", 10)
    clock.now += 90_000
    await store.lease([Want("other", TOTAL, 10, 4)])
    with sqlite3.connect(tmp_path / "counters.db") as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("counters", "visits", "notes")
        ]
    connection.close()
    assert counts == [1, 0, 0]
    await store.close()


async def test_damage_is_told(tmp_path: Path) -> None:
    tmp_path.joinpath("counters.db").write_bytes(b"no database" * 1000)
    store = Disk(tmp_path)
    with pytest.raises(StoreDown, match="not a database"):
        await store.lease([Want("k", TOTAL, 10, 4)])
    with pytest.raises(StoreDown):
        await store.now()
    await store.close()


async def test_a_place_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Disk(tmp_path / "file" / "state")
    with pytest.raises(StoreDown):
        await store.lease([Want("k", TOTAL, 10, 4)])
    with pytest.raises(StoreDown):
        await store.put("k", b"v", 1)


async def test_work_that_takes_too_long_is_left_and_work_behind_it_left_out() -> None:
    aside = Aside("slow", 0.05)
    gate = threading.Event()
    done: list[int] = []
    with pytest.raises(StoreDown, match="did not answer"):
        await aside.do(gate.wait)
    with pytest.raises(StoreDown):
        await aside.do(lambda: done.append(1))
    gate.set()
    await asyncio.sleep(0)
    await aside.do(lambda: done.append(2))
    assert done == [2]
    thread = aside._thread
    aside.close()
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
