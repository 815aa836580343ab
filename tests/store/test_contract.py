"""One contract, three stores: each test is run on memory, on disk and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import inf
from pathlib import Path

import pytest

from gateway.store.contract import Fixed, Held, Return, Sliding, Store, Want, Window
from tests.store.places import START, Clock, place

MINUTE = Sliding(60.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "disk", "redis"])
async def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> AsyncIterator[Store]:
    made = place(request.param, clock, tmp_path, lambda: str(request.getfixturevalue("redis_url")))
    yield made
    await made.close()


async def lease(store: Store, window: Window, limit: int, amount: int, least: int = 1) -> int:
    (grant,) = await store.lease([Want("k", window, limit, amount, least)])
    return grant.amount


async def used(store: Store, window: Window) -> int:
    return (await store.used([("k", window)]))[0]


class TestSliding:
    async def test_units_come_back_slice_by_slice(self, store: Store, clock: Clock) -> None:
        for _ in range(10):
            assert await lease(store, MINUTE, 100, 10) == 10
            clock.now += 3
        assert await lease(store, MINUTE, 100, 10) == 0
        clock.now = START + 60.9  # the first slice may still hold what was used 60 seconds ago
        assert await lease(store, MINUTE, 100, 10) == 0
        clock.now = START + 61
        assert await lease(store, MINUTE, 100, 20) == 10
        assert await used(store, MINUTE) == 100
        clock.now += 200
        assert await used(store, MINUTE) == 0

    async def test_a_grant_says_all_there_is_to_know(self, store: Store, clock: Clock) -> None:
        clock.now += 0.25
        (grant,) = await store.lease([Want("k", MINUTE, 100, 90)])
        assert (grant.amount, grant.left, grant.lot) == (90, 10, str(int(START)))
        assert grant.until == pytest.approx(START + 1)
        assert grant.at == pytest.approx(START + 0.25)
        assert grant.retry == 0.0
        (fewer,) = await store.lease([Want("k", MINUTE, 100, 30, 5)])
        assert (fewer.amount, fewer.left) == (10, 0)
        (none,) = await store.lease([Want("k", MINUTE, 100, 30, 5)])
        assert none.amount == 0
        assert none.retry == pytest.approx(60.75)
        clock.now += none.retry + 1e-3
        assert await lease(store, MINUTE, 100, 30, 5) == 30

    async def test_more_than_the_limit_never_comes(self, store: Store) -> None:
        (grant,) = await store.lease([Want("k", MINUTE, 10, 11, 11)])
        assert (grant.amount, grant.retry) == (0, inf)

    async def test_units_go_back_to_their_slice_and_no_further(self, store: Store, clock: Clock) -> None:
        (first,) = await store.lease([Want("k", MINUTE, 100, 60)])
        clock.now += 30
        (second,) = await store.lease([Want("k", MINUTE, 100, 40)])
        await store.lease((), [Return("k", MINUTE, first.lot, 50), Return("k", MINUTE, second.lot, 99)])
        assert await used(store, MINUTE) == 10
        await store.lease((), [Return("k", MINUTE, first.lot, 50)])
        assert await used(store, MINUTE) == 0
        clock.now += 100
        assert await lease(store, MINUTE, 100, 100) == 100
        await store.lease((), [Return("k", MINUTE, first.lot, 50)])  # its slice is long over
        assert await used(store, MINUTE) == 100

    async def test_charges_count_over_the_limit_from_now(self, store: Store, clock: Clock) -> None:
        (first,) = await store.lease([Want("k", MINUTE, 100, 100)])
        clock.now += 30
        (grant,) = await store.lease([Want("k", MINUTE, 100, 1)], [Return("k", MINUTE, first.lot, -50)])
        assert (grant.amount, grant.left) == (0, -50)
        clock.now += 31
        assert await used(store, MINUTE) == 50

    async def test_a_clock_that_steps_back_forgets_nothing(self, store: Store, clock: Clock) -> None:
        assert await lease(store, MINUTE, 100, 100) == 100
        clock.now -= 20
        assert await lease(store, MINUTE, 100, 1) == 0
        clock.now = START + 61
        assert await lease(store, MINUTE, 100, 100) == 100
        clock.now -= 3600
        assert await lease(store, MINUTE, 100, 1) == 0
        clock.now += 61
        assert await lease(store, MINUTE, 100, 100) == 100

    async def test_another_length_starts_anew(self, store: Store) -> None:
        assert await lease(store, MINUTE, 100, 100) == 100
        assert await lease(store, Sliding(3600.0), 100, 100) == 100
        assert await used(store, Sliding(3600.0)) == 100


class TestFixed:
    async def test_each_name_is_a_window(self, store: Store, clock: Clock) -> None:
        july, august = Fixed("07", START + 1000), Fixed("08", START + 2000)
        (grant,) = await store.lease([Want("k", july, 10**15, 10**15 - 3)])
        assert (grant.amount, grant.left, grant.lot, grant.until) == (10**15 - 3, 3, "07", START + 1000)
        (none,) = await store.lease([Want("k", july, 10**15, 4, 4)])
        assert none.retry == pytest.approx(1000)
        clock.now += 1000
        assert await lease(store, august, 10**15, 5) == 5
        await store.lease((), [Return("k", july, "07", 7)])
        assert await used(store, july) == 10**15 - 10
        assert await used(store, august) == 5

    async def test_for_ever(self, store: Store, clock: Clock) -> None:
        total = Fixed("total", inf)
        assert await lease(store, total, 10, 10) == 10
        clock.now += 10**9
        (grant,) = await store.lease([Want("k", total, 10, 1)])
        assert (grant.amount, grant.retry, grant.until) == (0, inf, inf)

    async def test_charges_and_returns_in_one_exchange(self, store: Store) -> None:
        window = Fixed("w", START + 10)
        await store.lease([Want("k", window, 100, 100)])
        (grant,) = await store.lease(
            [Want("k", window, 100, 50)], [Return("k", window, "w", 30), Return("k", window, "", -10)]
        )
        assert (grant.amount, grant.left) == (20, 0)
        await store.lease((), [Return("k", window, "w", 1000)])
        assert await used(store, window) == 0


class TestHeld:
    async def test_holders_that_renew_nothing_lose_their_units(self, store: Store, clock: Clock) -> None:
        one, two = Held("one", 30.0), Held("two", 30.0)
        assert await lease(store, one, 10, 6) == 6
        assert await lease(store, two, 10, 6) == 4
        clock.now += 20
        (renewed,) = await store.lease([Want("k", one, 10, 0, 0)])
        assert (renewed.amount, renewed.lot) == (0, "6")
        clock.now += 20
        (grant,) = await store.lease([Want("k", one, 10, 3)])
        assert (grant.amount, grant.left, grant.lot) == (3, 1, "9")
        (gone,) = await store.lease([Want("k", two, 10, 0, 0)])
        assert gone.lot == "0"

    async def test_units_are_given_back_by_their_holder(self, store: Store) -> None:
        one, two = Held("one"), Held("two")
        await store.lease([Want("k", one, 10, 6), Want("k", two, 10, 4)])
        (none,) = await store.lease([Want("k", two, 10, 1)])
        assert none.amount == 0
        assert none.retry > 0
        (grant,) = await store.lease([Want("k", two, 10, 9)], [Return("k", one, "", 5), Return("k", one, "", -2)])
        assert (grant.amount, grant.lot) == (3, "7")
        await store.lease((), [Return("k", one, "", 100)])
        assert await used(store, one) == 7


class TestAll:
    async def test_wants_are_served_in_order_each_by_itself(self, store: Store) -> None:
        wants = [Want("a", MINUTE, 10, 8), Want("b", Fixed("x", inf), 1, 1), Want("a", MINUTE, 10, 8)]
        assert [grant.amount for grant in await store.lease(wants)] == [8, 1, 2]
        assert await store.used([("a", MINUTE), ("b", Fixed("x", inf)), ("c", Held("y"))]) == [10, 1, 0]

    async def test_nothing_is_nothing(self, store: Store) -> None:
        assert await store.lease([]) == []

    @pytest.mark.parametrize("window", [MINUTE, Fixed("x", inf), Held("y")])
    async def test_forget(self, store: Store, window: Window) -> None:
        assert await lease(store, window, 10, 10) == 10
        await store.forget("k")
        assert await used(store, window) == 0
        assert await lease(store, window, 10, 10) == 10

    async def test_now(self, store: Store, clock: Clock) -> None:
        assert await store.now() == clock.now


class TestVisits:
    async def test_as_many_as_there_is_place_for(self, store: Store, clock: Clock) -> None:
        assert await store.visit("k", "a", 60, 2) == 1
        assert await store.visit("k", "b", 60, 2) == 2
        assert await store.visit("k", "c", 60, 2) is None
        assert await store.visit("k", "a", 60, 2) == 2
        clock.now += 50
        assert await store.visit("k", "a", 60, 2) == 2
        clock.now += 20  # b is gone, a came back
        assert await store.visit("k", "c", 60, 2) == 2
        assert await store.visit("other", "x", 60, 1) == 1


class TestTables:
    async def test_fields_come_and_go(self, store: Store, clock: Clock) -> None:
        await store.note("health", "a", b"\x00:\xff", 60)
        await store.note("health", "b", b"2", 10)
        await store.note("other", "c", b"3", 10)
        assert dict(await store.table("health")) == {"a": b"\x00:\xff", "b": b"2"}
        clock.now += 11
        assert dict(await store.table("health")) == {"a": b"\x00:\xff"}
        await store.note("health", "a", None, 0)
        assert dict(await store.table("health")) == {}


class TestValues:
    async def test_put_get_delete(self, store: Store) -> None:
        assert await store.get("k") is None
        await store.put("k", b"\x00\xffvalue", 60)
        await store.put("big", b"x" * 300_000, 60)
        assert await store.get("k") == b"\x00\xffvalue"
        assert await store.get("big") == b"x" * 300_000
        await store.put("k", b"", 60)
        assert await store.get("k") == b""
        await store.delete("k")
        await store.delete("k")
        assert await store.get("k") is None

    async def test_add_only_where_there_is_none(self, store: Store) -> None:
        assert await store.add("k", b"1", 60)
        assert not await store.add("k", b"2", 60)
        assert await store.get("k") == b"1"

    async def test_clear_a_prefix_literally(self, store: Store) -> None:
        for key in ("a*:1", "a*:2", "ab:3", "a[b]", "other"):
            await store.put(key, b"x", 60)
        assert await store.weigh("a*:") == (2, 2)
        assert await store.clear("a*:") == 2
        assert await store.weigh("a*:") == (0, 0)
        assert await store.get("ab:3") == b"x"
        assert await store.clear("a[") == 1
        assert await store.get("other") == b"x"
