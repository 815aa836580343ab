"""Sheets: whatever is taken and given back, and however time goes, every counter stands where the long way leaves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from gateway.state.meters import Fixed, Held, Meters, Short, Sliding, Window
from gateway.state.sheets import Sheet, Taken
from gateway.store.contract import Want
from gateway.store.memory import Memory
from tests.state.test_meters import Clock, Remote, held, months, never, sliding


class Side:
    """Counters in a store of their own, and how they are taken: by a sheet, or by the long way. `other` is the sheet of
    somebody else who shares some of them."""

    def __init__(self, clock: Clock, limits: tuple[int, int, int, int, int], shared: bool, short: bool) -> None:
        self.memory = Memory(clock)
        self.remote = Remote(clock, self.memory)
        self.meters = Meters(self.remote if shared else self.memory, clock, never)  # type: ignore[arg-type]
        windows: list[Callable[[float], Window]] = [sliding(), held, sliding(), sliding(3600.0), months]
        a, b, c, d, e = (
            self.meters.meter(name, limit, window) for name, limit, window in zip("abcde", limits, windows, strict=True)
        )
        self.all = [a, b, c, d, e]
        self.sheet = Sheet(self.meters, [a], [b], [c, d], [e])
        self.other = Sheet(self.meters, [a], [], [d, c], [e])
        self.short = short

    def take(self, tokens: int, money: int) -> Taken | None:
        return self.take_of(self.sheet, tokens, money)

    def take_of(self, sheet: Sheet, tokens: int, money: int) -> Taken | None:
        if self.short:
            return sheet.take(tokens, money)
        return sheet.waited(tokens, money) if self.meters.take_now(sheet.asks(tokens, money)) else None

    def stand(self) -> list[int]:
        return [meter.standing().left for meter in self.all]


@pytest.mark.parametrize("seed", range(20))
def test_a_sheet_counts_as_the_long_way_does(seed: int) -> None:
    random = Random(seed)
    clock = Clock()
    limits = (
        random.choice([3, 30]),
        random.choice([2, 20]),
        random.choice([50, 5000]),
        10_000,
        random.choice([99, 9999]),
    )
    sides = Side(clock, limits, False, True), Side(clock, limits, False, False)
    open_: list[tuple[str, list[Taken], int, int]] = []
    refused = 0
    for _ in range(600):
        clock.now += random.choice([0.0, 0.0, 0.3, 0.9, 5.0, 70.0, 999.0]) if random.random() < 0.5 else 0.0
        if random.random() < 0.02:
            key = random.choice("abcde")
            for side in sides:
                asyncio.run(side.memory.forget(key))
            open_.clear()  # what was given back then would be another's
        if open_ and random.random() < 0.5:
            name, taken, tokens, money = open_.pop(random.randrange(len(open_)))
            used, paid = random.choice([0, tokens // 2, tokens, tokens + 7]), random.choice([0, money, money + 3])
            asked = random.random() < 0.9
            for side, each in zip(sides, taken, strict=True):
                getattr(side, name).give(each, used, paid, asked)
        else:
            tokens, money = random.choice([0, 1, 40, 6000]), random.choice([0, 5, 50])
            name = random.choice(["sheet", "sheet", "other"])
            got = [side.take_of(getattr(side, name), tokens, money) for side in sides]
            assert (got[0] is None) == (got[1] is None)
            if got[0] is None or got[1] is None:
                refused += 1
            else:
                open_.append((name, [got[0], got[1]], tokens, money))
        assert sides[0].stand() == sides[1].stand()
    assert refused


@pytest.mark.parametrize("seed", range(10))
async def test_what_a_sheet_takes_of_lots_is_never_more_than_the_store_allows(seed: int) -> None:
    random = Random(seed)
    clock = Clock()
    side = Side(clock, (40, 25, 900, 10_000, 500), True, True)
    used = [0] * 5  # in this minute and month, which do not end
    open_: list[tuple[Taken, int, int]] = []
    for _ in range(300):
        if open_ and random.random() < 0.4:
            taken, tokens, money = open_.pop(random.randrange(len(open_)))
            spent, paid = random.randint(0, tokens), random.randint(0, money)
            side.sheet.give(taken, spent, paid)
            for at, amount in enumerate((0, 1, tokens - spent, tokens - spent, money - paid)):
                used[at] -= amount
        else:
            tokens, money = random.randint(1, 60), random.randint(1, 30)
            got = side.take(tokens, money)
            if got is None:
                lacks = await side.meters.take(side.sheet.asks(tokens, money))
                if isinstance(lacks, Short):
                    continue
                got = side.sheet.waited(tokens, money)
            open_.append((got, tokens, money))
            for at, amount in enumerate((1, 1, tokens, tokens, money)):
                used[at] += amount
        assert all(have <= meter.limit for have, meter in zip(used, side.all, strict=True))
        told = [max(0, meter.cell.total + meter.others) for meter in side.all]
        assert told == [meter.limit - meter.standing().left for meter in side.all]
    for taken, _, _ in open_:
        side.sheet.give(taken, 0, 0)
    await side.meters.close()
    counted = side.memory.used_now(
        [("a", Sliding(60.0)), ("b", Held("")), ("c", Sliding(60.0)), ("e", months(clock.now))]
    )
    left = [used[0], 0, used[2] - sum(tokens for _, tokens, _ in open_), used[4] - sum(money for _, _, money in open_)]
    assert counted == left


def test_a_request_larger_than_a_limit_takes_all_of_it() -> None:
    side = Side(Clock(), (9, 9, 100, 1000, 10), False, True)
    taken = side.take(5000, 0)
    assert taken is not None and side.stand()[2:4] == [0, 0]
    assert side.take(1, 0) is None
    side.sheet.give(taken, 300, 0)
    assert side.stand()[2:4] == [-200, 700]


def test_whoever_looks_is_not_confused_by_a_clock_that_steps_back() -> None:
    clock = Clock()
    side = Side(clock, (9, 9, 100, 1000, 10), False, True)
    assert side.take(30, 4) is not None
    for step in (-0.5, -20.0, -500.0, 0.7, 600.0):
        clock.now += step
        side.sheet.look()
        assert [meter.cell.total for meter in side.all] == [meter.limit - meter.standing().left for meter in side.all]


def test_other_holders_are_seen_at_once() -> None:
    side = Side(Clock(), (9, 3, 100, 1000, 10), False, True)
    assert side.take(0, 0) is not None
    side.memory.lease_now([Want("b", Held("another", 30.0), 3, 2)])
    assert side.take(0, 0) is None
    assert [meter.standing().left for meter in side.all[:2]] == [8, 0]


def test_one_counter_twice_counts_twice() -> None:
    meters = Meters(Memory(Clock()))
    meter = meters.meter("m", 3, lambda now: Fixed("all", now + 1000))
    sheet = Sheet(meters, [meter, meter])
    assert sheet.take(0, 0) is not None
    assert sheet.take(0, 0) is None and meter.standing().left == 1


def test_a_sheet_of_nothing_can_always_be_taken() -> None:
    sheet = Sheet(Meters(Memory(Clock())))
    taken = sheet.take(5, 5)
    assert taken is not None
    sheet.give(taken, 9, 0)
