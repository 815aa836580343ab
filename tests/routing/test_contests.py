"""Strategies that execute, on a virtual clock: who is asked when, who wins, who is closed, and what is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.engine.virtual import virtually
from gateway.events import Aside
from gateway.failure import Failure, Kind
from gateway.routing.attempt import Answer
from gateway.routing.contests import words
from gateway.routing.node import Branch, Chain, Fallback, Mirror, Node, Panel, Pipeline, Plan, Race, Split
from gateway.state.copies import MOST
from gateway.state.latency import LEAST
from tests.routing.arena import END, Arena, Slow, chunk, stream, text_of, whole
from tests.routing.bench import down, target

A, B, C, J = (target(name) for name in "abcj")
STRATEGY = {Race: "race", Mirror: "mirror", Panel: "panel", Pipeline: "pipeline"}


def contest(plan: Plan, *nodes: Node, name: str = "combo") -> Split:
    return Split(name, STRATEGY[type(plan)], tuple(Branch(node) for node in nodes), plan=plan)


def priority(*nodes: Node, name: str = "outer") -> Split:
    return Split(name, "priority", tuple(Branch(node) for node in nodes))


def says(text: str, after: float = 0.0) -> Slow:
    return Slow(whole(text), after=after)


def named(outcome: Answer | Failure) -> str:
    assert isinstance(outcome, Answer), outcome
    return outcome.target.name


BAD = Failure(kind=Kind.INVALID_REQUEST, message="no such field", status=400)


# race


def test_a_fast_first_child_races_alone() -> None:
    async def go() -> None:
        arena = Arena(contest(Race(1.0), A, B), {"a": says("A", 0.9), "b": says("B")})
        assert named(await arena.send()) == "a"
        assert arena.order == [(0, "a")]
        assert arena.asides == []

    virtually(go())


def test_the_next_starts_after_the_stated_time_and_the_first_answer_wins() -> None:
    async def go() -> None:
        arena = Arena(contest(Race(0.5), A, B, C), {"a": says("A", 2.0), "b": says("B", 0.3), "c": says("C")})
        assert named(await arena.send()) == "b"
        assert arena.order == [(0, "a"), (0.5, "b")]
        assert arena.given["a"].closed is None, "it had not answered: the send itself was cancelled"
        assert arena.asides == [("loser", "a")]
        assert [(trial.target, trial.kind) for trial in arena.course.trials] == [("b", None), ("a", Kind.CANCELLED)]
        assert [load.count for load in arena.runtime.loads.values()] == [0, 0, 0]

    virtually(go())


def test_a_losing_stream_is_closed_at_once_and_its_breaker_knows_nothing_bad() -> None:
    async def go() -> None:
        silent = b'data: {"id":"s1","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
        plays: dict[str, Slow | Failure] = {
            "a": stream(silent, 9.0, chunk("late"), END),
            "b": stream(0.2, chunk("B"), 0.1, END),
        }
        arena = Arena(contest(Race(0.5), A, B), plays)
        answer = await arena.send(arena.job(stream=True))
        assert arena.given["a"].closed == pytest.approx(0.7)
        assert b'"B"' in await text_of(answer)
        lane = arena.runtime.lanes["a"][0]
        assert lane.own.snapshot(1.0).failures == 0 and lane.own.enter(1.0)
        told = next(event for event in arena.events if isinstance(event, Aside))
        assert told.kind == "cancelled" and told.usage is not None and told.usage.estimated and told.usage.input > 0

    virtually(go())


def test_a_failure_starts_the_next_at_once() -> None:
    async def go() -> None:
        arena = Arena(contest(Race(5.0), A, B), {"a": Slow(b"", status=529, after=0.1), "b": says("B")})
        assert named(await arena.send()) == "b"
        assert arena.order == [(0, "a"), (0.1, "b")]

    virtually(go())


def test_what_every_target_would_refuse_starts_nobody_but_who_runs_may_win() -> None:
    async def go() -> None:
        arena = Arena(contest(Race(5.0), A, B), {"a": BAD, "b": says("B")})
        outcome = await arena.send()
        assert isinstance(outcome, Failure) and outcome.kind is Kind.INVALID_REQUEST
        assert arena.order == [(0, "a")]
        plays: dict[str, Slow | Failure] = {
            "a": says("A", 2.0),
            "b": Slow(b'{"error":{"message":"x"}}', status=400, after=0.1),
            "c": says("C"),
        }
        arena = Arena(contest(Race(0.5), A, B, C), plays)
        assert named(await arena.send()) == "a"
        assert arena.order == [(0, "a"), (0.5, "b")]

    virtually(go())


def test_the_last_failure_when_all_fail_and_a_fallback_then_answers() -> None:
    async def go() -> None:
        once = (
            target("a", retries=target("x").retries.__class__(0)),
            target("b", retries=target("x").retries.__class__(0)),
        )
        node = Chain("combo", contest(Race(1.0), *once), (Fallback(frozenset((Kind.CONNECTION,)), (C,)),))
        arena = Arena(node, {"a": down(), "b": down(), "c": says("C")})
        assert named(await arena.send()) == "c"
        assert [name for _, name in arena.order] == ["a", "b", "c"]

    virtually(go())


def test_p95_is_measured_and_a_second_stands_for_it_before() -> None:
    async def go() -> None:
        arena = Arena(contest(Race(None), A, B), {"a": says("A", 9.0), "b": says("B")})
        latency = arena.state.latency("a")
        arena.runtime.latencies["a"] = latency
        await arena.send()
        assert arena.order == [(0, "a"), (1.0, "b")]
        for _ in range(LEAST):
            latency.measured(0.25, False, asyncio.get_running_loop().time())
        arena.seen.clear()
        await arena.send()
        assert [name for _, name in arena.order] == ["a", "b"]
        assert arena.order[1][0] - arena.order[0][0] == pytest.approx(0.25, abs=0.002)

    virtually(go())


def test_a_client_that_leaves_ends_every_runner() -> None:
    async def go() -> None:
        arena = Arena(contest(Race(0.1), A, B), {"a": says("A", 5.0), "b": says("B", 5.0)})
        task = asyncio.ensure_future(arena.send())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert len(asyncio.all_tasks()) == 1
        assert [load.count for load in arena.runtime.loads.values()] == [0, 0]

    virtually(go())


def test_attempts_in_flight_count_towards_the_bound() -> None:
    async def go() -> None:
        many = [target(f"m{number}") for number in range(20)]
        plays: dict[str, Slow | Failure] = {each.name: says("x", 30.0) for each in many}
        arena = Arena(contest(Race(0.01), *many), plays)
        await arena.send(budget=20.0)
        assert len(arena.seen) == 12

    virtually(go())


# mirror


def test_a_mirror_serves_the_first_and_compares_the_others() -> None:
    async def go() -> None:
        plays: dict[str, Slow | Failure] = {"a": says("Hello"), "b": says("Hello you", 3.0), "c": down()}
        arena = Arena(contest(Mirror(), A, B, C), plays)
        assert named(await arena.send()) == "a"
        assert arena.mirrored == []
        await asyncio.sleep(10)
        by = {event.model: event for event in arena.mirrored}
        assert (by["b"].same_finish, by["b"].same_calls, by["b"].length) == (True, True, 1.8)
        assert by["b"].seconds == pytest.approx(3.0) and by["b"].served == "a"
        assert by["c"].kind == "connection" and by["c"].length is None
        assert arena.asides == [("copy", "b")]
        assert [trial.target for trial in arena.course.trials] == ["a"]

    virtually(go())


def test_a_mirrored_stream_is_compared_at_its_end_and_not_where_the_client_left() -> None:
    async def go() -> None:
        plays: dict[str, Slow | Failure] = {"a": stream(chunk("Hel"), 1.0, chunk("lo"), END), "b": says("Hello")}
        arena = Arena(contest(Mirror(), A, B), plays)
        assert b'"lo"' in await text_of(await arena.send(arena.job(stream=True)))
        await asyncio.sleep(1)
        assert arena.mirrored[0].length == 1.0 and arena.mirrored[0].same_finish
        assert arena.body("b").get("stream") is not True
        answer = await arena.send(arena.job(stream=True))
        assert isinstance(answer, Answer)
        answer.close()
        await asyncio.sleep(1)
        assert arena.mirrored[1].status == 200 and arena.mirrored[1].length is None

    virtually(go())


def test_copies_are_bounded_sampled_and_end_with_the_worker() -> None:
    async def go() -> None:
        arena = Arena(contest(Mirror(), A, B), {"a": says("A"), "b": says("B", 50.0)})
        for _ in range(MOST + 3):
            await arena.send()
        assert len(arena.runtime.copies.running) == MOST
        assert arena.runtime.copies.dropped == 3
        assert [event.kind for event in arena.mirrored] == ["dropped"] * 3
        await arena.runtime.copies.stop()
        assert not arena.runtime.copies.running and len(asyncio.all_tasks()) == 1
        rare = Arena(contest(Mirror(0.25), A, B), {"a": says("A"), "b": says("B")})
        for _ in range(400):
            await rare.send()
            await asyncio.sleep(1)
        assert 70 < len(rare.mirrored) < 130

    virtually(go())


def test_a_copy_of_a_mirror_is_not_copied_again() -> None:
    async def go() -> None:
        inner = contest(Mirror(), B, C, name="inner")
        arena = Arena(contest(Mirror(), A, inner), {"a": says("A"), "b": says("B"), "c": says("C")})
        await arena.send()
        await asyncio.sleep(1)
        assert [name for _, name in arena.order] == ["a", "b"]

    virtually(go())


# panel


def test_a_panel_asks_all_at_once_and_the_judge_merges() -> None:
    async def go() -> None:
        plays: dict[str, Slow | Failure] = {"a": says("Blue", 1.0), "b": says("Red", 0.5), "j": says("Violet")}
        arena = Arena(contest(Panel(J), A, B), plays)
        answer = await arena.send()
        assert arena.order == [(0, "a"), (0, "b"), (1.0, "j")]
        assert isinstance(answer, Answer)
        body = json.loads(answer.body)
        assert body["choices"][0]["message"]["content"] == "Violet"
        assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (30, 15)
        assert answer.usage is not None and answer.usage.input == 10, "its own line has its own usage"
        assert arena.asides == [("voice", "a"), ("voice", "b")]
        messages = arena.body("j")["messages"]
        assert messages[0] == {"role": "user", "content": "Hello?"}
        told = json.dumps(messages[1:])
        assert told.index("Blue") < told.index("Red"), "in the order of the file"
        assert words.JUDGE in messages[-1]["content"]

    virtually(go())


def test_the_judge_streams_with_the_sum_of_all_usage() -> None:
    async def go() -> None:
        plays: dict[str, Slow | Failure] = {
            "a": says("Blue"),
            "b": says("Red"),
            "j": stream(chunk("Vio"), chunk("let"), END),
        }
        arena = Arena(contest(Panel(J), A, B), plays)
        answer = await arena.send(arena.job(stream=True, stream_options={"include_usage": True}))
        text = await text_of(answer)
        assert b'"Vio"' in text and b'"prompt_tokens":30' in text and text.endswith(b"data: [DONE]\n\n")
        assert arena.body("j")["stream"] is True and not arena.body("a").get("stream")

    virtually(go())


def test_enough_answers_end_the_waiting() -> None:
    async def go() -> None:
        plays: dict[str, Slow | Failure] = {
            "a": says("A", 60.0),
            "b": says("B", 1.0),
            "c": says("C", 2.0),
            "j": says("J"),
        }
        arena = Arena(contest(Panel(J, 2, 3.0), A, B, C), plays)
        await arena.send()
        assert arena.order[-1] == (5.0, "j"), "3 s after the second answer"
        told = {event.model: event for event in arena.events if isinstance(event, Aside)}
        assert {name: event.seconds for name, event in told.items()} == {"a": 5.0, "b": 1.0, "c": 2.0}
        assert told["a"].kind == "cancelled" and told["b"].kind is None
        assert "A" not in arena.body("j")["messages"][-1]["content"].partition("<answer")[2].replace("answer", "")

    virtually(go())


def test_one_answer_is_given_as_it_is() -> None:
    async def go() -> None:
        arena = Arena(contest(Panel(J), A, B), {"a": BAD, "b": says("B"), "j": says("J")})
        answer = await arena.send()
        assert isinstance(answer, Answer) and answer.body == whole("B")
        assert arena.asides == []
        streamed = await text_of(await arena.send(arena.job(stream=True)))
        assert b'"content":"B"' in streamed and streamed.endswith(b"data: [DONE]\n\n")

    virtually(go())


def test_no_answer_is_the_failure_of_the_last() -> None:
    async def go() -> None:
        arena = Arena(contest(Panel(J), A, B), {"a": BAD, "b": BAD, "j": says("J")})
        outcome = await arena.send()
        assert isinstance(outcome, Failure) and outcome.kind is Kind.INVALID_REQUEST

    virtually(go())


def test_a_judge_that_fails_is_the_failure_of_the_panel() -> None:
    async def go() -> None:
        node = priority(contest(Panel(J), A, B), C)
        arena = Arena(node, {"a": says("A"), "b": says("B"), "j": Slow(b"", status=529), "c": says("C")})
        assert named(await arena.send()) == "c"
        assert sorted(arena.asides) == [("voice", "a"), ("voice", "b")]

    virtually(go())


# pipeline


def test_a_pipeline_hands_on() -> None:
    async def go() -> None:
        plays: dict[str, Slow | Failure] = {
            "a": says("draft", 1.0),
            "b": says("better"),
            "c": stream(chunk("best"), END),
        }
        arena = Arena(contest(Pipeline(), A, B, C), plays)
        answer = await arena.send(arena.job(stream=True, stream_options={"include_usage": True}))
        text = await text_of(answer)
        assert b'"best"' in text and b'"prompt_tokens":30' in text
        assert arena.order == [(0, "a"), (1.0, "b"), (1.0, "c")]
        assert [each["role"] for each in arena.body("a")["messages"]] == ["user"]
        last = arena.body("c")["messages"]
        assert [each["role"] for each in last] == ["user", "assistant", "user"]
        assert last[1]["content"] == "better" and last[2]["content"] == words.NEXT
        assert arena.asides == [("stage", "a"), ("stage", "b")]

    virtually(go())


def test_a_stage_that_calls_a_tool_answers() -> None:
    async def go() -> None:
        call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        arena = Arena(contest(Pipeline(), A, B), {"a": Slow(whole("", tool_calls=[call])), "b": says("B")})
        answer = await arena.send()
        assert isinstance(answer, Answer) and b'"look"' in answer.body
        assert [name for _, name in arena.order] == ["a"] and arena.asides == []

    virtually(go())


def test_a_stage_that_fails_is_the_failure_of_the_whole() -> None:
    async def go() -> None:
        arena = Arena(contest(Pipeline(), A, B), {"a": Slow(b"", status=529), "b": says("B")})
        outcome = await arena.send()
        assert isinstance(outcome, Failure) and outcome.kind is Kind.OVERLOADED
        silent = Arena(contest(Pipeline(), A, B), {"a": says(""), "b": says("B")})
        outcome = await silent.send()
        assert isinstance(outcome, Failure) and outcome.kind is Kind.BAD_RESPONSE

    virtually(go())


def test_a_resting_credential_is_asked_for_a_stage_and_never_for_the_whole() -> None:
    async def go() -> None:
        arena = Arena(contest(Pipeline(), A, B), {"a": says("draft"), "b": says("final")})
        arena.runtime.lanes["a"][0].whole.open_for(0.0, float("inf"), "auth")
        answer = await arena.send()
        assert named(answer) == "b"
        assert [name for _, name in arena.order] == ["a", "b"]

    virtually(go())


# together


@pytest.mark.parametrize("plan", [Race(0.5), Panel(J), Pipeline()], ids=lambda plan: type(plan).__name__)
def test_contests_stand_inside_one_another(plan: Plan) -> None:
    async def go() -> None:
        inner = contest(plan, A, B, name="inner")
        plays: dict[str, Slow | Failure] = {name: says(name.upper(), 0.1) for name in "abcj"}
        arena = Arena(contest(Race(5.0), priority(inner, name="p"), C), plays)
        assert named(await arena.send()) in "abj"
        arena = Arena(contest(Panel(J), inner, C), plays)
        answer = await arena.send()
        assert isinstance(answer, Answer)
        assert json.loads(answer.body)["choices"][0]["message"]["content"] == "J"

    virtually(go())


def test_the_whole_time_binds_a_contest() -> None:
    async def go() -> None:
        arena = Arena(contest(Pipeline(), A, B), {"a": says("A", 3.0), "b": says("B", 3.0)})
        seen: list[Any] = []
        send = arena.tools.send

        async def timed(request: Any) -> Any:
            seen.append(request.timeouts.total)
            return await send(request)

        arena.tools = type(arena.tools)(
            **{**{f: getattr(arena.tools, f) for f in arena.tools.__struct_fields__}, "send": timed}
        )
        await arena.send(budget=10.0)
        assert seen == [pytest.approx(10.0), pytest.approx(7.0)]

    virtually(go())
