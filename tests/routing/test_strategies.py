"""Each strategy gives the order that its definition says."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.failure import Kind
from gateway.routing.attempt import Answer
from gateway.routing.node import Branch, Node, Split
from gateway.routing.strategies import STRATEGIES
from tests.routing.bench import Bench, Reply, down, target

DRAWS = 10_000


def split(strategy: str, *weights: float, hold: int = 0) -> Split:
    return Split("s", strategy, tuple(Branch(target(f"t{i}"), weight) for i, weight in enumerate(weights)), hold)


def order(bench: Bench) -> list[str]:
    node = bench.node
    assert isinstance(node, Split)
    return [_name(child) for child in STRATEGIES[node.strategy].order(node, bench.moment())]


def _name(node: Node) -> str:
    return node.name


def test_priority_is_as_written() -> None:
    bench = Bench(split("priority", 1, 1, 1))
    assert {tuple(order(bench)) for _ in range(100)} == {("t0", "t1", "t2")}


@pytest.mark.parametrize("weights", [(80, 20), (1, 1, 2), (0, 1, 3), (0.5, 0.25, 0.25)])
def test_weighted_draws_by_weight_and_the_rest_follow_by_weight(weights: tuple[float, ...]) -> None:
    bench = Bench(split("weighted", *weights))
    orders = [order(bench) for _ in range(DRAWS)]
    firsts = Counter(names[0] for names in orders)
    for index, weight in enumerate(weights):
        share = weight / sum(weights)
        sigma = (share * (1 - share) / DRAWS) ** 0.5
        assert abs(firsts[f"t{index}"] / DRAWS - share) <= 4 * sigma + 1e-9
    heaviest_first = sorted(range(len(weights)), key=lambda index: -weights[index])
    for names in orders:
        assert names[1:] == [f"t{index}" for index in heaviest_first if f"t{index}" != names[0]]


def test_weighted_with_only_zeros_still_tries_every_target() -> None:
    bench = Bench(split("weighted", 0, 0))
    assert sorted(order(bench)) == ["t0", "t1"]


def test_round_robin_takes_turns() -> None:
    bench = Bench(split("round_robin", 1, 1, 1))
    orders = [order(bench) for _ in range(6)]
    assert orders == [["t0", "t1", "t2"], ["t1", "t2", "t0"], ["t2", "t0", "t1"]] * 2


async def test_round_robin_holds_for_n_successes_and_not_over_a_failure() -> None:
    bench = Bench(split("round_robin", 1, 1, hold=3))
    used = []
    for _ in range(6):
        await bench.ask()
        used.append(bench.path[0])
    assert used == ["t0"] * 3 + ["t1"] * 3
    bench.scripts["t0"] = [down(Kind.TIMEOUT), Reply()]
    outcome = await bench.ask()
    assert isinstance(outcome, Answer)
    assert bench.path == ["t0", "t1"], "t0 failed, and lost its turn"
    await bench.ask()
    assert bench.path == ["t1"]


def test_least_busy_prefers_the_fewest_in_flight() -> None:
    bench = Bench(split("least_busy", 1, 1, 1))
    for name, count in (("t0", 2), ("t1", 0), ("t2", 1)):
        bench.runtime.loads[name].count = count
    assert order(bench) == ["t1", "t2", "t0"]
    for name in ("t0", "t1", "t2"):
        bench.runtime.loads[name].count = 5
    firsts = Counter(order(bench)[0] for _ in range(DRAWS))
    assert all(abs(count / DRAWS - 1 / 3) < 0.03 for count in firsts.values()), "equals are drawn evenly"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_child_comes_exactly_once(strategy: str) -> None:
    bench = Bench(split(strategy, 3, 2, 1))
    for _ in range(200):
        assert sorted(order(bench)) == ["t0", "t1", "t2"]


async def test_composites_nest() -> None:
    inner = Split("inner", "weighted", (Branch(target("x"), 1), Branch(target("y"), 1)))
    bench = Bench(Split("outer", "priority", (Branch(inner), Branch(target("z")))))
    bench.scripts = {"x": [down(Kind.TIMEOUT)], "y": [down(Kind.TIMEOUT)]}
    outcome = await bench.ask()
    assert isinstance(outcome, Answer)
    assert bench.path[2:] == ["z"]
    assert sorted(bench.path[:2]) == ["x", "y"]
