"""Who failed, or was slow, gets traffic again in bounded time: on a virtual clock, and over ten thousand decisions."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.engine.ordering import PRESETS
from gateway.failure import Failed, Failure, Kind
from gateway.ir.cost import Price
from gateway.routing.attempt import Answer
from gateway.routing.node import Branch, Node, Ordering, Split
from gateway.routing.strategies import STRATEGIES
from gateway.state.latency import TRIAL
from gateway.transport.contract import Request
from tests.routing.bench import Bench, Reply, down, target

DRAWS = 10_000
ILL = 60  # seconds
LONGEST = 40.0  # the cap of the bench's breakers
OLD = 300.0  # what was measured so long ago is not known any more
WAYS = [("score", name) for name in PRESETS] + [("fastest", "")]


def split(strategy: str, preset: str = "", count: int = 2) -> Split:
    """`t0` is the fastest and the cheapest."""
    children = [target(f"t{at}", price=Price(input=1.0 + at, output=2.0 + at)) for at in range(count)]
    ordering = Ordering(weights=PRESETS[preset]) if preset else Ordering()
    return Split("s", strategy, tuple(Branch(child) for child in children), 0, ordering)


def order(bench: Bench) -> list[str]:
    node = bench.node
    assert isinstance(node, Split)
    children: list[Node] = STRATEGIES[node.strategy].order(node, bench.moment())
    return [child.name for child in children]


class Town:
    """Two upstreams, one request a second, and whether the first of them is ill."""

    def __init__(self, way: tuple[str, str], illness: Kind) -> None:
        self.bench = Bench(split(*way))
        self.bench.scripts = {"t0": [self._first], "t1": [Reply(after=0.4)]}
        self.illness = illness
        self.ill = False
        self.asked = 0  # sends to the first

    def _first(self, request: Request) -> Reply:
        self.asked += 1
        if not self.ill:
            return Reply(after=0.2)
        slow = self.illness is Kind.TIMEOUT
        self.bench.now += 10.0 if slow else 0.1
        raise Failed(Failure(kind=self.illness, message="scripted", sent=slow))

    async def second(self) -> str:
        """One request, and the rest of its second; who answered."""
        began = self.bench.now
        answer = await self.bench.ask()
        assert isinstance(answer, Answer), "the other one serves"
        self.bench.now = max(self.bench.now, began + 1.0)
        return answer.target.name


async def returned(way: tuple[str, str], illness: Kind) -> float:
    """Seconds from the recovery to the first answer of who was ill, after which it has its traffic again."""
    town = Town(way, illness)
    for _ in range(5):
        await town.second()
    assert await town.second() == "t0", "the better one"
    began, town.ill = town.bench.now, True
    while town.bench.now - began < ILL:
        assert await town.second() == "t1"
    town.ill, healed = False, town.bench.now
    while await town.second() != "t0":
        assert town.bench.now - healed < 10 * OLD
    back = town.bench.now - 1.0 - healed
    assert [await town.second() for _ in range(30)] == ["t0"] * 30
    return back


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("illness", [Kind.CONNECTION, Kind.SERVER_ERROR, Kind.OVERLOADED], ids=str)
async def test_who_failed_at_once_is_back_when_its_rest_is_over(way: tuple[str, str], illness: Kind) -> None:
    assert await returned(way, illness) <= LONGEST


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_who_timed_out_is_back_when_that_is_old(way: tuple[str, str]) -> None:
    assert await returned(way, Kind.TIMEOUT) <= OLD + 1.0


@pytest.mark.parametrize("way", [way for way in WAYS if way[1] != "cheap"], ids="-".join)
async def test_who_stays_a_black_hole_costs_one_request_in_five_minutes(way: tuple[str, str]) -> None:
    """`cheap` does not look at how long anything takes: its breaker alone keeps requests from who is cheapest."""
    town = Town(way, Kind.TIMEOUT)
    for _ in range(6):
        await town.second()
    town.ill, town.asked, began = True, 0, town.bench.now
    while town.bench.now - began < 20 * OLD:
        await town.second()
    assert 15 <= town.asked <= 21


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_rest_that_is_over_lets_one_request_look(way: tuple[str, str]) -> None:
    bench = Bench(split(*way))
    for name, seconds in (("t0", 0.4), ("t1", 0.5)):
        bench.runtime.latencies[name].measured(seconds, False, bench.now)
    own = bench.runtime.lanes["t0"][0].own
    own.open_for(bench.now, 5.0, "overloaded")
    assert {order(bench)[0] for _ in range(50)} == {"t1"}
    bench.now += 5.0
    assert {order(bench)[0] for _ in range(50)} == {"t0"}
    assert own.enter(bench.now)
    assert {order(bench)[0] for _ in range(50)} == {"t1"}, "it is being probed"
    own.success()
    assert {order(bench)[0] for _ in range(50)} == {"t0"}


@pytest.mark.parametrize("way", [("score", "fast"), ("fastest", "")], ids="-".join)
def test_what_is_not_known_any_more_is_found_out_by_one_request_at_a_time(way: tuple[str, str]) -> None:
    bench = Bench(split(*way))
    latencies, load = bench.runtime.latencies, bench.runtime.loads["t0"]
    latencies["t0"].measured(9.0, False, bench.now)
    bench.now += OLD + 1.0
    latencies["t1"].measured(0.4, False, bench.now)
    load.count = 7  # streams, or another route's: nobody of them finds out how long a whole answer takes
    assert order(bench) == ["t0", "t1"]
    assert {tuple(order(bench)) for _ in range(50)} == {("t1", "t0")}
    bench.now += TRIAL
    assert order(bench) == ["t0", "t1"], "whoever was sent has found nothing out"
    assert order(bench) == ["t1", "t0"]
    load.count = 0
    assert order(bench) == ["t0", "t1"], "nobody is there, so nobody is finding out"
    latencies["t0"].measured(9.0, False, bench.now)
    assert order(bench) == ["t1", "t0"], "it is as slow as it was"


async def test_equals_are_drawn_evenly_again_after_one_of_them_has_failed() -> None:
    branches = tuple(Branch(target(f"t{at}")) for at in range(3))
    bench = Bench(Split("s", "score", branches, 0, Ordering(weights=PRESETS["reliable"])))

    def shares() -> Counter[str]:
        return Counter(order(bench)[0] for _ in range(DRAWS))

    def even(counts: Counter[str]) -> bool:
        mean = DRAWS / len(counts)
        most = {2: 10.8, 3: 13.8}[len(counts)]  # p = 0.001
        return sum((count - mean) ** 2 / mean for count in counts.values()) < most

    assert even(shares()) and len(shares()) == 3
    for name in ("t0", "t1", "t2"):
        bench.runtime.latencies[name].measured(0.4, False, bench.now)
    own = bench.runtime.lanes["t0"][0].own
    own.open_for(bench.now, 5.0, "overloaded")
    assert set(shares()) == {"t1", "t2"} and even(shares())
    bench.now += 5.0
    assert set(shares()) == {"t0", "t1", "t2"} and even(shares())
    assert own.enter(bench.now)
    assert set(shares()) == {"t1", "t2"} and even(shares())
    own.success()
    assert set(shares()) == {"t0", "t1", "t2"} and even(shares())


async def test_a_walk_that_fails_over_asks_each_once() -> None:
    bench = Bench(split("score", "fast", 3))
    bench.scripts = {"t0": [down(Kind.TIMEOUT)], "t1": [down(Kind.TIMEOUT)]}
    assert isinstance(await bench.ask(), Answer)
    assert sorted(bench.path[:-1]) == sorted(set(bench.path[:-1])) and bench.path[-1] == "t2"


@pytest.mark.parametrize("preset", ["fast", "reliable"])
async def test_others_score_who_is_being_tried_below_whoever_is_known(preset: str) -> None:
    bench = Bench(split("score", preset))
    for seconds in (0.1, 9.0, 0.1, 9.0):
        bench.runtime.latencies["t1"].measured(seconds, False, bench.now)
    assert order(bench) == ["t0", "t1"]
    bench.runtime.loads["t0"].count = 1
    assert {tuple(order(bench)) for _ in range(50)} == {("t1", "t0")}, "slow and unsteady, but nobody waits for it"
