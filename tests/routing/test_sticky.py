"""Who goes first because he served before: sessions, failures, capabilities, answers that are gone on from, sharing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from random import Random

import msgspec
import pytest

from gateway.failure import Failed, Failure, Kind
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Head
from gateway.routing.attempt import Answer
from gateway.routing.facts import Facts
from gateway.routing.moment import Moment
from gateway.routing.node import Branch, Chain, Fallback, Node, Race, Split, Sticky, Target
from gateway.routing.run import Course, run
from gateway.routing.sending import Job
from gateway.routing.sessions import identity_of, previous_answer
from gateway.routing.walk import walk
from gateway.state.bindings import RECENT, Bindings
from gateway.store.contract import StoreDown
from gateway.store.memory import Memory
from tests.routing.bench import CHAT, Bench, Reply, down, target

RESPONSES = PROTOCOLS["openai-responses"]


def sticky(*nodes: Node, strategy: str = "round_robin", by: str = "session", seconds: float = 900.0) -> Split:
    return Split("s", strategy, tuple(Branch(node) for node in nodes), sticky=Sticky(by, seconds))


async def ask(bench: Bench, body: dict[str, object] | None = None, **facts: str) -> str:
    """The path of one request, as text."""
    fields = {"model": "any", "messages": [{"role": "user", "content": "hi"}], **(body or {})}
    job = Job(CHAT, CHAT.decode_head(msgspec.json.encode(fields)), (), Facts(**facts))  # type: ignore[arg-type]
    bench.sent.clear()
    try:
        await run(bench.node, job, bench.runtime, bench.tools, Course(), 60.0)
    except Failed:
        return " ".join([*bench.path, "failed"])
    return " ".join(bench.path)


async def test_a_session_stays_and_others_take_their_turns() -> None:
    bench = Bench(sticky(target("a"), target("b"), target("c")))
    assert [await ask(bench, session="one") for _ in range(4)] == ["a"] * 4
    first = await ask(bench, session="two")
    assert [await ask(bench, session="two") for _ in range(4)] == [first] * 4
    assert {await ask(bench, session=f"s{i}") for i in range(9)} == {"a", "b", "c"}


async def test_who_is_bound_takes_no_turn() -> None:
    """New sessions are spread as the strategy says, however often the others ask."""
    bench = Bench(sticky(target("a"), target("b"), target("c")))
    met = []
    for number in range(6):
        met.append(await ask(bench, session=f"new {number}"))
        for _ in range(number):
            assert await ask(bench, session="new 0") == "a"
    assert met == ["a", "b", "c"] * 2


async def test_a_failure_drops_and_the_next_success_binds() -> None:
    bench = Bench(sticky(target("a"), target("b"), strategy="priority"))
    assert await ask(bench, session="one") == "a"
    bench.scripts["a"] = [down(Kind.TIMEOUT), Reply()]
    assert await ask(bench, session="one") == "a b"
    assert [await ask(bench, session="one") for _ in range(3)] == ["b"] * 3, "a is well again, and b served last"
    assert await ask(bench, session="two") == "a"


async def test_a_failure_that_ends_the_request_drops_as_well() -> None:
    bench = Bench(sticky(target("a"), target("b"), target("c")))
    assert await ask(bench, session="one") == "a"
    bench.scripts["a"] = [down(Kind.CONTENT_FILTER), Reply()]
    assert await ask(bench, session="one") == "a failed"
    assert len(bench.runtime.sticky["s"]) == 0


async def test_who_rests_is_passed_over_and_returned_to_only_if_nobody_else_served() -> None:
    bench = Bench(sticky(target("a"), target("b"), strategy="priority"))
    assert await ask(bench, session="one") == "a"
    bench.runtime.lanes["a"][0].own.open_for(bench.now, 30.0, "overloaded")
    assert await ask(bench, session="one") == "b"
    bench.now += 31.0
    assert await ask(bench, session="one") == "b"


async def test_who_cannot_carry_the_request_is_passed_over() -> None:
    blind = target("a", supports=frozenset())
    bench = Bench(sticky(blind, target("b"), strategy="priority"))
    assert await ask(bench, session="one") == "a"
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}
    assert await ask(bench, {"messages": [image]}, session="one") == "b"


async def test_it_lapses_after_its_time_of_silence_and_is_renewed_by_use() -> None:
    bench = Bench(sticky(target("a"), target("b"), target("c"), seconds=100.0))
    assert await ask(bench, session="one") == "a"
    for _ in range(3):
        bench.now += 90.0
        assert await ask(bench, session="one") == "a"
    bench.now += 101.0
    assert await ask(bench, session="one") != "a"


async def test_two_keys_never_share_a_session() -> None:
    bench = Bench(sticky(target("a"), target("b")))
    assert await ask(bench, session="one", key="k1") == "a"
    assert await ask(bench, session="one", key="k2") == "b"
    assert await ask(bench, session="one", key="k1") == "a"


@pytest.mark.parametrize("by", ["key", "user"])
async def test_by_key_and_by_user(by: str) -> None:
    bench = Bench(sticky(target("a"), target("b"), by=by))
    one = {"key": "k", "user": "u1"} if by == "user" else {"key": "k1"}
    two = {"key": "k", "user": "u2"} if by == "user" else {"key": "k2"}
    paths = [await ask(bench, session=f"s{i}", **who) for i in range(3) for who in (one, two)]
    assert paths == ["a", "b"] * 3


async def test_without_a_user_nothing_sticks() -> None:
    bench = Bench(sticky(target("a"), target("b"), by="user"))
    assert [await ask(bench, key="k") for _ in range(4)] == ["a", "b", "a", "b"]
    assert len(bench.runtime.sticky["s"]) == 0


async def test_the_target_sticks_and_not_only_the_child() -> None:
    inner = Split("inner", "round_robin", (Branch(target("x")), Branch(target("y"))))
    bench = Bench(sticky(inner, target("z")))
    first = await ask(bench, session="one")
    assert [await ask(bench, session="one") for _ in range(4)] == [first] * 4


def test_of_a_target_that_is_there_twice_the_combos_own_place_counts() -> None:
    outer, inner = target("x", total=1.0), target("x", total=2.0)
    group = Split("inner", "priority", (Branch(inner), Branch(target("y"))))
    assert sticky(group, outer).tried["x"] is outer
    assert sticky(group, target("z")).tried["x"] is inner
    assert list(sticky(Split("race", "race", (Branch(inner),), plan=Race(60.0)), outer).tried.values()) == [outer]


async def test_a_contest_inside_is_not_gone_around() -> None:
    race = Split("race", "race", (Branch(target("x")), Branch(target("y"))), plan=Race(60.0))
    bench = Bench(sticky(race, target("z"), strategy="priority"))
    assert await ask(bench, session="one") == "x"
    assert len(bench.runtime.sticky["s"]) == 0


async def test_hold_of_a_strategy_does_not_fight_it() -> None:
    node = Split("s", "round_robin", (Branch(target("a")), Branch(target("b"))), 2, sticky=Sticky("session", 60.0))
    bench = Bench(node)
    assert [await ask(bench, session="one") for _ in range(5)] == ["a"] * 5
    assert await ask(bench, session="two") == "a", "what sticks takes nobody's turn"
    assert await ask(bench, session="three") == "b"


def job(body: dict[str, object], wire: str = "openai-chat", **facts: str) -> Job:
    protocol = PROTOCOLS[wire]
    fields = {"model": "m", **body}
    head = Head("m", False, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}, b"")
    return Job(protocol, head, (), Facts(**facts))  # type: ignore[arg-type]


def session(body: dict[str, object], wire: str = "openai-chat", **facts: str) -> str:
    return identity_of(job(body, wire, **facts), "session").split("\0")[2]


USER = "user_1f_account_2a_session_3b6f"
TALK = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}


@pytest.mark.parametrize(
    ("body", "wire", "name"),
    [
        ({"session_id": "s1", "prompt_cache_key": "p"}, "openai-chat", "s1"),
        ({"litellm_session_id": "s2"}, "openai-chat", "s2"),
        ({"extra_body": {"chat_id": "s3"}}, "openai-chat", "s3"),
        ({"conversation": "conv_1"}, "openai-responses", "conv_1"),
        ({"conversation": {"id": "conv_2"}}, "openai-responses", "conv_2"),
        ({"prompt_cache_key": "p"}, "openai-chat", "p"),
        ({"metadata": {"user_id": USER}}, "anthropic", "3b6f"),
        ({"metadata": {"user_id": '{"device_id":"d","session_id":"3b6f"}'}}, "anthropic", "3b6f"),
    ],
)
def test_what_the_body_calls_its_session(body: dict[str, object], wire: str, name: str) -> None:
    assert session(body, wire) == name
    assert session(body, wire, session="header") == "header", "a header says it before the body does"


@pytest.mark.parametrize(
    "odd", [{"session_id": 7}, {"session_id": ""}, {"metadata": []}, {"metadata": {"user_id": "{["}}]
)
def test_what_is_no_name_is_not_one(odd: dict[str, object]) -> None:
    assert session({**TALK, **odd}) == session(TALK)


@pytest.mark.parametrize(
    ("wire", "first", "grown", "other"),
    [
        (
            "openai-chat",
            TALK,
            {"messages": [*TALK["messages"], {"role": "assistant", "content": "a"}, {"role": "user", "content": "v"}]},
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "v"}]},
        ),
        (
            "anthropic",
            {"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "u", "cache_control": {"type": "ephemeral"}}]}]},
            {"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "u"}]}, {"role": "assistant", "content": "a"}]},
            {"system": "t", "messages": [{"role": "user", "content": [{"type": "text", "text": "u"}]}]},
        ),
        (
            "gemini",
            {"contents": [{"role": "user", "parts": [{"text": "u"}]}]},
            {"contents": [{"role": "user", "parts": [{"text": "u"}]}, {"role": "model", "parts": [{"text": "a"}]}]},
            {"contents": [{"role": "user", "parts": [{"text": "v"}]}]},
        ),
        ("openai-responses", {"input": "u"}, {"input": "u", "temperature": 0}, {"input": "v"}),
    ],
)  # fmt: skip
def test_a_conversation_that_says_nothing_is_known_by_how_it_began(
    wire: str, first: dict[str, object], grown: dict[str, object], other: dict[str, object]
) -> None:
    assert session(first, wire) == session(grown, wire)
    assert session(first, wire) != session(other, wire)


def test_long_names_are_kept_short() -> None:
    assert len(session({}, session="x" * 5_000)) == 32
    assert len(session({"session_id": "x" * 5_000})) == 32
    assert session({"session_id": "x" * 5_000}) != session({"session_id": "y" * 5_000})


def test_a_name_that_is_no_text_is_one_all_the_same() -> None:
    table = Bindings("s", Counting())
    assert table._shared(identity_of(job({}, session="\ud800\udcff"), "session")).startswith("sticky:")


def test_no_name_runs_over_into_another() -> None:
    assert identity_of(job({}, key="a", user="b\0c"), "user") != identity_of(job({}, key="a\0b", user="c"), "key")
    assert identity_of(job({"session_id": "x"}, key="a"), "session") != identity_of(job({}, key="a", user="x"), "user")


def test_the_answer_that_is_gone_on_from() -> None:
    assert previous_answer(job({"previous_response_id": "resp_1"})) == "resp_1"
    assert previous_answer(job({"previous_response_id": None})) is None
    assert previous_answer(job({"previous_response_id": "x" * 257})) is None
    assert previous_answer(job({})) is None


def respond(id_: str) -> Reply:
    output = {"type": "message", "id": "msg", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    return Reply(body=msgspec.json.encode({"id": id_, "object": "response", "status": "completed", "output": [output]}))


class Continuing:
    """Two targets with two credentials each, on the responses wire, in turns; `sent` is (model, credential)."""

    def __init__(self, node: Node | None = None) -> None:
        nodes = [target(name, protocol="openai-responses") for name in ("a", "b")]
        self.bench = Bench(node or Split("s", "round_robin", tuple(map(Branch, nodes))), ("k1", "k2"))
        self.count = 0

    async def ask(self, previous: str | None = None, key: str = "k") -> tuple[str, str]:
        self.count += 1
        for name in ("a", "b"):
            self.bench.scripts.setdefault(name, [respond(f"resp_{self.count}")])[0] = respond(f"resp_{self.count}")
        body = {"model": "m", "input": "hi"} | ({"previous_response_id": previous} if previous else {})
        head = RESPONSES.decode_head(msgspec.json.encode(body), None, None)
        self.bench.sent.clear()
        one = Job(RESPONSES, head, (), Facts(key=key))
        await run(self.bench.node, one, self.bench.runtime, self.bench.tools, Course(), 60.0)
        return self.bench.sent[-1]


async def test_an_answer_is_gone_on_from_where_it_was_made() -> None:
    scene = Continuing()
    made = [(f"resp_{at + 1}", await scene.ask()) for at in range(4)]
    assert len({each[1] for each in made}) > 2, "targets and credentials take turns"
    for id_, where in made:
        assert await scene.ask(id_) == where
    assert await scene.ask("resp_5") == made[0][1], "and so on along the conversation"


async def test_nobody_goes_on_from_the_answer_of_another_key() -> None:
    scene = Continuing()
    await scene.ask(key="k1")
    assert list(scene.bench.runtime.makers._table) == ["k1:resp_1"]  # type: ignore[union-attr]
    firsts = {await scene.ask("resp_1", key="k2") for _ in range(4)}
    assert len(firsts) > 1


async def test_who_made_it_may_rest_or_be_gone() -> None:
    scene = Continuing()
    name, _ = await scene.ask()
    for lane in scene.bench.runtime.lanes[name]:
        lane.own.open_for(scene.bench.now, 60.0, "overloaded")
    assert (await scene.ask("resp_1"))[0] != name


async def test_a_fallback_that_made_it_goes_first() -> None:
    a, b = (target(name, protocol="openai-responses") for name in ("a", "b"))
    scene = Continuing(Chain("c", a, (Fallback(frozenset((Kind.TIMEOUT,)), (b,)),)))
    scene.bench.scripts["b"] = [respond("resp_0")]
    assert (await scene.ask())[0] == "a"
    moment = scene.bench.moment()
    moment.runtime.makers.bind("k:resp_9", "b\nk2", scene.bench.now, 60.0)  # type: ignore[union-attr]
    assert await scene.ask("resp_9") == ("b", "k2")


async def test_a_stream_says_its_id_before_its_content() -> None:
    scene = Continuing()
    created = (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_x","object":"response"}}\n\n'
    )
    delta = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"hi"}\n\n'
    end = b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_x"}}\n\n'
    for name in ("a", "b"):
        scene.bench.scripts[name] = [Reply(body=[created + delta, end], content_type="text/event-stream")]
    head = RESPONSES.decode_head(b'{"model":"m","input":"hi","stream":true}', None, None)
    one = Job(RESPONSES, head, (), Facts(key="k"))
    answer = await run(scene.bench.node, one, scene.bench.runtime, scene.bench.tools, Course(), 60.0)
    answer.close()
    assert list(scene.bench.runtime.makers._table) == ["k:resp_x"]  # type: ignore[union-attr]


class Counting(Memory):
    """A store that several workers share; how often it was asked and told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.told = 0
        self.down = False

    async def get(self, key: str) -> bytes | None:
        self.asked += 1
        if self.down:
            raise StoreDown("down")
        return await super().get(key)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        self.told += 1
        if self.down:
            raise StoreDown("down")
        await super().put(key, value, ttl)


def shared(store: Counting) -> Bench:
    bench = Bench(sticky(target("a"), target("b"), target("c"), seconds=100.0))
    bench.runtime = msgspec.structs.replace(bench.runtime, sticky={"s": Bindings("s", store)}, shares=True)
    return bench


async def test_workers_share_through_the_store_and_ask_it_once() -> None:
    store = Counting()
    one, two = shared(store), shared(store)
    await ask(two, session="other")
    first = await ask(one, session="s")
    await asyncio.sleep(0)
    asked, told = store.asked, store.told
    assert [await ask(two, session="s") for _ in range(5)] == [first] * 5
    await asyncio.sleep(0)
    assert (store.asked, store.told) == (asked + 1, told), "the table answers what it knows"
    two.now += 60.0
    await ask(two, session="s")
    await asyncio.sleep(0)
    assert store.told == told + 1, "renewed when half of its time is over"
    two.scripts[first] = [down(Kind.TIMEOUT), Reply()]
    second = (await ask(two, session="s")).split()[-1]
    await asyncio.sleep(0)
    assert await ask(shared(store), session="s") == second


@pytest.mark.parametrize(("seconds", "told"), [(100.0, 3), (1.0, 5), (0.5, 7)])
async def test_the_store_is_told_when_more_than_half_of_the_time_is_over(seconds: float, told: int) -> None:
    store = Counting()
    table = Bindings("s", store)
    for tick in range(9):  # a quarter of a second apart; then two of another target
        table.bind("k", "a", tick / 4, seconds)
    for _ in range(2):
        table.bind("k", "b", 2.0, seconds)
    table.bind("k", "a", 2.0, seconds)
    await asyncio.sleep(0)
    assert store.told == told
    assert table.find("k", 2.0 + seconds * 0.99) == "a"
    assert table.find("k", 2.0 + seconds) is None


async def test_without_its_store_a_worker_remembers_for_itself() -> None:
    store = Counting()
    store.down = True
    bench = shared(store)
    first = await ask(bench, session="s")
    assert [await ask(bench, session="s") for _ in range(3)] == [first] * 3


async def test_a_table_is_bounded_and_forgets_the_least_recently_used() -> None:
    table = Bindings("s", most=3)
    for at in range(3):
        table.bind(f"k{at}", "a", 0.0, 60.0)
    table.bind("k0", "a", 1.0, 60.0)
    table.bind("k3", "a", 1.0, 60.0)
    assert [table.find(f"k{at}", 2.0) for at in range(4)] == ["a", None, "a", "a"]
    assert len(table) == 3
    assert table.find("k0", 61.5) is None
    assert len(table) == 2


async def test_an_entry_that_left_the_table_is_due_at_once() -> None:
    """Whoever holds it from before then binds anew, and does not renew what nobody finds."""
    store = Counting()
    await store.put(Bindings("s")._shared("asked"), b"a", 60.0)
    gone: dict[str, Callable[[Bindings], object]] = {
        "dropped": lambda table: table.drop("dropped"),
        "lapsed": lambda table: table.find("lapsed", 60.0),
        "another": lambda table: table.bind("another", "b", 0.0, 60.0),
        "crowded out": lambda table: table.bind("newer", "a", 0.0, 60.0),
    }
    for key, goes in gone.items():
        table = Bindings("s", most=1)
        table.bind(key, "a", 0.0, 60.0)
        entry = table.entry(key, 0.0)
        assert entry is not None
        assert entry.value == "a"
        assert entry.due == RECENT
        goes(table)
        assert entry.due == -inf, key
    table = Bindings("s", store)
    table.bind("asked", "a", 0.0, 60.0)
    entry = table.entry("asked", 0.0)
    assert await table.ask("asked", 0.0, 60.0) == "a"
    assert entry is not None
    assert entry.due == -inf


@pytest.mark.parametrize("meanwhile", ["dropped", "b", "lapsed", ""])
async def test_who_served_is_bound_whatever_became_of_the_entry_meanwhile(meanwhile: str) -> None:
    bench = Bench(sticky(target("a"), target("b"), by="key", seconds=100.0, strategy="priority"))
    assert await ask(bench, key="k") == "a"
    bench.now += 0.5
    table, identity = bench.runtime.sticky["s"], "key\0k"
    moment = Moment(bench.runtime, Random(1), job({}, key="k"), bench.now)
    steps = walk(bench.node, moment)
    first = next(steps)
    assert isinstance(first, Target)
    assert first.name == "a"
    if meanwhile == "b":
        table.bind(identity, "b", bench.now, 100.0)
    elif meanwhile == "lapsed":
        assert table.find(identity, bench.now + 200.0) is None
    elif meanwhile:
        table.drop(identity)
    with pytest.raises(StopIteration):
        steps.send(None)
    assert table.find(identity, bench.now + 99.9) == "a"
    assert table.find(identity, bench.now + 100.0) is None


async def test_a_failure_of_the_bound_target_counts_as_the_requests_own() -> None:
    bench = Bench(sticky(target("a")))
    assert await ask(bench, session="s") == "a"
    bench.scripts["a"] = [down(Kind.TIMEOUT)]
    outcome = await bench.ask()
    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.TIMEOUT
    assert not isinstance(outcome, Answer)
