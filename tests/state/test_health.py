"""Health that workers share: two of them on one store, with clocks of their own."""

from __future__ import annotations

import json

import pytest

from gateway.state.breaker import UNTIL_RELOAD, Breaker, Settings
from gateway.state.health import TABLE, Health
from gateway.state.pool import Identity, StatePool
from gateway.store.contract import Store, StoreDown
from gateway.store.memory import Memory
from gateway.store.moving import Moving

ME = Identity("p", "main#1", "m")
SETTINGS = Settings(failures=2, window=30.0, low=5.0, high=40.0)


class Time:
    def __init__(self) -> None:
        self.wall = 1_000_000.0


class Process:
    """A worker: its own pool, and a monotonic clock that began some time ago."""

    def __init__(self, store: Store, time: Time, name: str, began: float = 999_000.0) -> None:
        self.time = time
        self.began = began
        self.pool = StatePool()
        self.breaker = self.pool.breaker(ME)
        self.health = Health(self.pool, store, by=name, clock=lambda: self.now)
        self.health.reloaded()

    @property
    def now(self) -> float:
        return self.time.wall - self.began

    def wait(self) -> float:
        return round(self.breaker.wait(self.now), 6)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(time: Time) -> Memory:
    return Memory(clock=lambda: time.wall)


@pytest.fixture
def pair(store: Memory, time: Time) -> tuple[Process, Process]:
    return Process(store, time, "a"), Process(store, time, "b", began=500.0)


async def both(*processes: Process) -> None:
    """One second of their tasks."""
    for process in processes:
        await process.health.tick()
    processes[0].time.wall += 1.0
    for process in processes:
        await process.health.tick()


async def test_an_opening_is_known_everywhere_with_its_reason_and_end(pair: tuple[Process, Process]) -> None:
    one, two = pair
    await both(one, two)
    one.breaker.open_for(one.now, 60.0, "rate_limit")
    await both(one, two)
    assert one.wait() == two.wait() == 59.0
    assert two.breaker.kind == "rate_limit"
    assert two.breaker.snapshot(two.now).state == "open"


async def test_a_closing_is_known_everywhere(pair: tuple[Process, Process]) -> None:
    one, two = pair
    one.breaker.open_for(one.now, 5.0, "overloaded")
    await both(one, two)
    one.time.wall += 5.0
    assert two.breaker.enter(two.now)  # each sends a probe of its own
    two.breaker.success()
    await both(two, one)
    assert one.wait() == 0.0 and one.breaker.snapshot(one.now).state == "closed"


async def test_the_rest_doubles_whoever_probes(pair: tuple[Process, Process]) -> None:
    one, two = pair
    for _ in range(2):
        one.breaker.failure(one.now, "timeout", SETTINGS)
    await both(one, two)
    one.time.wall += 5.0
    assert two.breaker.enter(two.now)
    assert two.breaker.failure(two.now, "timeout", SETTINGS) == 10.0
    await both(two, one)
    assert one.wait() == two.wait() == 9.0


async def test_a_longer_rest_is_not_shortened_by_another_worker(pair: tuple[Process, Process]) -> None:
    one, two = pair
    one.breaker.open_for(one.now, 100.0, "quota")
    one.time.wall += 0.1
    two.breaker.open_for(two.now, 5.0, "overloaded")
    await both(one, two)
    assert one.wait() == 98.9
    assert one.breaker.kind == "quota"


async def test_a_restart_remembers_what_rests(store: Memory, time: Time) -> None:
    one = Process(store, time, "a")
    one.breaker.open_for(one.now, 3600.0, "quota")
    await one.health.tick()
    time.wall += 10.0
    again = Process(store, time, "a2", began=999_990.0)
    await again.health.tick()
    assert again.wait() == 3590.0 and again.breaker.kind == "quota"


async def test_a_restart_probes_what_rested_until_a_reload(store: Memory, time: Time) -> None:
    one, two = Process(store, time, "a"), Process(store, time, "b")
    one.breaker.open_for(one.now, UNTIL_RELOAD, "auth")
    await both(one, two)
    assert two.wait() == UNTIL_RELOAD
    time.wall += 1.0
    again = Process(store, time, "a2")
    await again.health.tick()
    assert again.wait() == 0.0


async def test_what_an_older_note_says_does_not_undo_a_newer_turn(pair: tuple[Process, Process]) -> None:
    one, two = pair
    one.breaker.open_for(one.now, 60.0, "rate_limit")
    await one.health.tick()
    await two.health.tick()
    one.time.wall += 1.0
    two.breaker.reset()
    await two.health.tick()  # reads the opening again, and has closed since
    assert two.wait() == 0.0
    await one.health.tick()
    assert one.wait() == 0.0


async def test_a_reset_reaches_everybody_also_what_is_closed_here(pair: tuple[Process, Process]) -> None:
    one, two = pair
    other = Identity("p", "main#1", "other")
    elsewhere = one.pool.breaker(other)
    elsewhere.open_for(one.now, 60.0, "timeout")
    one.breaker.open_for(one.now, 60.0, "rate_limit")
    await one.health.tick()
    one.time.wall += 1.0
    assert await two.health.reset(lambda identity: identity.model == "m") == 1
    await both(one, two)
    assert one.wait() == two.wait() == 0.0
    assert elsewhere.wait(one.now) > 0
    assert await two.health.reset(lambda identity: True) == 1
    await both(one, two)
    assert elsewhere.wait(one.now) == 0.0


class Broken(Memory):
    down = False

    async def table(self, table: str) -> dict[str, bytes]:
        if self.down:
            raise StoreDown
        return dict(await super().table(table))

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        if self.down:
            raise StoreDown
        await super().note(table, field, value, ttl)


async def test_what_turned_while_the_store_was_away_is_told_later(time: Time) -> None:
    store = Broken(clock=lambda: time.wall)
    one, two = Process(store, time, "a"), Process(store, time, "b")
    await both(one, two)
    store.down = True
    one.breaker.open_for(one.now, 60.0, "overloaded")
    with pytest.raises(StoreDown):
        await one.health.tick()
    store.down = False
    await both(one, two)
    assert two.wait() > 0


async def test_nothing_turned_is_one_exchange(time: Time) -> None:
    calls: list[str] = []

    class Counting(Memory):
        async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
            calls.append("note")
            await super().note(table, field, value, ttl)

        async def table(self, table: str) -> dict[str, bytes]:
            calls.append("table")
            return dict(await super().table(table))

    one = Process(Counting(clock=lambda: time.wall), time, "a")
    one.breaker.open_for(one.now, 60.0, "overloaded")
    await one.health.tick()
    assert calls == ["note", "table"]
    await one.health.tick()
    assert calls == ["note", "table", "table"]


async def test_what_another_version_wrote_is_passed_over(store: Memory, pair: tuple[Process, Process]) -> None:
    await store.note("health", '["p","main#1","m"]', b"\xc1", 60.0)
    await store.note("health", '["gone","x","y"]', b"\x93", 60.0)
    await both(*pair)
    assert pair[0].wait() == 0.0


def test_a_turn_is_counted_and_nothing_else_is() -> None:
    breaker = Breaker()
    breaker.success()
    breaker.failure(1.0, "timeout", SETTINGS)
    breaker.success()
    assert breaker.turns == 0
    breaker.open_for(1.0, 5.0, "quota")
    breaker.success()
    assert breaker.turns == 2


async def test_another_store_is_told_what_rests_and_not_what_is_well(store: Memory, time: Time) -> None:
    moving = Moving(store)
    one = Process(moving, time, "a")
    well = one.pool.breaker(Identity("p", "main#1", "well"))
    for breaker in (one.breaker, well):
        breaker.open_for(one.now, 60.0, "quota")
    await both(one)
    well.success()
    await both(one)
    other = Memory(clock=lambda: time.wall + 5.0)  # its clock goes before
    await moving.move(other, near=False)
    one.health.moved()
    await one.health.tick()
    assert [json.loads(field) for field in await other.table(TABLE)] == [[*ME]]
    late = Process(other, time, "c")
    await late.health.tick()
    assert late.wait() == one.wait() == 58.0
    assert (await other.table(TABLE)) != (await store.table(TABLE))
    await moving.close()
