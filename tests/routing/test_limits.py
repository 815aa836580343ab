"""Limits: of callers, and of what they reach; on a virtual clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from gateway.failure import Failure, Kind, Refused
from gateway.routing.attempt import Answer
from tests.routing.bench import Reply
from tests.routing.till import Till, answered, ask_body, failed_with, refused, usage

CI = "keys: {ci: {override: true, from: {env: CI}, trust: [user], %s}}"


async def test_a_key_may_ask_so_often_in_any_minute(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {requests: 3/minute}")
    for _ in range(3):
        answered(await till.ask(ask_body("free")))
        till.now += 10
    refusal = refused(await till.ask(ask_body("free")))
    assert (refusal.status, refusal.code, refusal.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert refusal.message == "Key 'ci' is limited to 3 requests per minute. Try again in 31 seconds."
    assert refusal.retry_after == pytest.approx(30, abs=1)
    assert len(till.sent) == 3
    answered(await till.ask(ask_body("free"), key="bot"))
    till.now += refusal.retry_after
    answered(await till.ask(ask_body("free")))


async def test_never_more_than_the_limit_in_any_minute(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {requests: 20/minute}")
    admitted = []
    for step in range(600):
        till.now += 0.7 + (step * 7919 % 13) / 10
        if isinstance(await till.ask(ask_body("free")), Answer):
            admitted.append(till.now)
    for start in admitted:
        assert sum(start <= at < start + 60 for at in admitted) <= 20
    assert len(admitted) >= 0.9 * 20 * (admitted[-1] - admitted[0]) / 60, "and what may be used can be"


async def test_tokens_are_reserved_and_settled(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {tokens: 10k/minute}")
    till.reply = lambda request: Reply(200, usage(100, 200))
    job = till.job(ask_body("free", 400, max_tokens=5000))
    admission = await till.admit(job)
    assert admission is not None
    assert till.used("limit:key:ci:tokens:minute") == pytest.approx(5200, abs=10)
    assert refused(await till.ask(ask_body("free", max_tokens=5000))).status == 429
    admission.close(None)
    assert till.used("limit:key:ci:tokens:minute") == 0
    answered(await till.ask(ask_body("free", 400, max_tokens=5000)))
    assert till.used("limit:key:ci:tokens:minute") == 300
    till.reply = lambda request: Reply(200, usage(100, 9000))
    answered(await till.ask(ask_body("free", 400, max_tokens=50)))
    assert till.used("limit:key:ci:tokens:minute") == 9400, "what was used beyond the reservation counts"


async def test_a_request_larger_than_the_limit_passes_where_it_is_alone(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {tokens: 1k/minute}")
    answered(await till.ask(ask_body("free")))
    assert refused(await till.ask(ask_body("free"))).status == 429
    till.now += 61
    answered(await till.ask(ask_body("free")))


async def test_a_key_has_so_many_requests_at_one_time(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {concurrent: 2}")
    first, second = await till.admit(till.job(ask_body("free"))), await till.admit(till.job(ask_body("free")))
    assert first is not None and second is not None
    refusal = refused(await till.ask(ask_body("free")))
    assert refusal.message.startswith("Key 'ci' is limited to 2 requests at one time.")
    first.close(None)
    first.close(None)
    answered(await till.ask(ask_body("free")))
    third = await till.admit(till.job(ask_body("free")))
    assert third is not None
    assert refused(await till.ask(ask_body("free"))).status == 429


async def test_a_failure_gives_its_place_and_tokens_back(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {concurrent: 1, tokens: 10k/minute}")
    till.reply = failed_with(Failure(kind=Kind.INVALID_REQUEST, message="x", status=400))
    for _ in range(5):
        assert refused(await till.ask(ask_body("free", max_tokens=9000))).status == 400
    assert till.used("limit:key:ci:tokens:minute") == 0


async def test_sessions_and_their_end(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {sessions: 2}")
    for session in ("a", "b", "a", "b"):
        answered(await till.ask(ask_body("free"), session=session))
    refusal = refused(await till.ask(ask_body("free"), session="c"))
    assert refusal.message == (
        "Key 'ci' is limited to 2 sessions at one time. Go on with one of them; "
        "a session ends after 15 minutes without a request."
    )
    for _ in range(16):
        till.now += 60
        answered(await till.ask(ask_body("free"), session="a"))
    answered(await till.ask(ask_body("free"), session="c"))
    assert refused(await till.ask(ask_body("free"), session="b")).status == 429
    assert refused(await till.ask(ask_body("free"))).status == 429, "those who name none are one session"


async def test_each_user_has_a_share_of_its_own(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "each_user: {requests: 1/minute}, limits: {requests: 4/minute}")
    answered(await till.ask(ask_body("free"), user="x"))
    refusal = refused(await till.ask(ask_body("free"), user="x"))
    assert refusal.message.startswith("Each user of key 'ci' is limited to 1 request per minute")
    answered(await till.ask(ask_body("free"), user="y\n" * 90))
    answered(await till.ask(ask_body("free")))
    assert refused(await till.ask(ask_body("free"))).message.startswith("Each user"), "who says nothing is one user"
    answered(await till.ask(ask_body("free"), user="z"))
    assert refused(await till.ask(ask_body("free"), user="w")).message.startswith("Key 'ci'")


async def test_what_was_taken_of_one_limit_is_given_back_where_another_refuses(tmp_path: Path) -> None:
    till = Till(tmp_path, "teams: {research: {limits: {requests: 1/minute}}}\ndefaults: {limits: {requests: 5/minute}}")
    answered(await till.ask(ask_body("free"), key="anna"))
    refusal = refused(await till.ask(ask_body("free"), key="bot"))
    assert refusal.message.startswith("Team 'research' is limited to 1 request per minute")
    assert till.used("limit:key:bot:requests:minute") == 0
    till.now += 61
    answered(await till.ask(ask_body("free"), key="bot"))


async def test_what_a_key_says_is_nearer_than_the_defaults(tmp_path: Path) -> None:
    more = CI % "limits: {requests: [5/minute, 1/hour]}" + "\ndefaults: {limits: {requests: 1/minute, concurrent: 1}}"
    till = Till(tmp_path, more)
    allowance = till.engine.limits.rules.callers["ci"][0]  # type: ignore[union-attr]
    assert [limit.words for limit in allowance.limits] == [
        "5 requests per minute", "1 request per hour", "1 request at one time",
    ]  # fmt: skip


THINGS = {
    "a provider": ("providers: {up: {override: true, protocol: openai-chat, base_url: 'https://host.test/v1', "
                   "api_keys: {one: {env: A}, two: {env: B}}, limits: {requests: 2/minute}}}", ["dear", "dear", "cheap"]),
    "credentials": ("providers: {up: {override: true, protocol: openai-chat, base_url: 'https://host.test/v1', "
                    "api_keys: {one: {key: {env: A}, limits: {requests: 1/minute}}, two: {key: {env: B}, "
                    "limits: {requests: 1/minute}}}}}", ["dear", "dear", "cheap"]),
    "a model": ("models: {dear: {override: true, provider: up, limits: {requests: 2/minute}}}",
                ["dear", "dear", "cheap"]),
    "its tokens": ("models: {dear: {override: true, provider: up, limits: {tokens: 4900/minute}}}",
                   ["dear", "dear", "cheap"]),
    "a place in a combo": ("combos: {both: {override: true, targets: [{model: dear, limits: {requests: 2/minute}}, "
                           "cheap]}}", ["dear", "dear", "cheap"]),
    "a group": ("combos: {both: {override: true, targets: [{group: [dear], limits: {requests: 2/minute}}, cheap]}}",
                ["dear", "dear", "cheap"]),
}  # fmt: skip


@pytest.mark.parametrize("name", THINGS)
async def test_what_is_full_is_passed_over_and_no_health_is_harmed(name: str, tmp_path: Path) -> None:
    more, path = THINGS[name]
    till = Till(tmp_path, more)
    till.reply = lambda request: Reply(200, usage(1000, 1400))
    assert [answered(await till.ask(ask_body("both", max_tokens=100))).target.name for _ in path] == path
    lanes = till.engine.runtime.lanes["dear"]
    assert all(lane.own.snapshot(till.now).state == "closed" for lane in lanes)
    refusal = (
        refused(await till.ask(ask_body("dear", max_tokens=100))) if name != "a group" and "combo" not in name else None
    )
    if refusal is not None:
        assert (refusal.status, refusal.code, refusal.should_retry) == (429, "rate_limit_exceeded", None)
        assert " is limited to " in refusal.message
        assert refusal.retry_after is not None
        assert refusal.retry_after > 50
    till.now += 61
    assert answered(await till.ask(ask_body("both", max_tokens=100))).target.name == "dear"


async def test_a_provider_has_so_many_requests_at_one_time(tmp_path: Path) -> None:
    more = "models: {dear: {override: true, provider: up, limits: {concurrent: 1}}}"
    till = Till(tmp_path, more)
    stopped = asyncio.Event()

    async def slow(request: object) -> Reply:
        await stopped.wait()
        return Reply(200, usage(1, 1))

    send = till.tools.send
    till.tools = msgspec.structs.replace(till.tools, send=slow)  # type: ignore[arg-type]
    first = asyncio.ensure_future(till.ask(ask_body("both")))
    await asyncio.sleep(0)
    till.tools = msgspec.structs.replace(till.tools, send=send)
    assert answered(await till.ask(ask_body("both"))).target.name == "cheap"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert answered(await till.ask(ask_body("both"))).target.name == "dear"


async def test_who_waits_is_served_in_order(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {concurrent: 1, queue: {most: 3, wait: 5s}}")
    _real_time(till)
    held = await till.admit(till.job(ask_body("free")))
    assert held is not None
    order: list[int] = []

    async def one(number: int) -> None:
        admission = await till.admit(till.job(ask_body("free")))
        assert admission is not None
        order.append(number)
        await asyncio.sleep(0.001)
        admission.close(None)

    waiting = [asyncio.ensure_future(one(number)) for number in range(3)]
    await asyncio.sleep(0.01)
    with pytest.raises(Refused) as full:
        await till.admit(till.job(ask_body("free")))
    assert full.value.refusal.status == 429
    waiting[1].cancel()
    await asyncio.sleep(0)
    waiting[1] = asyncio.ensure_future(one(9))
    await asyncio.sleep(0.01)
    assert order == []
    held.close(None)
    await asyncio.gather(*waiting)
    assert order == [0, 2, 9]
    assert not till.engine.limits._lines["key 'ci'"].waiting  # type: ignore[union-attr]


async def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {requests: 1/minute, queue: {wait: 30ms}}")
    _real_time(till)
    answered(await till.ask(ask_body("free")))
    refusal = refused(await till.ask(ask_body("free")))
    assert refusal.status == 429
    assert refusal.retry_after == pytest.approx(60, abs=1.1)


def _real_time(till: Till) -> None:
    """The loop's clock, where tasks wait for one another."""
    loop = asyncio.get_running_loop()
    till.tools = msgspec.structs.replace(till.tools, clock=loop.time, sleep=asyncio.sleep)


async def test_headers_tell_the_tightest(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {requests: [10/minute, 11/hour], tokens: 10k/minute}")
    admission = await till.admit(till.job(ask_body("free", 400, max_tokens=1800)))
    assert admission is not None
    headers: dict[str, str] = {}
    admission.tell(headers, till.now)
    assert headers.pop("x-ratelimit-reset") == str(int(till.now) + 60)
    assert headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": "7992",
        "x-ratelimit-reset-tokens": "1m0s",
        "x-ratelimit-limit": "10000",
        "x-ratelimit-remaining": "7992",
    }


async def test_counters_outlive_a_reload_and_take_on_the_new_limit(tmp_path: Path) -> None:
    till = Till(tmp_path, CI % "limits: {requests: 5/minute}")
    for _ in range(2):
        answered(await till.ask(ask_body("free")))
    old = till.engine
    till.load(CI % "limits: {requests: 3/minute}")
    answered(await till.ask(ask_body("free")))
    del old
    assert refused(await till.ask(ask_body("free"))).message.startswith("Key 'ci' is limited to 3 requests per minute")
