"""Idempotency: one answer for one key, across workers, and nobody waits for the dead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.cache.ask import Ask
from gateway.cache.flight import Work
from gateway.cache.kept import Running, encode
from gateway.cache.once import LEASE, repeat_of
from gateway.failure import Failed, Failure, Kind, Refused
from tests.cache.bench import FRAMES, GOOD, Bench, read

DOWN = Failed(Failure(kind=Kind.SERVER_ERROR, message="down"))


async def sent(worker: Any, ask: Ask, work: Work) -> bytes:
    answers, once = worker
    out = await read(await once.answer(ask, work))
    await answers.settled()
    return out


@pytest.mark.parametrize("stream", [False, True])
async def test_the_second_gets_the_first_ones_answer_for_the_window(stream: bool) -> None:
    bench = Bench()
    one, other = bench.worker(), bench.worker()
    job, body = bench.job(stream=stream), FRAMES if stream else GOOD
    whole = b"".join(FRAMES) if stream else GOOD
    first = bench.ask(job, "k")
    assert await sent(one, first, bench.work(body)) == whole
    assert not first.idempotent
    for worker in (one, other):
        again = bench.ask(job, "k")
        assert await sent(worker, again, bench.work(body)) == whole
        assert again.idempotent
    assert bench.asked == 1
    bench.now += 6
    late = bench.ask(job, "k")
    await sent(other, late, bench.work(body))
    assert (bench.asked, late.idempotent) == (2, False)


async def test_keys_belong_to_their_callers() -> None:
    bench = Bench()
    worker = bench.worker()
    for key in ("anna", "ben"):
        ask = bench.ask(bench.job(key=key), "same")
        await sent(worker, ask, bench.work())
        assert not ask.idempotent
    assert bench.asked == 2


async def test_the_second_joins_the_first_in_flight() -> None:
    bench = Bench()
    _, once = worker = bench.worker()
    gate = asyncio.Event()
    asks = [bench.ask(repeat="k") for _ in range(5)]
    tasks = [asyncio.create_task(once.answer(ask, bench.work(gate=gate))) for ask in asks]
    await asyncio.sleep(0.01)
    gate.set()
    assert {(await task).body for task in tasks} == {GOOD}
    assert bench.asked == 1
    assert [ask.idempotent for ask in asks] == [False, True, True, True, True]
    await worker[0].settled()


async def test_another_request_with_the_key_is_refused() -> None:
    bench = Bench()
    one, other = bench.worker(), bench.worker()
    gate = asyncio.Event()
    running = asyncio.create_task(one[1].answer(bench.ask(repeat="k"), bench.work(gate=gate)))
    await asyncio.sleep(0.01)
    different = bench.job({"temperature": 1})
    for worker in (one, other):  # in flight, here and there
        with pytest.raises(Refused) as caught:
            await worker[1].answer(bench.ask(different, "k"), bench.work())
        assert (caught.value.refusal.status, caught.value.refusal.code) == (422, "idempotency_mismatch")
    gate.set()
    await running
    await one[0].settled()
    for worker in (one, other):  # in its window
        with pytest.raises(Refused):
            await worker[1].answer(bench.ask(different, "k"), bench.work())
    assert bench.asked == 1


async def test_another_worker_waits_for_the_answer() -> None:
    bench = Bench()
    one, other = bench.worker(), bench.worker()
    gate = asyncio.Event()
    first = asyncio.create_task(one[1].answer(bench.ask(repeat="k"), bench.work(gate=gate)))
    await asyncio.sleep(0.01)
    ask = bench.ask(repeat="k")
    second = asyncio.create_task(other[1].answer(ask, bench.work()))
    await asyncio.sleep(0)
    gate.set()
    await first
    await one[0].settled()
    assert (await second).body == GOOD
    assert ask.idempotent
    assert bench.asked == 1


async def test_a_worker_that_was_killed_blocks_nobody_for_long() -> None:
    bench = Bench()
    ask = bench.ask(repeat="k")
    assert ask.repeat is not None
    bench.store.values[ask.repeat] = (encode(Running(ask.asked)), bench.now + LEASE)
    worked: list[float] = []

    async def work() -> Any:
        worked.append(bench.now)
        return await bench.work()()

    assert await sent(bench.worker(), ask, work) == GOOD
    assert LEASE <= worked[0] - 1000.0 < LEASE + 2
    assert bench.asked == 1


async def test_the_living_renew_their_mark_and_patience_ends() -> None:
    bench = Bench()
    one, other = bench.worker(), bench.worker()
    gate = asyncio.Event()
    first = asyncio.create_task(one[1].answer(bench.ask(repeat="k"), bench.work(gate=gate)))
    await asyncio.sleep(0.01)
    with pytest.raises(Refused) as caught:
        await other[1].answer(bench.ask(repeat="k"), bench.work())
    assert (caught.value.refusal.status, caught.value.refusal.code) == (409, "idempotency_in_progress")
    assert bench.asked == 1
    gate.set()
    await first
    await one[0].settled()
    assert await sent(other, bench.ask(repeat="k"), bench.work()) == GOOD
    assert bench.asked == 1, "no mark was written after the answer"


@pytest.mark.parametrize("stream", [False, True])
async def test_after_a_failure_the_next_one_tries_again(stream: bool) -> None:
    bench = Bench()
    worker = bench.worker()
    job = bench.job(stream=stream)
    cut: Any = (FRAMES[0], DOWN.failure) if stream else DOWN
    with pytest.raises(Failed):
        await sent(worker, bench.ask(job, "k"), bench.work(cut))
    await worker[0].settled()
    assert not bench.store.values
    ask = bench.ask(job, "k")
    await sent(worker, ask, bench.work(FRAMES if stream else GOOD))
    assert not ask.idempotent


async def test_what_was_planted_is_no_answer() -> None:
    for value in (b"", b"garbage", b'{"a":1}', b"\x91" * 3000):
        bench = Bench()
        ask = bench.ask(repeat="k")
        assert ask.repeat is not None
        bench.store.values[ask.repeat] = (value, 1e12)
        assert await sent(bench.worker(), ask, bench.work()) == GOOD
        assert bench.asked == 1


async def test_without_a_store_it_joins_in_this_worker() -> None:
    bench = Bench()
    bench.store.down = True
    answers, once = bench.worker()
    gate = asyncio.Event()
    tasks = [asyncio.create_task(once.answer(bench.ask(repeat="k"), bench.work(gate=gate))) for _ in range(2)]
    await asyncio.sleep(0.01)
    gate.set()
    assert [(await task).body for task in tasks] == [GOOD, GOOD]
    assert bench.asked == 1
    await answers.settled()


def test_keys_that_are_none() -> None:
    for key in ("", "x" * 256, "a\x00b", "a\nb"):
        with pytest.raises(Refused) as caught:
            repeat_of("key/a", key)
        assert caught.value.refusal.status == 400
    assert repeat_of("key/a", "ключ") != repeat_of("key/b", "ключ")
