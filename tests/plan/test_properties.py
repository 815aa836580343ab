"""A plan says "no change" exactly where nothing is another: held against walks over both Engines, by seed."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest

from gateway.config.load import load
from gateway.engine.dry import Dry, Walked
from gateway.engine.known import KNOWN
from gateway.engine.planning.picture import Side
from gateway.engine.planning.plan import plan
from gateway.engine.planning.text import render
from tests.plan.desk import PATH, side
from tests.plan.generating import Plain, configuration, mutated, request, written

PAIRS = 60
REQUESTS = 1000
FEW = 40


def good(text: Plain) -> bool:
    data = msgspec.json.encode(text)
    loaded = load([PATH], known=KNOWN, environ={}, texts={PATH: data}, stand_ins=True, sealed=True)
    return not loaded.diagnostics.has_errors


@cache
def pair(seed: int) -> tuple[Side, Side]:
    """A configuration and a mutation of it; the first of a seed that have no errors."""
    chance = Random(seed)
    while True:
        old = configuration(chance)
        new = mutated(old, chance)
        if good(old) and good(new):
            return side(msgspec.json.encode(old).decode()), side(msgspec.json.encode(new).decode())


def told(walked: Walked) -> Any:
    """Where a request went, down to the address, and what its client saw."""
    where = [
        (step.did, str(step.kind), at.provider, at.upstream, str(at.origin), at.path, step.credential, step.seconds)
        for step in walked.steps
        if (at := step.at) is not None
    ]
    return walked.status, where


@cache
def parted(seed: int, count: int) -> int:
    """How many of `count` requests go elsewhere in the second of a pair."""
    old, new = pair(seed)
    chance = Random(seed)
    found = 0
    engines = (old.engine, new.engine)
    with Dry() as dry:
        for number in range(count):
            received, callers, given = request(chance, engines)
            ways = [
                told(dry.walk(engine, caller, received, given, seed=number))
                for engine, caller in zip(engines, callers, strict=True)
            ]
            found += ways[0] != ways[1]
    return found


@pytest.mark.parametrize("seed", range(PAIRS))
def test_no_change_is_never_said_where_a_request_goes_elsewhere(seed: int) -> None:
    old, new = pair(seed)
    found = plan(old, new)
    if found.empty:
        assert parted(seed, REQUESTS) == 0
    elif parted(seed, FEW):
        assert found.changes, "what only follows from the file's differences does not come without one"


def test_the_pairs_differ_in_what_requests_meet() -> None:
    """Of the pairs above many route requests differently, and some none: neither branch stands empty."""
    pairs = [pair(seed) for seed in range(PAIRS)]
    empty = [plan(old, new).empty for old, new in pairs]
    assert sum(empty) >= 3
    assert sum(parted(seed, FEW) > 0 for seed in range(PAIRS)) >= 20


@pytest.mark.parametrize("seed", range(60))
def test_no_change_is_said_of_the_same_in_other_words(seed: int) -> None:
    chance = Random(seed)
    text = configuration(chance)
    while not good(text):
        text = configuration(chance)
    old, new = side(written(text, chance)), side(written(text, chance))
    found = plan(old, new)
    assert found.empty, render(found)


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_there_and_one_back_speak_of_the_same(seed: int) -> None:
    """What is added one way is removed the other way, and no plan is empty one way only."""
    old, new = pair(seed)
    there, back = plan(old, new), plan(new, old)
    assert there.empty == back.empty
    assert there.count("add") == back.count("remove")
    assert there.count("change") == back.count("change")
