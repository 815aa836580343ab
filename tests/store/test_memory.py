"""The store in memory: no span ever holds more than the limit, whatever happens when; values are bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.state.meters import Meters
from gateway.store.contract import Fixed, Held, Return, Sliding, Want
from gateway.store.memory import Memory
from tests.store.places import START, Clock

SECONDS = 10.0
LIMIT = 20
STEPS = st.lists(
    st.tuples(st.floats(0.0, 4.0), st.integers(0, 12), st.integers(0, 12), st.floats(0.0, 11.0)), max_size=120
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_no_span_holds_more_than_the_limit(steps: list[tuple[float, int, int, float]]) -> None:
    """Takes and late gives at any time: of every span of the window's length, the takes less what of them was given
    back are within the limit."""
    clock = Clock()
    meter = Meters(Memory(clock)).meter("k", LIMIT, lambda now: Sliding(SECONDS))
    taken: list[list[float]] = []  # when, how many are used
    for pause, amount, back, age in steps:
        clock.now += pause
        if meter.take(amount) and amount:
            taken.append([clock.now, amount])
        for entry in taken:
            if entry[0] <= clock.now - age and entry[1] >= back > 0:
                meter.give(back, clock.now - entry[0])
                entry[1] -= back
                break
        for start, _ in taken:
            assert sum(used for at, used in taken if start <= at <= start + SECONDS) <= LIMIT


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_what_is_over_comes_back(steps: list[tuple[float, int, int, float]]) -> None:
    clock = Clock()
    memory = Memory(clock)
    for pause, amount, back, _ in steps:
        clock.now += pause
        (grant,) = memory.lease_now([Want("k", Sliding(SECONDS), LIMIT, amount)])
        memory.lease_now((), [Return("k", Sliding(SECONDS), grant.lot, back)])
        assert 0 <= memory.used_now([("k", Sliding(SECONDS))])[0] <= LIMIT
    clock.now += SECONDS * 61 / 60 + 1e-3
    assert memory.lease_now([Want("k", Sliding(SECONDS), LIMIT, LIMIT, LIMIT)])[0].amount == LIMIT


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_retry_is_the_time_to_wait(steps: list[tuple[float, int, int, float]]) -> None:
    clock = Clock()
    memory = Memory(clock)
    for pause, amount, _, _ in steps:
        clock.now += pause
        memory.lease_now([Want("k", Sliding(SECONDS), LIMIT, amount)])
    (none,) = memory.lease_now([Want("k", Sliding(SECONDS), LIMIT, 15, 15)])
    if not none.amount:
        clock.now += none.retry + 1e-6
        assert memory.lease_now([Want("k", Sliding(SECONDS), LIMIT, 15, 15)])[0].amount == 15


async def test_values_are_bounded_and_the_least_used_go_first() -> None:
    memory = Memory(Clock(), size=3500)
    for name in "abc":
        await memory.put(name, b"x" * 800, 60)
    assert await memory.get("a") is not None
    await memory.put("d", b"x" * 800, 60)
    assert await memory.get("b") is None
    assert await memory.get("a") is not None
    await memory.put("huge", b"x" * 4000, 60)
    assert await memory.get("huge") is None
    assert await memory.get("a") is not None
    await memory.bound(1500)
    assert [await memory.get(name) is not None for name in "acd"] == [True, False, False]


async def test_values_lapse() -> None:
    clock = Clock()
    memory = Memory(clock)
    await memory.put("k", b"v", 10)
    clock.now += 10
    assert await memory.get("k") is None
    assert await memory.add("k", b"w", 10)


def test_counters_that_count_nothing_are_forgotten() -> None:
    clock = Clock()
    memory = Memory(clock)
    kept = memory.counter("held by somebody", Sliding(1.0))
    for index in range(5000):
        memory.lease_now([Want(f"user-{index}", Sliding(1.0), 5, 1)])
        memory.lease_now([Want(f"day-{index}", Fixed("d", START + 1), 5, 1)])
        clock.now += 100
    assert len(memory._kept) < 3000
    assert kept.take(clock.now, 1, 1)
    assert memory.counter("held by somebody", Sliding(1.0)) is kept


def test_direct_and_leased_units_of_one_counter_add_up() -> None:
    memory = Memory(Clock())
    assert memory.counter("k", Held("")).take(START, 3, 10)
    assert memory.lease_now([Want("k", Held("other"), 10, 9)])[0].amount == 7
    assert not memory.counter("k", Held("")).take(START, 1, 10)


def test_another_kind_of_window_starts_anew() -> None:
    memory = Memory(Clock())
    assert memory.counter("k", Sliding(1.0)).take(START, 1, 1)
    assert memory.counter("k", Fixed("x", START)).used(START) == 0
