"""What each kind of failure permits: the table of the data plane, row by row, on a virtual clock."""

from __future__ import annotations

import pytest

from gateway.events import Attempted, Tripped
from gateway.failure import RULES, Failure, Kind
from gateway.routing.attempt import Answer
from gateway.routing.node import Branch, Chain, Fallback, Node, Split
from gateway.routing.outcome import refusal_of
from tests.routing.bench import OK, Bench, Reply, down, error, target

STREAM = {"content_type": "text/event-stream"}
CHUNK = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def combo(*nodes: Node) -> Split:
    return Split("combo", "priority", tuple(Branch(node) for node in nodes))


def two() -> Bench:
    return Bench(combo(target("a"), target("b")))


def answered(outcome: Answer | Failure) -> str:
    assert isinstance(outcome, Answer), outcome
    return outcome.target.name


def failed(outcome: Answer | Failure) -> Failure:
    assert isinstance(outcome, Failure), outcome.target
    return outcome


# What `a` answers → the sends that follow before `b` answers, and the pauses between them.
GOES_ON = {
    "refused": (down(), ["a", "a", "b"]),
    "timeout": (Failure(kind=Kind.TIMEOUT, message="first token"), ["a", "b"]),
    "408": (error(408), ["a", "a", "a", "b"]),
    "500": (error(500), ["a", "a", "a", "b"]),
    "502": (error(502), ["a", "a", "a", "b"]),
    "503": (error(503), ["a", "a", "a", "b"]),
    "504": (error(504), ["a", "a", "a", "b"]),
    "522": (error(522), ["a", "a", "a", "b"]),
    "529": (error(529), ["a", "b"]),
    "503 overloaded": (error(503, "server_is_overloaded"), ["a", "b"]),
    "429 without a hint": (error(429), ["a", "b"]),
    "429 with a short hint": (error(429, retry_after="1"), ["a", "a", "b"]),
    "429 with a long hint": (error(429, retry_after="30"), ["a", "b"]),
    "quota as 429": (error(429, "insufficient_quota"), ["a", "b"]),
    "402": (error(402), ["a", "b"]),
    "401": (error(401), ["a", "b"]),
    "403": (error(403), ["a", "b"]),
    "404": (error(404), ["a", "b"]),
    "unsupported parameter": (error(400, "unsupported_parameter"), ["a", "b"]),
    "garbage": (Reply(200, b"<html>oops"), ["a", "a", "b"]),
    "an error in a 200": (Reply(200, b'{"error":{"message":"x","type":"server_error"}}'), ["a", "a", "a", "b"]),
    "an empty 200": (Reply(200, b""), ["a", "a", "b"]),
}


@pytest.mark.parametrize("name", GOES_ON)
async def test_another_target_answers(name: str) -> None:
    script, path = GOES_ON[name]
    bench = two()
    bench.scripts["a"] = [script]
    assert answered(await bench.ask()) == "b"
    assert bench.path == path
    assert len(bench.slept) == path.count("a") - 1, "one pause before each retry"


ENDS = {
    "a bad request": (error(400), 400, "invalid_request"),
    "422": (error(422), 422, "invalid_request"),
    "409": (error(409), 409, "invalid_request"),
    "content filter": (error(400, "content_filter"), 400, "content_filter"),
    "too long, and no window is known to be larger": (
        error(400, "context_length_exceeded"),
        400,
        "context_length_exceeded",
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_what_the_client_must_mend_ends_the_chain(name: str) -> None:
    script, status, code = ENDS[name]
    bench = two()
    bench.scripts["a"] = [script]
    failure = failed(await bench.ask())
    assert bench.path == ["a"]
    refusal = refusal_of(failure, bench.course.trials)
    assert (refusal.status, refusal.code) == (status, code)
    assert refusal.message == "upstream words", "the provider's reason is kept"
    assert refusal.should_retry is False


TOLD = {
    "connection": (down(), 502, "upstream_connection", None),
    "timeout": (Failure(kind=Kind.TIMEOUT, message="x"), 504, "upstream_timeout", None),
    "500": (error(500), 502, "upstream_error", None),
    "503": (error(503), 503, "upstream_error", None),
    "529": (error(529, retry_after="9"), 503, "upstream_overloaded", None),
    "429": (error(429, retry_after="9"), 429, "rate_limit_exceeded", None),
    "quota": (error(429, "insufficient_quota"), 503, "upstream_quota", False),
    "402": (error(402), 503, "upstream_quota", False),
    "401": (error(401), 502, "upstream_auth", False),
    "404": (error(404), 502, "upstream_model_not_found", False),
    "garbage": (Reply(200, b"nonsense"), 502, "upstream_bad_response", None),
}


@pytest.mark.parametrize("name", TOLD)
async def test_what_the_client_is_told_when_the_chain_ends(name: str) -> None:
    script, status, code, should_retry = TOLD[name]
    bench = Bench(target("a"))
    bench.scripts["a"] = [script]
    failure = failed(await bench.ask())
    refusal = refusal_of(failure, bench.course.trials)
    assert (refusal.status, refusal.code, refusal.should_retry) == (status, code, should_retry)
    assert "upstream words" not in refusal.message, "a provider's words do not leak through a 5xx or 429"
    if name in ("529", "429"):
        assert refusal.retry_after == pytest.approx(9.0)


async def test_an_answer_that_broke_off_names_no_failed_attempt() -> None:
    bench = Bench(target("a"))
    bench.scripts["a"] = [Reply(200, OK)]
    await bench.ask()
    refusal = refusal_of(Failure(kind=Kind.INTERRUPTED, message="x"), bench.course.trials)
    assert refusal.message == "The provider broke off in the middle of its answer (1 attempt)."


async def test_the_smallest_retry_after_is_told() -> None:
    bench = two()
    bench.scripts = {"a": [error(429, retry_after="30")], "b": [error(429, retry_after="12")]}
    assert failed(await bench.ask()).retry_after == 12.0


async def test_credentials_are_tried_in_turn_for_limits_quota_and_auth() -> None:
    for script in (error(429, retry_after="60"), error(401), error(402)):
        bench = Bench(combo(target("a"), target("b")), credentials=("one", "two"))
        bench.scripts["a"] = [script, Reply()]
        assert answered(await bench.ask()) == "a"
        assert bench.sent == [("a", "one"), ("a", "two")]
    bench = Bench(combo(target("a"), target("b")), credentials=("one", "two"))
    bench.scripts["a"] = [error(529)]
    assert answered(await bench.ask()) == "b", "an overloaded provider is not asked with another key"


async def test_credentials_rotate() -> None:
    bench = Bench(target("a"), credentials=("one", "two", "three"))
    used = []
    for _ in range(6):
        await bench.ask()
        used.append(bench.sent[0][1])
    assert used == ["one", "two", "three"] * 2


async def test_the_breaker_opens_probes_and_closes() -> None:
    bench = Bench(target("a", retries=_no_retries()))
    bench.scripts["a"] = [error(500)]
    for _ in range(3):
        assert failed(await bench.ask()).kind is Kind.SERVER_ERROR
        assert bench.path == ["a"]
    tripped = [event for event in bench.events if isinstance(event, Tripped)]
    assert [(event.model, event.seconds) for event in tripped] == [("a", 5.0)]
    failure = failed(await bench.ask())
    assert bench.path == [], "an open breaker sends nothing"
    assert failure.retry_after == pytest.approx(5.0), "and says when it will be back"
    bench.now += 5.0
    await bench.ask()
    assert bench.path == ["a"], "one probe"
    assert failed(await bench.ask()).retry_after == pytest.approx(10.0), "twice as long"
    bench.now += 10.0
    bench.scripts["a"] = [Reply()]
    assert answered(await bench.ask()) == "a"
    assert answered(await bench.ask()) == "a"


async def test_a_hint_is_kept() -> None:
    bench = two()
    bench.scripts["a"] = [error(429, retry_after="30"), Reply()]
    assert answered(await bench.ask()) == "b"
    bench.now += 29.0
    assert answered(await bench.ask()) == "b"
    assert bench.path == ["b"]
    bench.now += 1.5
    assert answered(await bench.ask()) == "a"


async def test_quota_rests_the_credential_for_an_hour_for_every_model() -> None:
    bench = Bench(combo(target("a", "p"), target("b", "p"), target("c", "q")))
    bench.scripts["a"] = [error(402), Reply()]
    assert answered(await bench.ask()) == "c", "b has the same credential"
    bench.now += 3599.0
    assert answered(await bench.ask()) == "c"
    bench.now += 2.0
    assert answered(await bench.ask()) == "a"


async def test_auth_rests_until_a_reload() -> None:
    bench = two()
    bench.scripts["a"] = [error(401), Reply()]
    assert answered(await bench.ask()) == "b"
    bench.now += 1e9
    assert answered(await bench.ask()) == "b"
    bench.state.reloaded()
    assert answered(await bench.ask()) == "a"


@pytest.mark.parametrize("reply", [error(401), error(403), error(402), error(404)], ids=["401", "403", "402", "404"])
async def test_a_route_is_not_locked_out_by_what_is_mended_elsewhere(reply: Reply) -> None:
    bench = Bench(target("a"))
    bench.scripts["a"] = [reply, reply, Reply(), Reply()]
    for _ in range(2):
        assert isinstance(await bench.ask(), Failure)
        assert bench.path == ["a"], "there is nobody else to ask"
    assert answered(await bench.ask()) == "a"
    assert answered(await bench.ask()) == "a"


async def test_a_clients_mistake_is_no_mark_against_a_provider() -> None:
    bench = Bench(target("a"))
    bench.scripts["a"] = [error(400)]
    for _ in range(20):
        await bench.ask()
        assert bench.path == ["a"]


async def test_context_window_goes_only_to_a_larger_one() -> None:
    nodes = (
        target("small", context=8_000),
        target("same", context=8_000),
        target("unknown"),
        target("big", context=128_000),
    )
    bench = Bench(combo(*nodes))
    bench.scripts["small"] = [error(400, "context_length_exceeded")]
    assert answered(await bench.ask()) == "big"
    assert bench.path == ["small", "big"]


async def test_a_fallback_rule_says_where_a_kind_leads() -> None:
    chain = Chain(
        "fast",
        combo(target("a"), target("b")),
        (
            Fallback(frozenset((Kind.RATE_LIMIT,)), (target("house"),)),
            Fallback(frozenset((Kind.CONTEXT_WINDOW, Kind.INVALID_REQUEST)), (target("long"),)),
        ),
    )
    bench = Bench(chain)
    bench.scripts = {"a": [error(429)], "b": [error(429)]}
    assert answered(await bench.ask()) == "house"
    assert bench.path == ["a", "b", "house"]
    bench = Bench(chain)
    bench.scripts = {"a": [error(400)]}
    assert answered(await bench.ask()) == "long", "a rule may opt in to what does not fall by itself"
    bench = Bench(chain)
    bench.scripts = {"a": [down(Kind.TIMEOUT)], "b": [down(Kind.TIMEOUT)]}
    assert failed(await bench.ask()).kind is Kind.TIMEOUT, "no rule names it"
    bench = Bench(chain)
    bench.scripts = {"a": [error(429)], "b": [error(429)], "house": [error(400, "context_length_exceeded")]}
    assert answered(await bench.ask()) == "long", "the next rule takes over what the first one's target could not"


async def test_a_target_is_tried_once_whatever_paths_lead_to_it() -> None:
    a = target("a")
    chain = Chain("c", combo(a, target("b")), (Fallback(frozenset(Kind), (a, target("c"))),))
    bench = Bench(chain)
    bench.scripts = {"a": [error(529)], "b": [error(529)]}
    assert answered(await bench.ask()) == "c"
    assert bench.path == ["a", "b", "c"]


async def test_bounds_over_the_whole_request() -> None:
    bench = Bench(combo(*(target(f"t{i}") for i in range(40))))
    for i in range(40):
        bench.scripts[f"t{i}"] = [down(Kind.TIMEOUT)]
    await bench.ask()
    assert len(bench.path) == 12
    bench = two()
    bench.scripts = {"a": [lambda request: Reply(500, b"", after=61.0)], "b": [Reply()]}
    assert failed(await bench.ask(budget=60.0)).kind is Kind.TIMEOUT
    assert bench.path == ["a"], "no time is left for another"


async def test_a_retry_waits_with_jitter_between_its_bounds() -> None:
    bench = Bench(target("a"))
    bench.scripts["a"] = [error(500), error(500), Reply()]
    assert answered(await bench.ask()) == "a"
    first, second = bench.slept
    assert 0.1 <= first <= 0.2
    assert 0.2 <= second <= 0.4


# Streams


async def text_of(answer: Answer) -> bytes:
    out = answer.body
    while data := await answer.more():
        out += data
    return out


async def test_a_stream_that_fails_before_content_falls_back_invisibly() -> None:
    role = b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n'
    for pieces in ([role], [role, down()], [role, b'data: {"error":{"message":"x","code":503}}\n\n'], [b"data: {\n\n"]):
        bench = Bench(combo(target("a", retries=_no_retries()), target("b")))
        bench.scripts = {"a": [Reply(200, list(pieces), **STREAM)], "b": [Reply(200, [CHUNK, STOP], **STREAM)]}
        outcome = await bench.ask(stream=True)
        assert answered(outcome) == "b"
        assert isinstance(outcome, Answer)
        assert await text_of(outcome) == CHUNK + STOP


async def test_a_stream_that_breaks_off_after_content_does_not_fall_back() -> None:
    for tail in ([down()], [], [b'data: {"error":{"message":"x"}}\n\n']):
        bench = two()
        bench.scripts["a"] = [Reply(200, [CHUNK, *tail], **STREAM)]
        outcome = await bench.ask(stream=True)
        assert isinstance(outcome, Answer)
        assert outcome.body == CHUNK
        with pytest.raises(Exception, match="interrupted"):
            await outcome.more()
        assert bench.path == ["a"]


async def test_a_stream_answered_whole_is_a_bad_response() -> None:
    bench = two()
    bench.scripts = {"a": [Reply(200, OK)], "b": [Reply(200, [CHUNK, STOP], **STREAM)]}
    assert answered(await bench.ask(stream=True)) == "b"


async def test_first_token_bounds_what_comes_before_content() -> None:
    bench = two()
    pings = [b": ping\n\n"] * 3
    bench.scripts = {
        "a": [lambda request: Reply(200, pings, after=11.0, **STREAM)],
        "b": [Reply(200, [CHUNK, STOP], **STREAM)],
    }
    assert answered(await bench.ask(stream=True)) == "b"
    assert bench.course.trials[0].kind is Kind.TIMEOUT


async def test_load_returns_to_zero() -> None:
    bench = two()
    bench.scripts = {"a": [error(500)], "b": [Reply(200, [CHUNK, STOP], **STREAM)]}
    outcome = await bench.ask(stream=True)
    assert isinstance(outcome, Answer)
    assert bench.runtime.loads["b"].count == 1
    await text_of(outcome)
    assert [load.count for load in bench.runtime.loads.values()] == [0, 0]


async def test_events_tell_every_attempt() -> None:
    bench = two()
    bench.scripts["a"] = [error(529)]
    await bench.ask()
    attempts = [event for event in bench.events if isinstance(event, Attempted)]
    assert [(event.model, event.kind, event.status) for event in attempts] == [
        ("a", "overloaded", 529),
        ("b", None, 200),
    ]


def test_the_table_has_a_row_for_every_kind() -> None:
    assert set(RULES) == set(Kind)


def _no_retries() -> object:
    from gateway.routing.node import Retries

    return Retries(0, 0.2, 5.0)


SEALED = b"""[
  {"role": "user", "content": "hi"},
  {"role": "assistant", "content": "a", "reasoning_details": [
    {"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1"}]},
  {"role": "user", "content": "go on"}]"""


async def test_a_seal_that_cannot_be_read_is_taken_off_once() -> None:
    bench = two()
    bench.scripts["a"] = [error(400, "invalid_encrypted_content"), Reply()]
    assert answered(await bench.ask(messages=SEALED)) == "a"
    assert (bench.path, bench.slept) == (["a", "a"], [])
    bench.scripts["a"] = [error(400, "invalid_encrypted_content")]
    assert failed(await bench.ask(messages=SEALED)).code == "invalid_encrypted_content"
    assert bench.path == ["a", "a"], "and never again"
    assert len(bench.course.trials) == 2


async def test_a_request_without_seals_is_not_sent_again_for_them() -> None:
    bench = two()
    bench.scripts["a"] = [error(400, "invalid_encrypted_content")]
    failed(await bench.ask(messages=b'[{"role":"user","content":"hi"}]'))
    assert bench.path == ["a"]


async def test_each_target_is_asked_with_the_seals_first() -> None:
    bench = Bench(Chain("c", target("a"), (Fallback(frozenset((Kind.INVALID_REQUEST,)), (target("b"),)),)))
    bench.scripts["a"] = [error(400, "invalid_encrypted_content")]
    bench.scripts["b"] = [error(400, "invalid_encrypted_content"), Reply()]
    outcome = await bench.ask(messages=SEALED)
    assert answered(outcome) == "b"
    assert bench.path == ["a", "a", "b", "b"]
    assert isinstance(outcome, Answer)
    assert [each.field for each in outcome.dropped] == ["reasoning.signature"]
