"""Every word of `tests:`: what is given, what befalls, what is expected; each expectation can be met, and can be missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config.load import load
from gateway.config.model_tests import Test
from gateway.engine.known import KNOWN
from gateway.rehearsal.perform import Played, perform
from gateway.rehearsal.stage import Stage

FILE = """
version: 1
gateway: {trusted_proxies: [10.0.0.0/8]}
providers:
  one: {protocol: openai-chat, base_url: "http://one.test/v1", api_keys: {main: {env: A}, spare: {env: B}}}
  two: {protocol: anthropic, base_url: "http://two.test/v1", api_key: {env: C}}
models:
  a: {provider: one, price: {input: 100, output: 200}, context: 128k, max_output: 1k, visibility: public}
  b: {provider: two, price: {input: 1, output: 2}, context: 4k, max_output: 1k}
  c: {deployments: [{provider: one}, {provider: two}], strategy: priority, price: {input: 1, output: 2}, max_output: 1k}
  "any/*": {provider: one, id: "*", price: {input: 1, output: 2}, max_output: 1k}
aliases: {also: a}
combos:
  both: [a, b]
  drawn: {strategy: weighted, targets: [{model: a, weight: 80}, {model: b, weight: 20}]}
  quick: {strategy: fastest, targets: [a, b]}
  idle: {strategy: least_busy, targets: [a, b]}
fallbacks:
  b: [{on: [context_window], to: [a]}]
keys:
  ci: {from: {env: D}, trust: [user], limits: {requests: 3/minute}}
  anna: {from: {env: E}}
budgets:
  all: {limit: 5 USD, per: day}
  own: {limit: 5 USD, per: day, each: key, scope: {model: b}}
policies:
  - name: at night
    when: {hours: {from: "22:00", until: "06:00"}}
    do: {deny: {status: 403, message: "Closed."}}
  - name: cap
    when: {key: anna}
    do: {set: {max_tokens: {at_most: 100}}}
cache: {exact: {ttl: 10m, only_when: {temperature: 0}}}
defaults: {retries: {attempts: 1, backoff: 1s..1s}}
"""


@pytest.fixture(scope="module")
def stage() -> Stage:
    file = Path("words.yaml")
    loaded = load([file], known=KNOWN, environ={}, texts={file: FILE.encode()}, stand_ins=True)
    assert not loaded.diagnostics.has_errors, [each.detail for each in loaded.diagnostics.errors]
    return Stage(loaded)


def play(stage: Stage, said: dict[str, Any]) -> Played:
    return perform(stage, 0, Test.model_validate({"name": "t", **said}))


ANNA: dict[str, Any] = {"key": "anna"}
FALLS = {"a": "overloaded"}

# A test, and what it must meet; and for each word what it must miss, with what was there.
CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, tuple[Any, str]]]] = [
    (
        {"request": {"model": "both", **ANNA}, "faults": FALLS},
        {"path": ["a", "b"], "status": 200, "attempts": 2, "model": "b", "provider": "two", "failure": "none"},
        {
            "path": (["a"], "[a, b]"),
            "status": (503, "200"),
            "attempts": (1, "2"),
            "model": ("a", "b"),
            "provider": ("one", "two"),
            "failure": ("timeout", "none"),
        },
    ),
    (
        {"request": {"model": "also", **ANNA}, "faults": {"a": ["auth"]}},
        {"credentials": ["main", "spare"], "model": "also", "path": ["also"], "body": "You said"},
        {"credentials": (["main"], "[main, spare]"), "body": ("Bonjour", "You said: What is the capital of France?")},
    ),
    (
        {"request": {"model": "both", **ANNA}, "faults": {"*": "rate_limit"}},
        {
            "status": 429,
            "code": "rate_limit_exceeded",
            "failure": "rate_limit",
            "body": {"error.type": "rate_limit_error"},
        },
        {
            "code": ("insufficient_quota", "rate_limit_exceeded or rate_limit_error"),
            "body": ({"error.code": 7}, "rate_limit_exceeded"),
        },
    ),
    (
        {"request": {"model": "both", "tokens": "20k", **ANNA}, "faults": FALLS},
        {"skipped": {"b": "context"}, "path": ["a"]},
        {"skipped": ({"b": "tools"}, "(4,000 tokens) is too small for about 20,004")},
    ),
    (
        {"request": {"model": "a", "max_tokens": 500, **ANNA}},
        {"sent": {"max_tokens": 100, "messages.0.role": "user", "tools": None}, "headers": {"x-gateway-model": "a"}},
        {"sent": ({"max_tokens": 500}, "100"), "headers": ({"x-gateway-model": None}, "a")},
    ),
    (
        {"request": {"model": "b", "body": {"logit_bias": {"5": 1}}, **ANNA}},
        {"lossy": ["logit_bias"]},
        {"lossy": ([], "[logit_bias]")},
    ),
    (
        {"request": {"model": "a", "prompt": "four", "max_tokens": 5, **ANNA}, "faults": {"a": {"tokens": 5}}},
        {"cost": "0.0011 USD", "budget": {"all": "0.0011 USD"}},
        {"cost": ("1 USD", "0.0011 USD"), "budget": ({"all": "1 USD"}, "0.0011 USD")},
    ),
    (
        {"request": {"model": "a", "body": {"temperature": 0}, **ANNA}, "repeat": 1},
        {"cache": "miss"},
        {"cache": (["hit", "joined"], "miss")},
    ),
    (
        {"request": {"model": "a", **ANNA}, "faults": {"a": [{"delay": "3s"}]}},
        {"time": "3s..4s"},
        {"time": ("2s", "3.000s")},
    ),
    (
        {"request": {"model": "drawn", **ANNA}, "repeat": 400, "faults": {"*": {"tokens": 1}}},
        {"shares": {"a": "74%..86%"}},
        {"shares": ({"a": "0%..10%"}, "")},
    ),
    (
        {"request": {"model": "a", **ANNA}, "faults": {"a": "quota"}},
        {"breaker": {"a": "open"}, "code": "upstream_quota"},
        {"breaker": ({"a": "closed"}, "open")},
    ),
    (
        {"request": {"model": "c", "protocol": "gemini", "stream": True, **ANNA}, "faults": {"c@one": "overloaded"}},
        {"path": ["c@one", "c@two"], "model": "c", "body": "You said"},
        {"path": (["c@two"], "[c@one, c@two]")},
    ),
    (
        {"request": {"model": "any/x-1", **ANNA}, "faults": {"any/x-1": {"calls": ["look"]}}},
        {"body": {"choices.0.message.tool_calls.0.function.name": "look", "choices.-1.finish_reason": "tool_calls"}},
        {"body": ({"choices.3": 1}, "nothing")},
    ),
]


@pytest.mark.parametrize(("said", "meets", "misses"), CASES, ids=[",".join(meets) for _, meets, _ in CASES])
def test_expectations(stage: Stage, said: dict[str, Any], meets: Any, misses: Any) -> None:
    met = play(stage, {**said, "expect": meets})
    assert met.missed == ()
    for word, (wanted, actual) in misses.items():
        missed = play(stage, {**said, "expect": {word: wanted}}).missed
        assert missed, word
        assert missed[0].path[:3] == ("tests", 0, "expect")
        assert missed[0].path[3] == word
        assert actual in missed[0].actual, missed[0]


GIVEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"resting": ["a"]}, {"path": ["b"], "skipped": {"a": "cooling down"}}),
    ({"resting": {"a": "10s"}}, {"path": ["b"]}),
    ({"time": "2027-01-04T23:30:00Z"}, {"status": 403, "code": "policy_denied", "body": "Closed.", "path": []}),
    ({"time": "2027-01-04T23:30:00+02:00"}, {"status": 200}),
    (
        {"spent": {"all": "5 USD"}},
        {"status": 402, "attempts": 0, "skipped": {"a": "budget 'all'", "b": "budget 'all'"}},
    ),
    ({"spent": {"own": {"anna": "5 USD"}}, "resting": ["a"]}, {"skipped": {"b": "for key 'anna'"}}),
    ({"spent": {"own": {"ci": "5 USD"}}, "resting": ["a"]}, {"path": ["b"]}),
]


@pytest.mark.parametrize(("given", "expect"), GIVEN)
def test_what_is_given(stage: Stage, given: dict[str, Any], expect: dict[str, Any]) -> None:
    assert play(stage, {"given": given, "request": {"model": "both", **ANNA}, "expect": expect}).missed == ()


def test_what_is_measured_and_what_is_busy(stage: Stage) -> None:
    for target, other in (("a", "b"), ("b", "a")):
        latency = {"latency": {target: "100ms", other: "2s"}}
        busy = {"busy": {target: 0, other: 5}}
        for model, given in (("quick", latency), ("idle", busy)):
            said = {"given": given, "request": {"model": model, **ANNA}, "expect": {"path": [target]}}
            assert play(stage, said).missed == ()


def test_steps_follow_each_other_on_one_clock(stage: Stage) -> None:
    said = {
        "request": {"model": "a", **ANNA},
        "faults": {"a": {"each": ["rate_limit", "rate_limit"]}},
        "steps": [
            {"expect": {"status": 429, "breaker": {"a": "open"}}},
            {"wait": "1s", "expect": {"status": 429, "attempts": 0}},
            {"wait": "1m", "repeat": 2, "expect": {"status": 200, "breaker": {"a": "closed"}}},
            {"faults": {"a": 500}, "expect": {"attempts": 2, "time": "100ms..1s"}},
            {
                "request": {"protocol": "anthropic", "stream": True},
                "faults": {"a": "ok"},
                "expect": {"body": "You said"},
            },
        ],
        "expect": {"model": "a"},
    }
    played = play(stage, said)
    assert played.missed == ()
    assert (played.requests, played.seconds) == (6, pytest.approx(61.5, abs=0.5))


def test_a_step_that_fails_is_the_one_that_is_told(stage: Stage) -> None:
    said = {
        "request": {"model": "a", **ANNA},
        "steps": [{"repeat": 3, "faults": {"a": ["ok", "quota"]}, "expect": {"status": 200, "credentials": ["main"]}}],
    }
    missed = play(stage, said).missed
    assert [(each.path, each.expected, each.actual) for each in missed] == [
        (("tests", 0, "steps", 0, "expect", "credentials"), "[main]", "[spare, main] (request 2 of 3)")
    ]


def test_a_cache_answers_the_second_time(stage: Stage) -> None:
    said = {
        "request": {"model": "a", "body": {"temperature": 0}, **ANNA},
        "steps": [
            {"expect": {"cache": "miss", "attempts": 1}},
            {"expect": {"cache": "hit", "attempts": 0, "path": []}},
            {"wait": "11m", "expect": {"cache": "miss"}},
        ],
    }
    assert play(stage, said).missed == ()


def test_limits_and_keys(stage: Stage) -> None:
    said = {
        "request": {"model": "a", "key": "ci"},
        "steps": [
            {"repeat": 3, "expect": {"status": 200}},
            {"expect": {"status": 429, "attempts": 0}},
            {"wait": "61s", "expect": {"status": 200}},
        ],
    }
    assert play(stage, said).missed == ()
    for request, code in (({}, "invalid_api_key"), ({"headers": {"x-api-key": "wrong"}}, "invalid_api_key")):
        said = {"request": {"model": "a", **request}, "expect": {"status": 401, "code": code, "attempts": 0}}
        assert play(stage, said).missed == ()


def test_nothing_is_left_of_a_test_that_came_before(stage: Stage) -> None:
    expect = {"status": 200, "path": ["a"], "cache": "miss", "budget": {"all": "0.0011 USD"}}
    said = {
        "request": {"model": "both", "prompt": "four", "max_tokens": 5, "body": {"temperature": 0}, **ANNA},
        "faults": {"a": [{"tokens": 5}, "quota", "quota"]},
        "expect": expect,
    }
    for _ in range(2):
        assert play(stage, said).missed == ()
        assert play(stage, {**said, "repeat": 4, "expect": {"status": 200}}).missed == ()


def test_the_same_seed_draws_the_same(stage: Stage) -> None:
    def models(seed: int) -> list[str | None]:
        said = {"given": {"seed": seed}, "request": {"model": "drawn", **ANNA}, "repeat": 30, "expect": {"status": 200}}
        return [each.model for each in play(stage, said).finished if each is not None]

    assert models(3) == models(3)
    assert models(3) != models(4)


def test_an_answer_that_never_comes(stage: Stage) -> None:
    file = Path("never.yaml")
    text = msgspec.json.encode(
        {
            "version": 1,
            "gateway": {"auth": "open"},
            "providers": {"p": {"protocol": "openai-chat", "base_url": "http://p.test/v1", "api_key": "none"}},
            "models": {"m": {"provider": "p", "timeouts": {"total": "7d"}}},
        }
    )
    slow = Stage(load([file], known=KNOWN, environ={}, texts={file: text}))
    missed = play(slow, {"request": {"model": "m"}, "faults": {"m": "timeout"}, "expect": {"status": 200}}).missed
    assert [each.actual for each in missed] == ["no answer within a day"]
