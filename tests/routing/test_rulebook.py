"""What is known of policies is what they would decide: every request twice through a rulebook, and once without."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from gateway.failure import Refused
from gateway.routing.constraints import Caps
from gateway.routing.policies import apply
from gateway.routing.policies.rulebook import KEPT, Rulebook
from gateway.routing.policies.ruling import Ruling
from gateway.routing.sending import Job
from tests.routing.test_policies import engine, job

MONDAY = 1_800_000_000.0 // 604800 * 604800 + 4 * 86400.0  # 1970 began on a Thursday

SAME_EACH_TIME = {
    "tags": "{name: a, when: {tags: [batch]}, do: {tag: [twice]}}, {name: b, when: {tags: [twice]}, do: {tag: [third]}}",
    "requires": "{name: a, when: {stream: true}, require: {providers: [sandbox, eu]}}, {name: b, require: {providers: ['*']}}",
    "hours": "{name: a, when: {hours: {days: [mon], from: '08:00', until: '10:00'}}, do: {tag: [early], no_cache: true}}",
    "address": "{name: a, when: {not: {client_ip: [10.0.0.0/8]}}, do: {deny: {message: 'No.'}}}",
    "streams": "{name: a, when: {stream: true}, do: {route: slow}}, {name: b, when: {protocol: anthropic}, do: {tag: [x]}}",
    "caps": "{name: a, when: {any: [{model: slow}, {client_ip: [10.0.0.1/32]}]}, do: {cap: {attempts: 1}, tag: [c]}}",
    "mirrors": "{name: a, do: {mirror: {to: slow, sample: 50%}}}",
}
EACH_ANEW = {
    "body": "{name: a, when: {max_tokens: {at_least: 10}}, do: {tag: [long]}}",
    "header": "{name: a, when: {headers: {x-a: '1'}}, do: {tag: [headed]}}",
    "edits": "{name: a, do: {set: {temperature: {always: 0}}}}",
}


def jobs() -> list[Job]:
    every = itertools.product(
        ("openai-chat", "anthropic"),
        ("10.0.0.1", "192.0.2.1"),
        (8.5, 11.0, 24.0 + 8.5),
        (False, True),
        ((), ("batch",)),
    )
    return [
        job(
            wire,
            more={"stream": stream, "max_tokens": 5 + 10 * stream},
            client_ip=address,
            wall=MONDAY + hour * 3600,
            tags=tags,
            headers={"x-a": "1"} if stream else {},
        )
        for wire, address, hour, stream, tags in every
    ]


def told(ruling: Ruling | None, at: Job) -> Any:
    if ruling is None:
        return None
    by = ruling.edited or at
    facts = by.facts
    return (
        facts.tags, tuple(facts.policies), by.constraints, by.caps, by.edited, ruling.applied, ruling.mirrors,
        ruling.route, ruling.no_cache,
    )  # fmt: skip


def in_bounds(caps: Caps | None, at: Job) -> Job:
    at.caps = caps
    return at


def outcome(decide: Any, at: Job) -> Any:
    try:
        return told(decide(at), at)
    except Refused as refused:
        return refused.refusal


@pytest.mark.parametrize("word", [*SAME_EACH_TIME, *EACH_ANEW])
def test_what_is_known_is_what_would_be_decided(tmp_path: Path, word: str) -> None:
    policies = (SAME_EACH_TIME | EACH_ANEW)[word]
    rules = engine(tmp_path, f"policies: [{policies}]").rules["anna"]
    book = Rulebook(rules.policies)
    anew = [outcome(lambda at: apply(rules.policies, at), at) for at in jobs()]
    assert len({repr(each) for each in anew}) > 1 or word in ("mirrors", "edits")
    for _ in range(2):
        assert [outcome(book.apply, at) for at in jobs()] == anew
    assert bool(book._known) == (word in SAME_EACH_TIME)


@pytest.mark.parametrize("word", [*SAME_EACH_TIME, *EACH_ANEW])
def test_the_bounds_of_everybody_hold_whatever_policies_say(tmp_path: Path, word: str) -> None:
    policies = (SAME_EACH_TIME | EACH_ANEW)[word]
    rules = engine(tmp_path, f"policies: [{policies}]\ndefaults: {{cap: {{attempts: 3}}}}").rules["anna"]
    assert rules.caps == Caps(attempts=3)
    anew = [outcome(lambda at: apply(rules.policies, in_bounds(rules.caps, at)), at) for at in jobs()]
    for _ in range(2):
        assert [outcome(rules.book.apply, at) for at in jobs()] == anew
    for at in jobs() * 2:  # also where none of them holds
        if outcome(rules.book.apply, at) is None:
            assert at.caps == rules.caps


@pytest.mark.parametrize(
    ("rules", "marking"),
    [
        ("policies: [{name: a, do: {tag: [x], no_cache: true, cap: {attempts: 1}, mirror: {to: slow}}}]", True),
        ("policies: [{name: a, when: {stream: true}, do: {deny: {message: 'No.'}}}]", True),
        ("policies: [{name: a, require: {providers: [sandbox, eu]}}]", True),
        ("defaults: {cap: {attempts: 3}}", True),
        ("policies: [{name: a, do: {tag: [x]}}, {name: b, do: {route: slow}}]", False),
        ("policies: [{name: a, do: {set: {temperature: {always: 0}}}}]", False),
        ("policies: [{name: a, do: {tag: [x]}}]\nguardrails: {g: {on: [request], pattern: hi, do: reject}}", False),
        ("guardrails: {g: {on: [response], pattern: hi, do: reject}}", False),
    ],
)
def test_a_request_that_is_only_marked_is_known_by_its_rules(tmp_path: Path, rules: str, marking: bool) -> None:
    assert engine(tmp_path, rules).rules["anna"].marking is marking


def test_outcomes_are_bounded(tmp_path: Path) -> None:
    rules = engine(tmp_path, f"policies: [{SAME_EACH_TIME['address']}]").rules["anna"]
    book = Rulebook(rules.policies)
    for number in range(KEPT + 10):
        book.apply(job(client_ip=f"10.0.{number // 256}.{number % 256}"))
    assert 0 < len(book._known) <= KEPT
    assert book.apply(job(client_ip="10.0.0.1")) is None
