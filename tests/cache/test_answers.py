"""The exact cache and joining, on a virtual clock: what is given again, to whom, and what never is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from gateway.cache.answers import name_of
from gateway.cache.ask import Outcome, applies
from gateway.cache.rules import KEPT_MOST, Exact, Semantic, Way
from gateway.failure import Failed, Failure, Kind, Refusal, Refused
from gateway.ir.usage import Usage
from gateway.routing.conditions import ALWAYS, Condition, Number, Streamed, Unless, condition_of
from gateway.routing.constraints import Constraints
from gateway.routing.node import Branch, Split
from gateway.server.caching import concerns
from tests.cache.bench import FRAMES, GOOD, Bench, Upstream, read, rules
from tests.routing.bench import target

CUT = Failure(kind=Kind.INTERRUPTED, message="it broke off")
DOWN = Failed(Failure(kind=Kind.SERVER_ERROR, message="down"))


async def answered(bench: Bench, answers: Any, ask: Any, **work: Any) -> bytes:
    out = await read(await answers.answer(ask, bench.work(**work)))
    await answers.settled()
    return out


async def test_the_second_is_a_hit_until_its_time_is_up() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    first, second, late = bench.ask(), bench.ask(), bench.ask()
    assert await answered(bench, answers, first) == await answered(bench, answers, second) == GOOD
    assert (first.outcome, second.outcome) == (Outcome.MISS, Outcome.HIT)
    assert bench.asked == 1
    bench.now += 601
    await answered(bench, answers, late)
    assert late.outcome is Outcome.MISS


async def test_another_worker_finds_it() -> None:
    bench = Bench()
    (one, _), (other, _) = bench.worker(), bench.worker()
    await answered(bench, one, bench.ask())
    assert await answered(bench, other, bench.ask()) == GOOD
    assert bench.asked == 1


async def test_a_stream_is_given_again_as_a_stream() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    job = bench.job(stream=True)
    assert await answered(bench, answers, bench.ask(job), body=FRAMES) == b"".join(FRAMES)
    again = await answers.answer(bench.ask(job), bench.work())
    assert again.stream
    assert (again.lane, again.usage, again.target.name) == (None, None, "a")
    assert await read(again) == b"".join(FRAMES)
    whole = bench.ask(bench.job())
    await answered(bench, answers, whole)
    assert whole.outcome is Outcome.MISS


async def test_keys_share_nothing_unless_the_file_says_so() -> None:
    for scope, expected in (("key", Outcome.MISS), ("team", Outcome.HIT), ("shared", Outcome.HIT)):
        bench = Bench(rules(scope=scope))
        answers, _ = bench.worker()
        await answered(bench, answers, bench.ask(bench.job(key="anna", team="t")))
        ben = bench.ask(bench.job(key="ben", team="t"))
        await answered(bench, answers, ben)
        assert ben.outcome is expected, scope


async def test_a_route_that_has_changed_starts_anew() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    await answered(bench, answers, bench.ask())
    bench.caching = msgspec.structs.replace(rules(), routes={"any": Way("another digest")})
    ask = bench.ask()
    await answered(bench, answers, ask)
    assert ask.outcome is Outcome.MISS


async def test_where_a_condition_leads_is_part_of_the_request() -> None:
    warm = condition_of([Number("temperature", 0.5)])
    way = Way("digest", (warm,))
    cold, hot = Bench().job({"temperature": 0}), Bench().job({"temperature": 1})
    assert way.shape(cold) != way.shape(hot)


async def test_a_target_that_is_gone_or_forbidden_answers_nobody() -> None:
    bench = Bench(rules(scope="shared"), Split("s", "priority", (Branch(target("a")), Branch(target("b")))))
    answers, _ = bench.worker()
    await answered(bench, answers, bench.ask())  # by `a`
    for node, constraints, outcome in (
        (bench.node, Constraints(name="eu", tags=("eu",)), Outcome.MISS),
        (target("b"), None, Outcome.MISS),
        (bench.node, None, Outcome.HIT),
    ):
        job = bench.job(key="ben")
        job.constraints = constraints
        ask = bench.ask(job)
        ask.node, ask.keeps = node, False
        await answered(bench, answers, ask)
        assert ask.outcome is outcome


async def test_conditions_leave_requests_out() -> None:
    only = Exact(600.0, when=condition_of([Number("temperature", 0.0, 0.0)]))
    bench = Bench(rules(only))
    answers, _ = bench.worker()
    for body, outcomes in (
        ({}, [Outcome.BYPASS, Outcome.BYPASS]),
        ({"temperature": 0}, [Outcome.MISS, Outcome.HIT]),
        ({"temperature": "warm"}, [Outcome.BYPASS]),
    ):
        job = bench.job(body)
        for outcome in outcomes:
            ask = bench.ask(job)
            await answered(bench, answers, ask)
            assert ask.outcome is outcome


WARM = Number("temperature", 0.5, 2.0)
FEW = Number("max_tokens", 0, 100)


@pytest.mark.parametrize(
    ("exact", "semantic", "number"),
    [
        (condition_of([WARM]), None, WARM),
        (None, condition_of([WARM]), WARM),
        (None, None, None),
        (ALWAYS, None, None),
        (condition_of([WARM, FEW]), None, None),
        (condition_of([Streamed(False)]), None, None),
        (condition_of([Unless(condition_of([WARM]))]), None, None),
        (condition_of([WARM]), ALWAYS, None),
        (condition_of([WARM]), condition_of([FEW]), None),
    ],
)
def test_whom_the_caches_concern(exact: Condition | None, semantic: Condition | None, number: Number | None) -> None:
    """One number that is all that is asked decides as the caches' conditions do; those that cannot be read included."""
    caching = rules(
        None if exact is None else Exact(600.0, when=exact),
        None if semantic is None else Semantic((), 0.9, 600.0, when=semantic),
    )
    assert caching.number == number
    bench = Bench(caching)
    for body in ({}, {"temperature": 0}, {"temperature": 1.5}, {"temperature": "warm"}, {"max_tokens": 7}):
        job = bench.job(body)
        exchange = SimpleNamespace(engine=SimpleNamespace(caching=caching), bypassed=False)
        wanted = any(when is not None and applies(when, job) for when in (exact, semantic))
        assert concerns(cast(Any, exchange), job, {}) is wanted
        assert exchange.bypassed is not wanted


BAD = {
    "a filter": GOOD.replace(b'"stop"', b'"content_filter"'),
    "a refusal": GOOD.replace(b'"content"', b'"refusal":"no","content"'),
    "no reason": b'{"choices":[{"message":{"content":"hi"}}]}',
    "one of two": GOOD[:-2] + b',{"finish_reason":"content_filter"}]}',
    "an unknown reason": GOOD.replace(b'"stop"', b'"insufficient_system_resource"'),
    "too large": GOOD + b" " * KEPT_MOST,
    "a stream that broke off": (*FRAMES[:1], CUT),
    "a stream without a reason": FRAMES[:2],
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_not_complete_and_good_is_not_kept(name: str) -> None:
    body: Any = BAD[name]
    bench = Bench()
    answers, _ = bench.worker()
    for _ in range(2):
        ask = bench.ask(bench.job(stream=not isinstance(body, bytes)))
        try:
            await answered(bench, answers, ask, body=body)
        except Failed as failed:
            assert failed.failure is CUT
        assert ask.outcome is Outcome.MISS
    assert bench.asked == 2
    assert not bench.store.values


async def test_a_length_and_calls_are_good() -> None:
    for reason in (b'"length"', b'"tool_calls"', b'"function_call"'):
        bench = Bench()
        answers, _ = bench.worker()
        await answered(bench, answers, bench.ask(), body=GOOD.replace(b'"stop"', reason))
        assert bench.store.values


async def test_a_client_that_leaves_a_stream_leaves_nothing_behind() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    answer = await answers.answer(bench.ask(bench.job(stream=True)), bench.work(FRAMES))
    answer.close()
    await answers.settled()
    assert not bench.store.values
    again = bench.ask(bench.job(stream=True))
    await answered(bench, answers, again, body=FRAMES)
    assert again.outcome is Outcome.MISS


PLANTED = [
    b"",
    b"\xff\xfe",
    b'{"json":1}',
    msgspec.msgpack.encode(["answer1"]),
    msgspec.msgpack.encode(["answer1", b"other key", "a", False, "text/html", b"x", 1000.0, None, []]),
    msgspec.msgpack.encode(["answer1", "KEY", "a", False, "text/html\r\nset-cookie: a=b", b"x", 1000.0, None, []]),
    msgspec.msgpack.encode(["answer1", "KEY", "nobody", False, "text/html", b"x", 1000.0, None, []]),
    msgspec.msgpack.encode(["answer1", "KEY", "a", True, "text/html", b"x", 1000.0, None, []]),
    msgspec.msgpack.encode(["answer1", "KEY", "a", False, "text/html", b"x", 9e9, None, []]),
    msgspec.msgpack.encode(["running1", b"x"]),
    b"\x91" * 5000,
]


@pytest.mark.parametrize("value", PLANTED, ids=range(len(PLANTED)))
async def test_what_was_planted_in_the_store_is_a_miss(value: bytes) -> None:
    bench = Bench()
    answers, _ = bench.worker()
    ask = bench.ask()
    assert ask.key is not None
    value = value.replace(b"\xa3KEY", b"\xc4\x20" + ask.key)
    bench.store.values[name_of(ask.scope, ask.key)] = (value, 1e12)
    assert await answered(bench, answers, ask) == GOOD
    assert ask.outcome is Outcome.MISS


async def test_a_store_that_is_down_is_a_miss() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    bench.store.down = True
    for _ in range(2):
        ask = bench.ask()
        assert await answered(bench, answers, ask) == GOOD
        assert ask.outcome is Outcome.MISS


async def test_headers_may_keep_a_request_out() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    await answered(bench, answers, bench.ask())
    fresh = bench.ask()
    fresh.looks = False
    other = GOOD.replace(b"hi", b"ho")
    assert await answered(bench, answers, fresh, body=other) == other
    assert fresh.outcome is Outcome.BYPASS
    assert await answered(bench, answers, bench.ask()) == other, "its answer was kept"
    never = bench.ask()
    never.looks = never.keeps = False
    assert await answered(bench, answers, never) == GOOD
    assert await answered(bench, answers, bench.ask()) == other


# Joining.


async def test_fifty_at_once_are_one() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    gate = asyncio.Event()
    asks = [bench.ask() for _ in range(50)]
    tasks = [asyncio.create_task(answers.answer(ask, bench.work(gate=gate))) for ask in asks]
    await asyncio.sleep(0.01)
    gate.set()
    given = await asyncio.gather(*tasks)
    assert {each.body for each in given} == {GOOD}
    assert (bench.asked, bench.store.gets) == (1, 1)
    assert [ask.outcome for ask in asks] == [Outcome.MISS] + [Outcome.JOINED] * 49
    await answers.settled()


async def test_without_join_each_asks() -> None:
    bench = Bench(rules(Exact(600.0, join=False)))
    answers, _ = bench.worker()
    gate = asyncio.Event()
    tasks = [asyncio.create_task(answers.answer(bench.ask(), bench.work(gate=gate))) for _ in range(3)]
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(*tasks)
    assert bench.asked == 3


async def test_followers_of_a_stream_get_the_same_frames_as_they_come() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    job = bench.job(stream=True)
    leader = await answers.answer(bench.ask(job), bench.work(FRAMES))
    early = await answers.answer(bench.ask(job), bench.work())
    assert leader.body == early.body == FRAMES[0]
    assert await leader.more() == FRAMES[1]
    late = await answers.answer(bench.ask(job), bench.work())
    assert late.body == FRAMES[0] + FRAMES[1]
    assert await early.more() == FRAMES[1]
    assert [await early.more(), await leader.more(), await late.more()] == [FRAMES[2]] * 3
    assert [await late.more(), await leader.more(), await early.more()] == [b""] * 3
    after = await answers.answer(bench.ask(job), bench.work())
    assert after.body == b"".join(FRAMES)
    assert bench.asked == 1
    await answers.settled()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_work_goes_on_without_its_first_client(stream: bool) -> None:
    bench = Bench()
    answers, _ = bench.worker()
    gate = asyncio.Event()
    job, body = bench.job(stream=stream), FRAMES if stream else GOOD
    leader = asyncio.create_task(answers.answer(bench.ask(job), bench.work(body, gate)))
    await asyncio.sleep(0)
    follower = asyncio.create_task(answers.answer(bench.ask(job), bench.work(body, gate)))
    await asyncio.sleep(0.01)
    leader.cancel()
    await asyncio.sleep(0.01)
    gate.set()
    assert await read(await follower) == (b"".join(FRAMES) if stream else GOOD)
    assert bench.asked == 1
    await answers.settled()
    assert bench.store.values


async def test_a_reader_that_is_cancelled_while_it_reads_is_followed_by_another() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    job, gate = bench.job(stream=True), asyncio.Event()
    source = Upstream(target("a"), FRAMES)
    source.gate = gate

    async def work() -> Upstream:
        return source

    leader = await answers.answer(bench.ask(job), work)
    follower = await answers.answer(bench.ask(job), work)
    reading = asyncio.create_task(leader.more())
    waiting = asyncio.create_task(follower.more())
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.sleep(0.01)
    leader.close()
    gate.set()
    assert await waiting == FRAMES[1]
    assert await read(follower) == FRAMES[0] + FRAMES[2]  # its beginning, and what it had not read yet
    await answers.settled()
    assert bench.store.values


async def test_when_all_have_left_the_work_is_cancelled() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    cancelled = []

    async def work() -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    tasks = [asyncio.create_task(answers.answer(bench.ask(), work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert cancelled == [1]
    ask = bench.ask()
    assert await answered(bench, answers, ask) == GOOD
    assert ask.outcome is Outcome.MISS

    source = Upstream(target("a"), FRAMES)

    async def stream() -> Upstream:
        return source

    job = bench.job(stream=True)
    readers = [await answers.answer(bench.ask(job), stream) for _ in range(2)]
    readers[0].close()
    assert not source.closed
    readers[1].close()
    assert source.closed


async def test_a_failure_is_taken_by_the_same_caller_and_not_by_another() -> None:
    for error in (DOWN, Refused(Refusal(status=402, type="t", code="budget_exceeded", message="m"))):
        bench = Bench(rules(scope="team"))
        answers, _ = bench.worker()
        gate = asyncio.Event()
        tasks = [
            asyncio.create_task(answers.answer(bench.ask(bench.job(key=key, team="t")), bench.work(error, gate)))
            for key in ("anna", "anna", "ben", "ben")
        ]
        await asyncio.sleep(0.01)
        gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in outcomes] == [type(error)] * 4
        assert bench.asked == 3, "both of anna's once, each of ben's for itself"
        again = bench.ask()
        assert await answered(bench, answers, again) == GOOD


async def test_who_may_not_have_that_target_does_not_join() -> None:
    bench = Bench(rules(scope="team"))
    answers, _ = bench.worker()
    gate = asyncio.Event()
    strict = bench.job(key="ben", team="t")
    strict.constraints = Constraints(name="eu", tags=("eu",))
    jobs = (bench.job(key="anna", team="t"), strict)
    tasks = [asyncio.create_task(answers.answer(bench.ask(job), bench.work(gate=gate))) for job in jobs]
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(*tasks)
    assert bench.asked == 2
    await answers.settled()


async def test_a_stream_that_breaks_off_does_so_for_everybody_and_is_told_once() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    told: list[Failure] = []
    answers.broke = lambda answer, failure: told.append(failure)  # type: ignore[method-assign]
    job = bench.job(stream=True)
    readers = [await answers.answer(bench.ask(job), bench.work((*FRAMES[:2], CUT))) for _ in range(3)]
    for reader in readers:
        assert await reader.more() == FRAMES[1]
    for reader in readers:
        with pytest.raises(Failed):
            await reader.more()
        reader.close()
    assert told == [CUT]
    newcomer = bench.ask(job)
    assert await answered(bench, answers, newcomer, body=FRAMES) == b"".join(FRAMES)
    assert newcomer.outcome is Outcome.MISS


async def test_the_usage_is_told_once() -> None:
    for leaves in (None, 0, 1):
        bench = Bench()
        answers, _ = bench.worker()
        used = Usage(input=3, output=4)
        source = Upstream(target("a"), FRAMES, used)

        async def work(source: Upstream = source) -> Upstream:
            return source

        readers = [await answers.answer(bench.ask(bench.job(stream=True)), work) for _ in range(3)]
        if leaves is not None:
            readers[leaves].close()
        staying = [reader for index, reader in enumerate(readers) if index != leaves]
        for reader in staying:
            while await reader.more():
                pass
        for reader in reversed(staying):
            reader.close()
            reader.close()
        assert [reader.usage for reader in readers].count(used) == 1
        assert staying[0].usage == used
        await answers.settled()


async def test_memory_is_bounded_by_a_reader_that_does_not_read() -> None:
    bench = Bench()
    answers, _ = bench.worker()
    piece = b"x" * (1 << 20)
    source = Upstream(target("a"), (piece,) * 16)

    async def work() -> Upstream:
        return source

    job = bench.job(stream=True)
    fast = await answers.answer(bench.ask(job), work)
    slow = await answers.answer(bench.ask(job), work)
    got = len(fast.body)

    async def drain() -> None:
        nonlocal got
        while data := await fast.more():
            got += len(data)

    draining = asyncio.create_task(drain())
    await asyncio.sleep(0.05)
    assert KEPT_MOST <= got <= KEPT_MOST + 3 * len(piece)
    late = bench.ask(job)
    other = await answers.answer(late, bench.work(FRAMES))
    assert late.outcome is Outcome.MISS, "nobody joins what is not all at hand"
    other.close()
    behind = await slow.more()
    assert len(slow.body) + len(behind) == got
    slow.close()
    await draining
    fast.close()
    assert got == 16 << 20
    assert not bench.store.values
