"""What strategies that measure, count, price and hash give: exact, or over ten thousand seeded decisions."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import comb

import msgspec
import pytest

from gateway.failure import Kind
from gateway.ir.cost import Price
from gateway.protocols import PROTOCOLS
from gateway.routing import signals
from gateway.routing.attempt import Answer
from gateway.routing.facts import Facts
from gateway.routing.moment import Moment
from gateway.routing.node import Branch, Chain, Fallback, Node, Ordering, Split, Weights
from gateway.routing.sending import Job
from gateway.routing.strategies import STRATEGIES, score
from gateway.state.latency import STALE
from tests.routing.bench import CHAT, Bench, Reply, down, target

DRAWS = 10_000


def split(strategy: str, *nodes: Node | tuple[Node, float], hold: int = 0, **ordering: object) -> Split:
    branches = tuple(Branch(*each) if isinstance(each, tuple) else Branch(each) for each in nodes)
    if strategy == "round_robin":
        ordering = {"weighted": len({branch.weight for branch in branches}) > 1}
    return Split("s", strategy, branches, hold, Ordering(**ordering))  # type: ignore[arg-type]  # fields by name


def three(strategy: str, **ordering: object) -> Bench:
    return Bench(split(strategy, *(target(f"t{i}") for i in range(3)), **ordering))


def order(bench: Bench, job: Job | None = None) -> list[str]:
    node = bench.node
    assert isinstance(node, Split)
    return [child.name for child in STRATEGIES[node.strategy].order(node, bench.moment(job))]


def measure(bench: Bench, name: str, *seconds: float, stream: bool = False) -> None:
    for each in seconds:
        bench.runtime.latencies[name].measured(each, stream, bench.now)


def chat(body: bytes = b"{}", **facts: object) -> Job:
    fields = {"model": "any", "messages": []} | msgspec.json.decode(body)
    return Job(CHAT, CHAT.decode_head(msgspec.json.encode(fields)), (), Facts(**facts))  # type: ignore[arg-type]


def chi_square(counts: Counter[str], expected: dict[str, float]) -> float:
    return sum((counts[name] - share * DRAWS) ** 2 / (share * DRAWS) for name, share in expected.items())


def test_random_gives_every_order_equally_often() -> None:
    bench = three("random")
    orders = Counter("".join(order(bench)) for _ in range(DRAWS))
    assert len(orders) == 6
    assert chi_square(orders, dict.fromkeys(orders, 1 / 6)) < 20.5, "5 degrees of freedom, p = 0.001"


def test_a_deck_repeats_nobody_until_all_were_first_and_never_begins_with_the_last() -> None:
    bench = three("random", deck=True)
    firsts = [order(bench)[0] for _ in range(9_999)]
    for at in range(0, 9_999, 3):
        assert len(set(firsts[at : at + 3])) == 3
    assert all(one != other for one, other in pairwise(firsts))
    begins = Counter(firsts[::3])
    assert chi_square(begins, dict.fromkeys(begins, 3_333 / DRAWS / 3)) < 13.8, "each begins a third of the decks"
    assert sorted(order(bench)) == ["t0", "t1", "t2"]


def test_a_deck_of_one_and_a_deck_that_changes() -> None:
    bench = Bench(split("random", target("t0"), deck=True))
    assert [order(bench) for _ in range(3)] == [["t0"]] * 3
    bench = three("random", deck=True)
    order(bench)
    smaller = Bench(split("random", target("t0"), target("t1"), deck=True))
    smaller.runtime.cursors["s"] = bench.runtime.cursors["s"]
    firsts = [order(smaller)[0] for _ in range(4)]
    assert {*firsts[:2]} == {*firsts[2:]} == {"t0", "t1"}


def test_smooth_turns_are_nginx() -> None:
    """https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1: 5, 1, 1 give a a b a c a a."""
    bench = Bench(split("round_robin", (target("a"), 5), (target("b"), 1), (target("c"), 1)))
    firsts = [order(bench)[0] for _ in range(7_000)]
    assert "".join(firsts[:7]) == "aabacaa"
    assert Counter(firsts) == {"a": 5_000, "b": 1_000, "c": 1_000}
    assert order(bench) == ["a", "b", "c"]


async def test_who_rests_takes_no_turn_and_gains_nothing() -> None:
    bench = Bench(split("round_robin", (target("a"), 5), (target("b"), 1), (target("c"), 1)))
    lane = bench.runtime.lanes["a"][0]
    lane.own.open_for(bench.now, 60.0, "overloaded")
    orders = [order(bench) for _ in range(4)]
    assert [names[0] for names in orders] == ["b", "c", "b", "c"]
    assert {names[2] for names in orders} == {"a"}
    bench.now += 61.0
    assert [order(bench)[0] for _ in range(7)].count("a") == 5


async def test_weights_and_hold_together() -> None:
    bench = Bench(split("round_robin", (target("a"), 2), (target("b"), 1), hold=2))
    used = []
    for _ in range(12):
        await bench.ask()
        used.append(bench.path[0])
    assert "".join(used) == "aabbaa" * 2
    bench.scripts["a"] = [down(Kind.TIMEOUT), Reply()]
    await bench.ask()
    assert bench.path == ["a", "b"]


async def test_least_used_evens_out_what_was_sent_and_forgets_the_window() -> None:
    bench = three("least_used", window=600.0)
    used = Counter[str]()
    for _ in range(300):
        await bench.ask()
        used[bench.path[0]] += 1
    assert used == {"t0": 100, "t1": 100, "t2": 100}
    for _ in range(7):
        bench.runtime.tallies["t0"][600.0].add(bench.now)
    assert {tuple(sorted(order(bench)[:2])) for _ in range(50)} == {("t1", "t2")}
    bench.now += 601.0
    assert {order(bench)[0] for _ in range(100)} == {"t0", "t1", "t2"}, "equals, in random order"


async def test_least_used_counts_failures_and_other_routes_of_a_combo() -> None:
    inner = Split("inner", "priority", (Branch(target("x")), Branch(target("y"))))
    bench = Bench(split("least_used", inner, target("z")))
    bench.scripts["x"] = [down(Kind.TIMEOUT)]
    bench.runtime.tallies["z"][3600.0].add(bench.now)
    await bench.ask()
    assert bench.path == ["x", "y"]
    assert order(bench) == ["z", "inner"]


def test_fastest_draws_two_and_takes_the_faster() -> None:
    bench = Bench(split("fastest", *(target(f"t{i}") for i in range(4))))
    for at, name in enumerate(("t2", "t0", "t3", "t1")):
        measure(bench, name, 0.1 * (at + 1))
    orders = [order(bench) for _ in range(DRAWS)]
    firsts = Counter(names[0] for names in orders)
    expected = {name: (3 - at) / comb(4, 2) for at, name in enumerate(("t2", "t0", "t3"))}
    assert firsts["t1"] == 0, "the slowest wins against nobody"
    assert chi_square(firsts, expected) < 13.8, "2 degrees of freedom, p = 0.001"
    for names in orders:
        assert names[1:] == [name for name in ("t2", "t0", "t3", "t1") if name != names[0]]


def test_fastest_of_two_is_the_faster() -> None:
    bench = Bench(split("fastest", target("t0"), target("t1")))
    measure(bench, "t0", 2.0)
    measure(bench, "t1", 0.5)
    assert {tuple(order(bench)) for _ in range(200)} == {("t1", "t0")}


def test_fastest_tries_who_was_not_measured_by_one_request_at_a_time() -> None:
    bench = Bench(split("fastest", target("t0"), target("t1")))
    measure(bench, "t0", 0.5)
    assert order(bench) == ["t1", "t0"]
    bench.runtime.loads["t1"].count = 1
    assert order(bench) == ["t0", "t1"]
    measure(bench, "t1", 3.0)
    bench.runtime.loads["t1"].count = 0
    assert order(bench) == ["t0", "t1"]
    bench.now += STALE + 1
    measure(bench, "t0", 0.5)
    assert order(bench) == ["t1", "t0"], "what was measured long ago is tried again"


def test_fastest_leaves_those_that_rest_to_the_end_and_keeps_streams_apart() -> None:
    bench = Bench(split("fastest", *(target(f"t{i}") for i in range(3))))
    for name, seconds in (("t0", 0.1), ("t1", 0.2), ("t2", 0.3)):
        measure(bench, name, seconds)
        measure(bench, name, 1.0 - seconds, stream=True)
    bench.runtime.lanes["t0"][0].own.open_for(bench.now, 60.0, "timeout")
    assert {tuple(order(bench)) for _ in range(200)} == {("t1", "t2", "t0")}
    streamed = chat(b'{"stream":true}')
    assert {tuple(order(bench, streamed)) for _ in range(200)} == {("t2", "t1", "t0")}


async def test_latency_is_learnt_from_answers_and_from_time_outs() -> None:
    bench = Bench(split("fastest", target("t0"), target("t1")))
    bench.scripts = {"t0": [Reply(after=2.0)], "t1": [Reply(after=1.0)]}
    for _ in range(2):
        await bench.ask()
    assert order(bench) == ["t1", "t0"]
    bench.scripts["t1"] = [lambda request: Reply(after=9.0)]
    await bench.ask()
    assert bench.path == ["t1"]
    assert order(bench) == ["t0", "t1"], "one slow answer counts at once"


def priced(name: str, read: float, write: float, **fields: object) -> Node:
    return target(name, price=Price(input=read, output=write), **fields)


def test_cheapest_prices_this_very_request() -> None:
    bench = Bench(split("cheapest", target("unknown"), priced("reads", 1, 10), priced("writes", 4, 2)))
    question = chat(b'{"messages":[{"role":"user","content":"hi"}],"max_tokens":2000}')
    assert order(bench, question) == ["writes", "reads", "unknown"]
    long = chat(msgspec.json.encode({"messages": [{"role": "user", "content": "x" * 40_000}], "max_tokens": 10}))
    assert order(bench, long) == ["reads", "writes", "unknown"]


def test_cheapest_counts_no_more_than_a_model_can_answer() -> None:
    short = priced("short", 0, 10, max_output=100)
    bench = Bench(split("cheapest", priced("other", 0, 5), short))
    assert order(bench, chat(b'{"max_tokens":8000}')) == ["short", "other"]
    assert order(bench, chat()) == ["short", "other"], "1,024 tokens where nobody says"
    assert order(bench, chat(b'{"max_tokens":100}')) == ["other", "short"]


def test_cheapest_takes_a_combo_at_its_dearest_and_leaves_its_fallbacks_out() -> None:
    inner = Split("inner", "weighted", (Branch(priced("a", 1, 1)), Branch(priced("b", 9, 9))))
    chain = Chain("chain", priced("c", 5, 5), (Fallback(frozenset((Kind.TIMEOUT,)), (priced("d", 99, 99),)),))
    bench = Bench(split("cheapest", inner, chain))
    assert order(bench) == ["chain", "inner"]


def test_cheapest_keeps_the_order_of_the_file_among_equals() -> None:
    bench = Bench(split("cheapest", priced("b", 1, 1), priced("a", 1, 1)))
    assert order(bench) == ["b", "a"]


def test_largest_context_first_and_unknown_last() -> None:
    inner = Split("inner", "priority", (Branch(target("x", context=900)), Branch(target("y", context=300))))
    bench = Bench(split("largest_context", target("t0"), target("t1", context=200), target("t2", context=400), inner))
    assert order(bench) == ["t2", "inner", "t1", "t0"]


def test_consistent_spreads_evenly_and_moves_only_what_a_new_target_takes() -> None:
    few = Bench(split("consistent", *(target(f"t{i}") for i in range(4))))
    more = Bench(split("consistent", *(target(f"t{i}") for i in range(5))))
    before = {i: order(few, chat(session=f"s{i}"))[0] for i in range(DRAWS)}
    after = {i: order(more, chat(session=f"s{i}"))[0] for i in range(DRAWS)}
    assert chi_square(Counter(before.values()), {f"t{i}": 1 / 4 for i in range(4)}) < 16.3, "3 degrees of freedom"
    moved = {i for i in before if before[i] != after[i]}
    assert {after[i] for i in moved} == {"t4"}
    assert abs(len(moved) / DRAWS - 1 / 5) < 0.016


def test_consistent_is_the_same_on_every_worker_and_spreads_what_a_target_leaves() -> None:
    names = [order(three("consistent"), chat(session=f"s{i}")) for i in range(300)]
    assert names == [order(three("consistent"), chat(session=f"s{i}")) for i in range(300)]
    seconds = Counter(each[1] for each in names if each[0] == "t0")
    assert min(seconds["t1"], seconds["t2"]) > 25


@pytest.mark.parametrize(
    ("by", "same", "other"),
    [
        ("session", {"session": "a"}, {"session": "b"}),
        ("user", {"user": "a"}, {"user": "b"}),
        ("key", {"key": "a"}, {"key": "b"}),
    ],
)
def test_consistent_by(by: str, same: dict[str, str], other: dict[str, str]) -> None:
    bench = Bench(split("consistent", *(target(f"t{i}") for i in range(40)), by=by))
    assert order(bench, chat(**same)) == order(bench, chat(b'{"temperature":1}', **same))
    assert order(bench, chat(**same)) != order(bench, chat(**other))


def test_consistent_by_the_beginning_of_the_prompt() -> None:
    bench = Bench(split("consistent", *(target(f"t{i}") for i in range(40)), by="prompt"))

    def asked(system: str, question: str) -> list[str]:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        return order(bench, chat(msgspec.json.encode({"messages": messages})))

    assert asked("a" * 5_000, "one") == asked("a" * 5_000, "two")
    assert asked("a" * 5_000, "one") != asked("b" * 5_000, "one")


def test_consistent_without_a_user_is_by_session() -> None:
    bench = Bench(split("consistent", *(target(f"t{i}") for i in range(40)), by="user"))
    assert order(bench, chat(session="a")) != order(bench, chat(session="b"))


def scored(bench: Bench, weights: Weights) -> list[float]:
    node = bench.node
    assert isinstance(node, Split)
    return score.scores([branch.node for branch in node.branches], weights, bench.moment(chat(b'{"max_tokens":1000}')))


def test_each_part_of_a_score_is_what_it_says() -> None:
    bench = Bench(split("score", priced("a", 0, 1), priced("b", 0, 4), target("c"), weights=Weights(headroom=1)))
    measure(bench, "a", 1.0, 1.0, 1.0)
    measure(bench, "b", 4.0)
    bench.runtime.lanes["b"][0].own.open_for(bench.now, 0.5, "timeout")
    bench.runtime.lanes["c"][0].own.open_for(bench.now, 60.0, "timeout")
    bench.now += 1.0
    quota = bench.runtime.lanes["b"][0].quota
    assert quota is not None
    quota.note(0.25, bench.now)
    assert scored(bench, Weights(health=1)) == [1.0, 1.0, 0.0]
    assert scored(bench, Weights(latency=2)) == [0.75, 0.0, 1.0]
    assert scored(bench, Weights(cost=1)) == [0.75, 0.0, 0.0]
    assert scored(bench, Weights(headroom=1)) == [1.0, 0.25, 1.0]
    assert scored(bench, Weights(stability=1)) == [1.0, 1.0, 1.0]
    assert scored(bench, Weights(health=3, cost=1)) == [(3 + 0.75) / 4, 3 / 4, 0.0]
    measure(bench, "b", 1.0)
    assert 0.5 < scored(bench, Weights(stability=1))[1] < 1.0


def test_a_quota_that_was_said_a_minute_ago_says_nothing() -> None:
    bench = Bench(split("score", target("a"), target("b"), weights=Weights(headroom=1)))
    quota = bench.runtime.lanes["a"][0].quota
    assert quota is not None
    quota.note(0.0, bench.now)
    assert {order(bench)[0] for _ in range(50)} == {"b"}
    bench.now += 61.0
    assert {order(bench)[0] for _ in range(50)} == {"a", "b"}, "equals, in random order"


async def test_headroom_is_read_off_answers() -> None:
    bench = Bench(split("score", target("a"), weights=Weights(headroom=1)))
    said = {
        "x_ratelimit_limit_requests": "100",
        "x_ratelimit_remaining_requests": "40",
        "x_ratelimit_limit_tokens": "9",
    }
    bench.scripts["a"] = [Reply(**said, x_ratelimit_remaining_tokens="9")]
    assert isinstance(await bench.ask(), Answer)
    assert scored(bench, Weights(headroom=1)) == [0.4]


def test_score_is_deterministic_and_draws_among_equals() -> None:
    bench = three("score", weights=Weights(health=1, latency=1))
    measure(bench, "t0", 2.0)
    measure(bench, "t1", 1.0)
    measure(bench, "t2", 1.0)
    firsts = Counter(order(bench)[0] for _ in range(DRAWS))
    assert firsts["t0"] == 0
    assert chi_square(firsts, {"t1": 0.5, "t2": 0.5}) < 10.8
    assert {order(bench)[2] for _ in range(50)} == {"t0"}


def test_composites_share_as_their_definitions_multiply() -> None:
    turns = Split("turns", "round_robin", (Branch(target("a")), Branch(target("b"))))
    bench = Bench(split("weighted", (turns, 3), (target("c"), 1)))
    served = Counter[str]()
    for _ in range(DRAWS):
        moment = bench.moment()
        served[_first(bench.node, moment)] += 1
    assert abs(served["a"] - served["b"]) <= 1, "turns alternate exactly within their share"
    assert chi_square(served, {"a": 3 / 8, "b": 3 / 8, "c": 1 / 4}) < 13.8


def _first(node: Node, moment: Moment) -> str:
    """The target that a walk would begin with."""
    while isinstance(node, Split):
        node = STRATEGIES[node.strategy].order(node, moment)[0]
    return node.name


@pytest.mark.parametrize(
    "strategy", ["random", "least_used", "fastest", "cheapest", "largest_context", "consistent", "score"]
)
async def test_every_new_strategy_goes_on_after_a_failure_and_takes_combos(strategy: str) -> None:
    inner = Split("inner", "priority", (Branch(target("x")), Branch(target("y"))))
    ordering = {"weights": Weights(health=1)} if strategy == "score" else {}
    bench = Bench(split(strategy, inner, target("z"), **ordering))
    bench.scripts = {name: [down(Kind.TIMEOUT)] for name in ("x", "z")}
    assert isinstance(await bench.ask(), Answer)
    assert bench.path[-1] == "y"


def test_every_wire_has_a_bound_that_cheapest_reads() -> None:
    body = b'{"contents":[],"generationConfig":{"maxOutputTokens":7}}'
    gemini = PROTOCOLS["gemini"]
    job = Job(gemini, gemini.decode_head(body, "any", False))
    bench = Bench(split("cheapest", priced("a", 0, 1e6)))
    assert signals.price(bench.node, bench.moment(job)) == 7 * 10**9
