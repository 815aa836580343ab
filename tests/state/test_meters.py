"""Meters: taking all or nothing, lots and their bounds, what comes back late, what is owed; by virtual clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf

import pytest

from gateway.state.meter import LOT, Leased
from gateway.state.meters import IDLE, Meter, Meters, Short
from gateway.store.contract import Fixed, Grant, Held, Return, Sliding, StoreDown, Want, Window
from gateway.store.memory import Memory


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Remote:
    """A shared store: a Memory that only answers over an await, and can be down."""

    def __init__(self, clock: Clock, memory: Memory | None = None) -> None:
        self.memory = memory or Memory(clock)
        self.down = False
        self.trips = 0
        self.wants: list[Want] = []
        self.gate: asyncio.Event | None = None

    async def now(self) -> float:
        return await self.memory.now()

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        self.trips += 1
        self.wants += wants
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise StoreDown("down")
        return self.memory.lease_now(wants, returns)


async def never(_: float) -> None:
    await asyncio.Event().wait()


def sliding(seconds: float = 60.0) -> Callable[[float], Window]:
    return lambda now: Sliding(seconds)


def held(now: float) -> Window:
    return Held("")


def months(now: float) -> Window:
    index = int(now // 1000)
    return Fixed(str(index), (index + 1) * 1000.0)


def worker(remote: Remote, clock: Clock, skew: float = 0.0) -> Meters:
    return Meters(remote, lambda: clock.now - 999_000.0 + skew, never)  # type: ignore[arg-type]


def used(remote: Remote, meter: Meter, window: Window) -> int:
    return remote.memory.used_now([(meter.key, window)])[0]


class TestInThisProcess:
    def test_take_now_is_all_or_nothing(self) -> None:
        meters = Meters(Memory(Clock()))
        a, b = meters.meter("a", 5, sliding()), meters.meter("b", 1, months)
        assert meters.take_now([(a, 2), (b, 1)])
        assert not meters.take_now([(a, 2), (b, 1)])
        assert a.standing().left == 3
        assert b.standing().left == 0

    async def test_short_names_the_meter_and_when_there_is_more(self) -> None:
        clock = Clock()
        meters = Meters(Memory(clock))
        a, b = meters.meter("a", 10, sliding()), meters.meter("b", 3, sliding())
        assert await meters.take([(a, 3), (b, 3)]) is None
        clock.now += 10
        short = await meters.take([(a, 1), (b, 1)])
        assert isinstance(short, Short)
        assert short.meter is b
        assert short.left == 0
        assert 50 < short.retry_after <= 51
        clock.now += short.retry_after + 1e-6
        assert await meters.take([(a, 1), (b, 1)]) is None

    async def test_an_ask_beyond_the_limit_never_fits(self) -> None:
        meters = Meters(Memory(Clock()))
        short = await meters.take([(meters.meter("a", 10, sliding()), 11)])
        assert short is not None
        assert short.retry_after == inf

    def test_give_goes_to_the_slice_of_the_take(self) -> None:
        clock = Clock()
        meters = Meters(Memory(clock))
        meter = meters.meter("tokens", 100, sliding())
        assert meter.take(100)
        clock.now += 30
        meter.give(40, 30.0)
        assert meter.take(40)
        clock.now += 31  # the first 60 are over, the 40 are not
        assert meter.take(60)
        assert not meter.take(1)

    def test_months_roll_and_late_gives_find_theirs(self) -> None:
        clock = Clock()
        memory = Memory(clock)
        meter = Meters(memory).meter("money", 100, months)
        assert meter.take(100)
        clock.now += 1000
        assert meter.take(90)
        meter.give(70, 1000.0)
        assert meter.standing().left == 10
        assert memory.used_now([("money", months(1_000_000.0))]) == [30]

    def test_a_meter_is_found_again_and_its_use_outlives_it(self) -> None:
        meters = Meters(Memory(Clock()))
        meter = meters.meter("a", 5, sliding())
        assert meters.meter("a", 5, sliding()) is meter
        assert meter.take(4)
        del meter
        assert meters.meter("a", 5, sliding()).standing().left == 1
        assert meters.meter("a", 9, sliding()).standing().left == 5  # another limit, the same counter

    def test_charges_count_over_the_limit(self) -> None:
        meter = Meters(Memory(Clock())).meter("a", 5, sliding())
        meter.charge(7)
        assert meter.standing().left == -2
        assert not meter.take(1)
        assert meter.take(0)


class TestLots:
    async def test_a_lot_is_two_percent_or_what_is_asked(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 1000, sliding())
        assert await meters.take([(meter, 1)]) is None
        assert used(remote, meter, Sliding(60.0)) == 1000 // LOT
        for _ in range(19):
            assert meters.take_now([(meter, 1)])
        assert not meters.take_now([(meter, 1)])
        assert await meters.take([(meter, 300)]) is None
        assert used(remote, meter, Sliding(60.0)) == 320

    async def test_a_burst_shares_exchanges(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        a, b = meters.meter("a", 150, sliding()), meters.meter("b", 10_000, months)
        shorts = await asyncio.gather(*(meters.take([(a, 1), (b, 10)]) for _ in range(200)))
        assert sum(short is None for short in shorts) == 150
        assert remote.trips <= 2
        assert a.standing().left == 0
        assert b.standing().left == 10_000 - 1500  # those that got nothing of a took nothing of b

    async def test_who_comes_while_the_store_is_asked_is_served_by_what_it_brings(self) -> None:
        """A lot that goes back for them would leave nothing for those who come meanwhile, and so on."""
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 10_000, sliding())
        remote.gate = asyncio.Event()
        first = asyncio.ensure_future(meters.take([(meter, 1)]))
        await asyncio.sleep(0.01)
        later = [asyncio.ensure_future(meters.take([(meter, 1)])) for _ in range(20)]
        left = asyncio.ensure_future(meters.take([(meter, 5)]))
        await asyncio.sleep(0.01)
        left.cancel()
        remote.gate.set()
        assert await asyncio.gather(first, *later) == [None] * 21
        assert remote.trips == 1
        assert meter.standing().left == 10_000 - 21

    async def test_who_comes_while_the_store_is_asked_and_wants_more_than_it_brings_asks_again(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        a, b = meters.meter("a", 10_000, sliding()), meters.meter("b", 10_000, months)
        remote.gate = asyncio.Event()
        first = asyncio.ensure_future(meters.take([(a, 1), (b, 1)]))
        await asyncio.sleep(0.01)
        large = asyncio.ensure_future(meters.take([(a, 1), (b, 300)]))
        small = asyncio.ensure_future(meters.take([(a, 1), (b, 1)]))
        await asyncio.sleep(0.01)
        remote.gate.set()
        assert set(await asyncio.gather(first, large, small)) == {None}
        assert [(want.key, want.amount) for want in remote.wants[2:]] == [("b", 300 - (200 - 2))]
        assert (a.standing().left, b.standing().left) == (10_000 - 3, 10_000 - 302)

    async def test_a_sliding_lot_is_good_for_its_slice(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 1000, sliding())
        assert await meters.take([(meter, 5)]) is None
        clock.now += 1.0
        assert not meters.take_now([(meter, 1)])
        await meters.tick()
        assert used(remote, meter, Sliding(60.0)) == 5

    async def test_a_fixed_lot_is_good_until_the_window_ends(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 1000, months)
        assert await meters.take([(meter, 5)]) is None
        clock.now += 999
        assert meters.take_now([(meter, 5)])
        clock.now += 2
        assert not meters.take_now([(meter, 1)])
        assert await meters.take([(meter, 1)]) is None
        meter.give(5, 4.0)  # of the month before
        await meters.tick()
        assert used(remote, meter, Fixed("1000", 1_001_000.0)) == 5
        assert used(remote, meter, Fixed("1001", 1_002_000.0)) == 20

    async def test_idle_lots_go_back(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        asked = [(meters.meter("a", 1000, months), 5), (meters.meter("b", 1000, held), 5)]
        assert await meters.take(asked) is None
        clock.now += IDLE
        await meters.tick()
        assert used(remote, asked[0][0], months(clock.now)) == 5
        assert used(remote, asked[1][0], Held("")) == 5
        asked[1][0].give(5, 0.0)
        clock.now += IDLE
        await meters.tick()
        assert used(remote, asked[1][0], Held("")) == 0
        assert not meters._busy

    async def test_gives_of_a_sliding_window_free_the_slice_they_were_taken_in(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 100, sliding())
        assert await meters.take([(meter, 100)]) is None
        clock.now += 30
        meter.give(40, 30.0)
        assert await meters.take([(meter, 40)]) is None
        clock.now += 31
        await meters.tick()
        assert used(remote, meter, Sliding(60.0)) == 40

    async def test_what_is_in_use_stays_held(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        one, two = worker(remote, clock), worker(remote, clock, skew=77.0)
        a, b = one.meter("a", 10, held), two.meter("a", 10, held)
        assert await one.take([(a, 8)]) is None
        for _ in range(10):
            clock.now += 10.0
            await one.tick()
        short = await two.take([(b, 3)])
        assert short is not None
        assert short.left == 2
        clock.now += 31.0  # one is gone
        assert await two.take([(b, 10)]) is None

    async def test_held_units_that_the_store_forgot_are_counted_again(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 10, held)
        assert await meters.take([(meter, 8)]) is None
        await remote.memory.forget("a")
        clock.now += 10.0
        await meters.tick()
        await meters.tick()
        assert used(remote, meter, Held("")) == 8

    async def test_several_workers_never_exceed_and_find_all_but_a_lot_each(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        workers = [worker(remote, clock, skew=index * 100.0) for index in range(4)]
        meters = [meters.meter("a", 1000, months) for meters in workers]
        taken = 0
        for round_ in range(2000):
            index = round_ % 4
            taken += await workers[index].take([(meters[index], 1)]) is None
        assert 1000 - 3 * (1000 // LOT) <= taken <= 1000

    async def test_close_gives_everything_back(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        asked = [(meters.meter("a", 1000, months), 5), (meters.meter("b", 1000, held), 5)]
        sliding_ = meters.meter("c", 1000, sliding())
        assert await meters.take([*asked, (sliding_, 1)]) is None
        await meters.close()
        assert used(remote, asked[0][0], months(clock.now)) == 5
        assert used(remote, asked[1][0], Held("")) == 0
        assert used(remote, sliding_, Sliding(60.0)) == 1

    async def test_charges_travel_at_once(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 1000, months)
        assert await meters.take([(meter, 20)]) is None
        meter.charge(7)
        assert meters._exchanging is not None
        await meters._exchanging
        assert used(remote, meter, months(clock.now)) == 27


class TestTrouble:
    async def test_a_store_that_is_down_is_said_and_nothing_is_kept(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        a, b = meters.meter("a", 1000, months), meters.meter("b", 1000, months)
        assert await meters.take([(a, 1)]) is None
        remote.down = True
        with pytest.raises(StoreDown):
            await meters.take([(a, 5), (b, 5)])
        b.charge(3)
        await meters.tick()
        remote.down = False
        for _ in range(19):
            assert meters.take_now([(a, 1)])
        await meters.tick()
        assert used(remote, a, months(clock.now)) == 20
        assert used(remote, b, months(clock.now)) == 3  # a charge is not lost

    async def test_who_leaves_while_the_store_is_asked_keeps_nothing(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        remote.gate = asyncio.Event()
        meters = worker(remote, clock)
        meter = meters.meter("a", 1000, months)
        tasks = [asyncio.create_task(meters.take([(meter, 400)])) for _ in range(2)]
        for _ in range(5):
            await asyncio.sleep(0)
        tasks[0].cancel()
        remote.gate.set()
        assert await tasks[1] is None
        await meters.tick()
        assert isinstance(meter, Leased)
        assert meter.standing().left == 600

    async def test_a_lot_that_lapses_on_its_way_still_serves_who_waited(self) -> None:
        clock = Clock()
        remote = Remote(clock)
        meters = worker(remote, clock)
        meter = meters.meter("a", 10, sliding(1.0))
        remote.gate = asyncio.Event()
        task = asyncio.create_task(meters.take([(meter, 1)]))
        for _ in range(5):
            await asyncio.sleep(0)
        real = remote.memory.lease_now

        def late(wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
            grants = real(wants, returns)
            clock.now += 0.2
            return grants

        remote.memory.lease_now = late  # type: ignore[method-assign]
        remote.gate.set()
        assert await task is None
        assert not meters.take_now([(meter, 1)])
