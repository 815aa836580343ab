"""Budgets: reserved before each send, settled after it; on a virtual clock."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.events import BudgetReached, Unpriced
from gateway.failure import Failure, Kind
from gateway.routing.attempt import Answer
from tests.routing.bench import Reply
from tests.routing.till import START, Till, answered, ask_body, failed_with, refused, usage

USD = 10**9
TEAM = "budgets: {team: {limit: 1 USD, per: month, scope: {team: research}%s}}"


async def test_money_is_reserved_and_settled(tmp_path: Path) -> None:
    till = Till(tmp_path, TEAM % "")
    during: list[int] = []

    def reply(request: Any) -> Reply:
        during.append(till.used("budget:team"))
        return Reply(200, usage(100, 200))

    till.reply = reply
    body = ask_body("dear", 1000, max_tokens=500)
    answered(await till.ask(body, key="anna"))
    assert during == [-(-len(body) // 2) * 10_000 + 500 * 100_000], "half the bytes, and the bound, at the price"
    assert till.used("budget:team") == 100 * 10_000 + 200 * 100_000
    answered(await till.ask(ask_body("dear"), key="ci"))
    assert till.used("budget:team") == 100 * 10_000 + 200 * 100_000, "it is not of that team"


async def test_a_budget_that_is_used_up_refuses_and_says_all(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {team: {limit: 0.3 USD, per: month, scope: {team: research}, "
                          "resets: {timezone: Europe/Berlin, at: '06:00'}}}")  # fmt: skip
    till.reply = lambda request: Reply(200, usage(1000, 1000))
    answered(await till.ask(ask_body("dear", 100), key="anna"))
    answered(await till.ask(ask_body("dear", 100), key="bot"))
    refusal = refused(await till.ask(ask_body("dear", 100), key="anna"))
    assert (refusal.status, refusal.code, refusal.should_retry) == (402, "budget_exceeded", False)
    assert refusal.message == (
        "The budget 'team' (0.3 USD a month) has 0.08 USD left; this request may cost 0.1 USD at 'dear'. "
        "It begins anew on 2026-10-01 at 06:00 (Europe/Berlin)."
    )
    assert refusal.retry_after is None
    assert len(till.sent) == 2
    assert till.used("budget:team") == int(0.22 * USD), "what was refused took nothing"
    answered(await till.ask(ask_body("dear", 100, max_tokens=100), key="anna"))
    till.now = datetime(2026, 10, 1, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    answered(await till.ask(ask_body("dear", 100), key="anna"))


async def test_who_can_come_back_soon_is_told_when(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.15 USD, per: day}}")
    till.now = datetime(2026, 9, 18, 23, 59, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    till.reply = lambda request: Reply(200, usage(1000, 1000))
    answered(await till.ask(ask_body("dear", 100)))
    assert refused(await till.ask(ask_body("dear", 100))).retry_after == pytest.approx(30, abs=1)


async def test_a_request_dearer_than_the_whole_budget(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.05 USD, per: total}}")
    refusal = refused(await till.ask(ask_body("dear", 100)))
    assert refusal.message == (
        "The budget 'b' (0.05 USD in total) has 0.05 USD left, and one request to 'dear' may cost 0.1 USD, more than "
        "all of it. Bound its output (max_tokens), or shorten it."
    )


async def test_what_is_too_dear_is_passed_over(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.05 USD, per: day}}")
    assert answered(await till.ask(ask_body("both", 100))).target.name == "cheap"
    till.reply = failed_with(Failure(kind=Kind.INVALID_REQUEST, message="x", status=400))
    before = till.used("budget:b")
    assert refused(await till.ask(ask_body("both", 100))).status == 400
    assert till.used("budget:b") == before, "a failure costs nothing"


async def test_a_fallback_may_name_it(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.05 USD, per: day}}\nfallbacks: {dear: [{on: [budget], to: [free]}]}")
    assert answered(await till.ask(ask_body("dear", 100))).target.name == "free"


SCOPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "key": ("scope: {key: anna}", {"key": "anna"}, {"key": "bot"}),
    "one of several keys": ("scope: {key: [anna, ci]}", {"key": "ci"}, {"key": "bot"}),
    "team": ("scope: {team: research}", {"key": "bot"}, {"key": "ci"}),
    "user": ("scope: {user: u}", {"user": "u"}, {"user": "v"}),
    "model": ("scope: {model: dear}", {"model": "dear"}, {"model": "cheap"}),
    "provider": ("scope: {provider: up}", {"model": "both"}, {"model": "cheap"}),
    "tag": ("scope: {tag: batch}", {"key": "anna"}, {"key": "bot"}),
    "key and model": ("scope: {key: ci, model: dear}", {}, {"model": "cheap"}),
    "each key": ("each: key", {"key": "anna"}, {"key": "bot"}),
    "each team": ("each: team", {"key": "anna"}, {"key": "ci"}),
    "each user": ("each: user", {"user": "u"}, {"user": "v"}),
    "each user who does not say": ("each: user", {}, {"user": "v"}),
    "each user of keys that believe them": ("each: user", {}, {"key": "bot"}),
    "each model": ("each: model", {"model": "dear"}, {"model": "cheap"}),
    "each provider": ("each: provider", {"model": "dear"}, {"model": "cheap"}),
    "each tag": ("each: tag", {"key": "anna"}, {"key": "bot"}),
}


@pytest.mark.parametrize("name", SCOPES)
async def test_whose_spending_counts(name: str, tmp_path: Path) -> None:
    scope, one, other = SCOPES[name]
    till = Till(tmp_path, f"budgets: {{b: {{limit: 0.11 USD, per: day, {scope}}}}}")
    till.reply = lambda request: Reply(200, usage(1, 990))

    async def ask(model: str = "dear", **who: Any) -> Answer | Any:
        return await till.ask(ask_body(model, 100), **who)

    answered(await ask(**one))
    again = await ask(**one)
    if one.get("model") == "both":
        assert answered(again).target.name == "cheap"
    else:
        assert refused(again).status == 402
    answered(await ask(**other))


async def test_all_budgets_must_have_room_and_none_is_left_with_a_reservation(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {large: {limit: 9 USD, per: month}, small: {limit: 0.05 USD, per: day}}")
    assert "'small'" in refused(await till.ask(ask_body("dear", 100))).message
    assert till.used("budget:large") == till.used("budget:small") == 0


async def test_an_answer_that_nobody_bounds_is_bounded(tmp_path: Path) -> None:
    price = "price: {input: 1, output: 10}"
    more = f"budgets: {{b: {{limit: 1 USD, per: day}}}}\nmodels: {{open: {{provider: house, {price}}}}}"
    till = Till(tmp_path, more)

    def sent() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(till.sent[-1].body)
        return {name: value for name, value in found.items() if "max" in name}

    answered(await till.ask(ask_body("open")))
    assert sent() == {"max_tokens": 4096}
    answered(await till.ask(ask_body("dear")))
    assert sent() == {"max_tokens": 1000}, "the longest answer that the model gives"
    answered(await till.ask(ask_body("open", max_tokens=5)))
    assert sent() == {"max_tokens": 5}
    answered(await till.ask(ask_body("open", max_completion_tokens=7)))
    assert sent() == {"max_completion_tokens": 7}
    answered(await till.ask(ask_body("free")))
    assert sent() == {}, "what costs nothing needs no bound"
    till.load(more.replace("per: day", "per: day, when_exhausted: warn"))
    answered(await till.ask(ask_body("open")))
    assert sent() == {}, "and a budget that keeps nobody out bounds nothing"


async def test_several_answers_are_several_times_as_dear(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: day}}")
    assert "may cost 1.00 USD" in refused(await till.ask(ask_body("dear", 100, n=10))).message
    answered(await till.ask(ask_body("dear", 100, n=9)))


EDITS = {
    "set: {max_tokens: 20}": {"max_tokens": 900},
    "default: {max_tokens: 20}": {},
    "drop: [max_tokens], default: {max_tokens: 20}": {"max_tokens": 900},
}


@pytest.mark.parametrize("edits", EDITS)
async def test_the_bounds_of_the_file_count(edits: str, tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.01 USD, per: day}}\nmodels: {dear: {override: true, provider: up, "
                          f"price: {{input: 10, output: 100}}, request: {{{edits}}}}}}}")  # fmt: skip
    answered(await till.ask(ask_body("dear", **EDITS[edits])))
    assert json.loads(till.sent[-1].body)["max_tokens"] == 20


async def test_a_long_prompt_is_counted_by_its_text(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 9 USD, per: day}}")
    during: list[int] = []

    def reply(request: Any) -> Reply:
        during.append(till.used("budget:b"))
        return Reply(200, usage(1, 1))

    till.reply = reply
    answered(await till.ask(ask_body("dear", 40_000, max_tokens=100)))
    tokens = (during[0] - 100 * 100_000) / 10_000
    assert tokens == pytest.approx(1.5 * 40_000 / 4, rel=0.02)
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h.test/a.png"}}]}]
    body = json.dumps({"model": "dear", "messages": picture, "max_tokens": 100}).encode()
    answered(await till.ask(body))
    assert (during[1] - during[0]) / 10_000 > 0 or (during[1] - 100 * 100_000) / 10_000 > 1500


async def test_what_was_used_beyond_the_reservation_is_charged(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.2 USD, per: day}}")
    till.reply = lambda request: Reply(200, usage(100_000, 1))
    answered(await till.ask(ask_body("dear")))
    assert till.used("budget:b") == 100_000 * 10_000 + 100_000
    assert "has 0.00 USD left" in refused(await till.ask(ask_body("dear"))).message


async def test_a_budget_may_only_warn(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 0.1 USD, per: day, when_exhausted: warn, warn_at: [50%]}}")
    till.reply = lambda request: Reply(200, usage(0, 400))
    for _ in range(4):
        answered(await till.ask(ask_body("dear")))
        await asyncio.sleep(0)
    assert [(each.share, each.used) for each in till.events if isinstance(each, BudgetReached)] == [
        (0.5, 80_000_000), (1.0, 120_000_000),
    ]  # fmt: skip
    assert till.used("budget:b") == 160_000_000


async def test_shares_are_said_once_in_each_window(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: day, warn_at: [80%, 50%]}}")
    till.reply = lambda request: Reply(200, usage(0, 1000))

    async def spend(times: int) -> list[float]:
        till.events.clear()
        for _ in range(times):
            answered(await till.ask(ask_body("dear", 100)))
            await asyncio.sleep(0)
        return [each.share for each in till.events if isinstance(each, BudgetReached)]

    assert await spend(4) == []
    assert await spend(1) == [0.5]
    assert await spend(2) == []
    assert await spend(2) == [0.8]
    till.now += 86400
    assert await spend(9) == [0.5, 0.8]


async def test_prices_that_nobody_knows(tmp_path: Path) -> None:
    budget = "budgets: {b: {limit: 1 USD, per: day}}\n"
    till = Till(tmp_path, budget)
    for _ in range(2):
        answered(await till.ask(ask_body("unpriced")))
    assert [each for each in till.events if isinstance(each, Unpriced)] == [Unpriced("house", "unpriced")]
    till.load(budget + "defaults: {price_unknown: zero}")
    till.events.clear()
    answered(await till.ask(ask_body("unpriced")))
    assert not [each for each in till.events if isinstance(each, Unpriced)]
    till.load(budget + "defaults: {price_unknown: fail}")
    refusal = refused(await till.ask(ask_body("unpriced")))
    assert refusal.status == 402
    assert refusal.message == (
        "Nobody knows what 'unpriced' costs, a budget applies, and the configuration says 'price_unknown: fail'. "
        "Its operator can state 'models.unpriced.price'."
    )
    till.load("defaults: {price_unknown: fail}")
    answered(await till.ask(ask_body("unpriced")))


CHUNK = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
LAST = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":9}}\n\n'
END = b'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def stream(*pieces: bytes | Failure) -> Reply:
    return Reply(200, list(pieces), content_type="text/event-stream")


async def test_a_client_that_leaves_pays_for_what_it_has_heard(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: day}}")
    text = b"word" * 100
    till.reply = lambda request: stream(*[CHUNK % text] * 50)
    answer = await _streamed(till)
    for _ in range(9):
        await answer.more()
    answer.close()
    assert answer.usage is not None
    assert answer.usage.estimated
    assert answer.usage.output == 1000
    assert till.used("budget:b") == answer.usage.input * 10_000 + 1000 * 100_000
    assert answer.usage.input < 30


async def test_a_stream_that_ends_well_costs_what_its_provider_says(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: day}}")
    till.reply = lambda request: stream(CHUNK % b"hello", END, LAST % 40, b"data: [DONE]\n\n")
    answer = await _streamed(till)
    while await answer.more():
        pass
    assert answer.usage is not None
    assert (answer.usage.output, answer.usage.estimated) == (40, False)
    assert till.used("budget:b") == 7 * 10_000 + 40 * 100_000
    till.reply = lambda request: stream(CHUNK % b"hello" * 4, END, b"data: [DONE]\n\n")
    answer = await _streamed(till)
    while await answer.more():
        pass
    assert answer.usage is not None
    assert answer.usage.estimated, "its provider forgot to say"
    assert answer.usage.output == 5


async def test_a_stream_that_breaks_off_is_paid_for(tmp_path: Path) -> None:
    from gateway.failure import Failed

    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: day}}")
    till.reply = lambda request: stream(CHUNK % b"four" * 8, Failure(kind=Kind.CONNECTION, message="reset"))
    answer = await _streamed(till)
    with pytest.raises(Failed):
        await answer.more()
    assert answer.usage is not None
    assert answer.usage.output == 8
    assert till.used("budget:b") == answer.usage.input * 10_000 + 8 * 100_000


async def _streamed(till: Till) -> Answer:
    from gateway.routing.run import Course, run

    job = till.job(ask_body("dear", stream=True))
    node = till.engine.routes["dear"].node
    return await run(node, job, till.engine.runtime, till.tools, Course(), None)


async def test_a_client_that_leaves_before_anything_came_pays_for_its_prompt(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: day}}")

    async def never(request: Any) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    till.tools = msgspec.structs.replace(till.tools, send=never)  # type: ignore[arg-type]
    asked = asyncio.ensure_future(till.ask(ask_body("dear", 4000)))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert till.used("budget:b") == pytest.approx(1000 * 10_000, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
async def test_many_at_once_never_spend_more_than_there_is(seed: int, tmp_path: Path) -> None:
    """200 requests at one time, answers of unknown length, 1 USD, and clients that leave."""
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: month}}")
    random = Random(seed)
    spent = 0

    def reply(request: Any) -> Reply:
        nonlocal spent
        most = json.loads(request.body)["max_tokens"]
        wrote = random.randint(1, most)
        spent += 20 * 10_000 + wrote * 100_000
        return Reply(200, usage(20, wrote))

    till.reply = reply

    async def one(number: int) -> bool:
        await asyncio.sleep(0)
        for _ in range(random.randint(1, 5)):
            await asyncio.sleep(0)
        fields = {} if number % 3 else {"max_tokens": random.randint(1, 2000)}
        return isinstance(await till.ask(ask_body("dear", 100, **fields)), Answer)

    outcomes = await asyncio.gather(*(one(number) for number in range(200)))
    assert till.used("budget:b") == spent <= USD
    assert 10 <= sum(outcomes) < 200
    assert spent > 0.85 * USD, "and what may be spent can be"


async def test_budgets_outlive_a_reload_and_take_on_the_new_limit(tmp_path: Path) -> None:
    till = Till(tmp_path, "budgets: {b: {limit: 1 USD, per: month}}")
    till.reply = lambda request: Reply(200, usage(0, 1000))
    answered(await till.ask(ask_body("dear", 100)))
    old = till.engine
    till.load("budgets: {b: {limit: 0.15 USD, per: month}}")
    del old
    assert "(0.15 USD a month) has 0.05 USD left" in refused(await till.ask(ask_body("dear", 100))).message


def test_the_clock_of_the_bench() -> None:
    assert datetime.fromtimestamp(START, ZoneInfo("UTC")).strftime("%Y-%m-%d") == "2026-09-21"
