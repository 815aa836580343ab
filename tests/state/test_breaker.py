"""The breaker by itself, on a virtual clock."""

from __future__ import annotations

import gc
import math

from gateway.state.breaker import UNTIL_RELOAD, Banning, Breaker, Settings
from gateway.state.pool import Identity, StatePool

SETTINGS = Settings(failures=3, window=10.0, low=5.0, high=15.0)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        assert breaker.enter(now)
        breaker.failure(now, "timeout", SETTINGS)
    return breaker


def test_it_opens_at_the_threshold_within_the_window() -> None:
    breaker = Breaker()
    assert breaker.failure(0.0, "timeout", SETTINGS) is None
    assert breaker.failure(1.0, "timeout", SETTINGS) is None
    assert breaker.failure(10.5, "timeout", SETTINGS) is None, "the first is outside the window by now"
    assert breaker.failure(10.6, "timeout", SETTINGS) == 5.0
    assert breaker.snapshot(10.6).state == "open"
    assert breaker.wait(12.6) == 3.0


def test_a_success_forgets_failures() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failure(0.0, "timeout", SETTINGS)
        breaker.failure(0.0, "timeout", SETTINGS)
        breaker.success()
    assert breaker.wait(0.0) == 0.0


def test_one_probe_and_open_times_that_double_up_to_a_cap() -> None:
    breaker = opened()
    now, waits = 0.0, []
    for _ in range(4):
        waits.append(breaker.wait(now))
        now += breaker.wait(now)
        assert breaker.snapshot(now).state == "half-open"
        assert breaker.enter(now)
        assert not breaker.enter(now), "one probe at a time"
        assert breaker.wait(now) > 0
        breaker.failure(now, "timeout", SETTINGS)
    assert waits == [5.0, 10.0, 15.0, 15.0]
    now += 15.0
    assert breaker.enter(now)
    breaker.leave()
    assert breaker.enter(now), "a probe without a verdict gives its place back"
    breaker.success()
    assert breaker.snapshot(now).state == "closed"
    assert breaker.kind is None


def test_a_hint_opens_at_once_and_never_shortens() -> None:
    breaker = Breaker()
    assert breaker.open_for(0.0, 60.0, "rate_limit") == 60.0
    assert breaker.open_for(1.0, 5.0, "rate_limit") == 59.0
    assert breaker.kind == "rate_limit"


def test_until_a_reload() -> None:
    breaker = Breaker()
    breaker.open_for(0.0, UNTIL_RELOAD, "auth")
    assert breaker.wait(1e12) == math.inf
    assert breaker.snapshot(0.0).opens_in is None
    breaker.reloaded()
    assert breaker.wait(1.0) == 0.0
    assert breaker.enter(1.0)
    assert not breaker.enter(1.0), "a probe, not an open door"
    other = opened()
    other.reloaded()
    assert other.wait(0.0) == 5.0, "only what waits for a reload"
    other.reset()
    assert other.wait(0.0) == 0.0


def test_state_lives_as_long_as_somebody_holds_it() -> None:
    pool = StatePool()
    identity = Identity("p", "c", "m")
    held = pool.breaker(identity)
    assert pool.breaker(identity) is held, "a new Engine finds the same"
    assert [found for found, _ in pool.breakers()] == [identity]
    del held
    gc.collect()
    assert pool.breakers() == []


BAN = Banning(statuses=(429,), kinds=("auth",), failures=3, window=60.0, rest=600.0)


def test_a_ban_counts_failures_in_a_row_and_rests_for_what_it_says() -> None:
    breaker = Breaker()
    assert BAN.names(429, "rate_limit")
    assert BAN.names(None, "auth")
    assert not BAN.names(500, "server_error")
    assert [breaker.tally(at, "rate_limit", BAN) for at in (0.0, 30.0)] == [None, None]
    assert breaker.tally(61.0, "rate_limit", BAN) is None, "the first is outside the window by now"
    assert breaker.tally(62.0, "rate_limit", BAN) == 600.0
    assert breaker.snapshot(62.0).banned
    assert breaker.wait(661.0) == 1.0
    assert breaker.snapshot(662.0).state == "half-open", "bans are timed: a probe ends them"
    assert breaker.enter(662.0)
    breaker.success()
    assert not breaker.snapshot(662.0).banned


def test_a_success_forgives_what_a_ban_counted() -> None:
    breaker = Breaker()
    for _ in range(5):
        assert breaker.tally(0.0, "rate_limit", BAN) is None
        assert breaker.tally(0.0, "rate_limit", BAN) is None
        breaker.success()


def test_a_copy_goes_its_own_way() -> None:
    breaker = opened()
    rule = Banning(statuses=(), kinds=("timeout",), failures=2, window=10.0, rest=60.0)
    breaker.tally(1.0, "timeout", rule)
    before = breaker.snapshot(2.0)
    copy = breaker.copy()
    assert copy.snapshot(2.0) == before
    assert copy.tally(2.0, "timeout", rule) == 60.0  # it knew of the first
    copy.reset()
    assert (copy.open_until, breaker.snapshot(2.0), breaker.turns) == (0.0, before, 1)
