"""A store that fails: who waits how long, what is counted meanwhile, and what is known afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from gateway.state.meters import Meters
from gateway.store.contract import Fixed, Grant, Held, Return, Sliding, StoreDown, Want, Window
from gateway.store.guarded import Guarded, Policy
from gateway.store.memory import Memory
from tests.store.places import START, Clock

MONTH = Fixed("07", START + 10_000)


class Failing(Memory):
    """A memory that can be away; `asked` counts who tried."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.away = False
        self.asked = 0

    def _look(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreDown("away")

    async def now(self) -> float:
        self._look()
        return await super().now()

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        self._look()
        return self.lease_now(wants, returns)

    async def get(self, key: str) -> bytes | None:
        self._look()
        return await super().get(key)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        self._look()
        await super().put(key, value, ttl)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        self._look()
        return await super().add(key, value, ttl)

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        self._look()
        return await super().visit(key, member, ttl, limit)

    async def clear(self, prefix: str) -> int:
        self._look()
        return await super().clear(prefix)


class Stage:
    def __init__(self, policy: Policy) -> None:
        self.clock = Clock()
        self.store = Failing(self.clock)
        self.said: list[tuple[bool, str]] = []
        self.probe = asyncio.Event()
        self.guarded = Guarded(self.store, policy, lambda up, why: self.said.append((up, why)), self.clock, self.sleep)

    async def sleep(self, _: float) -> None:
        await self.probe.wait()
        self.probe.clear()

    async def look(self) -> None:
        """One probe."""
        self.probe.set()
        for _ in range(10):
            await asyncio.sleep(0)

    async def lease(self, window: Window, amount: int, limit: int = 100, *returns: Return) -> Grant:
        (grant,) = await self.guarded.lease([Want("k", window, limit, amount)], returns)
        return grant


async def test_only_the_first_asks_and_it_comes_back_by_a_probe() -> None:
    stage = Stage("local")
    stage.store.away = True
    for _ in range(5):
        assert (await stage.lease(MONTH, 1)).amount == 1
    assert stage.store.asked == 1
    assert stage.said == [(False, "away")]
    assert not stage.guarded.up
    await stage.look()
    assert stage.store.asked == 2
    stage.store.away = False
    await stage.look()
    assert stage.said == [(False, "away"), (True, "")]
    assert stage.guarded.up
    await stage.guarded.close()


async def test_local_begins_with_what_was_known_and_tells_what_was_used() -> None:
    stage = Stage("local")
    assert (await stage.lease(MONTH, 60)).left == 40
    stage.store.away = True
    grant = await stage.lease(MONTH, 30)
    assert (grant.amount, grant.left, grant.lot) == (30, 10, "~07")
    assert (await stage.lease(MONTH, 30)).amount == 10
    await stage.guarded.lease((), [Return("k", MONTH, "~07", 5), Return("k", MONTH, "07", 20)])
    stage.store.away = False
    await stage.look()
    assert stage.store.used_now([("k", MONTH)]) == [60 - 20 + 35]
    await stage.guarded.lease((), [Return("k", MONTH, "~07", 5)])  # the rest of a lot of that time
    assert stage.store.used_now([("k", MONTH)]) == [70]
    await stage.guarded.close()


async def test_charges_while_it_is_away_are_not_lost() -> None:
    stage = Stage("local")
    await stage.lease(MONTH, 10)
    stage.store.away = True
    await stage.guarded.lease((), [Return("k", MONTH, "", -25)])
    stage.store.away = False
    await stage.look()
    assert stage.store.used_now([("k", MONTH)]) == [35]
    await stage.guarded.close()


async def test_slices_of_the_local_store_do_not_go_back_to_the_other() -> None:
    stage = Stage("local")
    window = Sliding(60.0)
    stage.store.away = True
    grant = await stage.lease(window, 30)
    stage.store.away = False
    await stage.look()
    assert (await stage.lease(window, 50)).amount == 50
    await stage.guarded.lease((), [Return("k", window, grant.lot, 30)])
    assert stage.store.used_now([("k", window)]) == [50]
    await stage.guarded.close()


async def test_reject_says_so_where_something_would_be_counted() -> None:
    stage = Stage("reject")
    await stage.guarded.put("v", b"1", 60)
    stage.store.asked, stage.store.away = 0, True
    counted: list[Callable[[], Awaitable[Any]]] = [
        lambda: stage.lease(MONTH, 1),
        lambda: stage.guarded.visit("k", "a", 1, 1),
        lambda: stage.guarded.add("k", b"", 1),
        lambda: stage.guarded.clear(""),
        lambda: stage.guarded.lease((), [Return("k", MONTH, "", -1)]),
    ]
    for work in counted:
        with pytest.raises(StoreDown):
            await work()
    assert stage.store.asked == 1
    assert await stage.guarded.get("v") is None
    await stage.guarded.put("v", b"2", 60)
    await stage.guarded.lease((), [Return("k", MONTH, "07", 1)])
    stage.store.away = False
    await stage.look()
    assert await stage.guarded.get("v") == b"1"
    await stage.guarded.close()


async def test_values_and_visits_are_here_meanwhile() -> None:
    stage = Stage("local")
    stage.store.away = True
    await stage.guarded.put("v", b"1", 60)
    assert await stage.guarded.get("v") == b"1"
    assert await stage.guarded.visit("k", "a", 60, 1) == 1
    assert await stage.guarded.visit("k", "b", 60, 1) is None
    assert await stage.guarded.add("once", b"", 60)
    assert not await stage.guarded.add("once", b"", 60)
    await stage.guarded.close()


async def test_what_is_held_is_counted_in_both() -> None:
    stage = Stage("local")
    meters = Meters(stage.guarded, stage.clock, stage.sleep)
    meter = meters.meter("h", 10, lambda now: Held(""))
    assert await meters.take([(meter, 8)]) is None
    stage.store.away = True
    assert await meters.take([(meter, 2)]) is None
    stage.clock.now += 10
    await meters.tick()
    await meters.tick()
    short = await meters.take([(meter, 1)])
    assert short is not None
    stage.store.away = False
    await stage.look()
    stage.clock.now += 10
    await meters.tick()
    await meters.tick()
    assert stage.store.used_now([("h", Held("x"))]) == [10]
    meter.give(10, 0.0)
    await meters.close()
    assert stage.store.used_now([("h", Held("x"))]) == [0]
    await stage.guarded.close()


async def test_it_goes_away_again_while_it_is_told() -> None:
    stage = Stage("local")
    stage.store.away = True
    await stage.lease(MONTH, 7)
    real, told = stage.store.lease, []

    async def breaks(wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        told.append(returns)
        if len(told) == 1:
            raise StoreDown("again")
        return await real(wants, returns)

    stage.store.lease = breaks  # type: ignore[method-assign]
    stage.store.away = False
    await stage.look()
    assert not stage.guarded.up
    await stage.look()
    assert stage.guarded.up
    assert stage.store.used_now([("k", MONTH)]) == [7]
    await stage.guarded.close()
