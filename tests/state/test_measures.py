"""What is measured and counted of targets, on a clock of the test's own."""

from __future__ import annotations

from math import exp

import pytest

from gateway.protocols.quotas import share_left
from gateway.state.latency import LEAST, STALE, TAU, Latency
from gateway.state.pool import StatePool
from gateway.state.quota import FRESH, Quota
from gateway.state.tally import Tally


def test_a_slower_answer_counts_at_once_and_faster_ones_by_the_time_that_passed() -> None:
    latency = Latency()
    assert latency.expected(True, 0.0) is None
    latency.measured(1.0, True, 0.0)
    latency.measured(5.0, True, 1.0)
    assert latency.expected(True, 1.0) == 5.0
    latency.measured(1.0, True, 1.0 + TAU)
    assert latency.expected(True, 1.0 + TAU) == pytest.approx(1.0 + 4.0 * exp(-1))
    assert latency.expected(False, 1.0) is None, "whole answers are another matter"


def test_what_was_measured_long_ago_is_nothing_known() -> None:
    latency = Latency()
    latency.measured(9.0, False, 0.0)
    latency.measured(9.0, False, 0.0)
    assert latency.expected(False, STALE) == 9.0
    assert latency.expected(False, STALE + 1) is None
    assert latency.spread(False, STALE + 1) is None
    latency.measured(1.0, False, STALE + 1)
    assert latency.expected(False, STALE + 1) == 1.0


def test_spread_is_none_then_nothing_then_more() -> None:
    latency = Latency()
    latency.measured(1.0, False, 0.0)
    assert latency.spread(False, 0.0) is None
    latency.measured(1.0, False, 0.0)
    assert latency.spread(False, 0.0) == 0.0
    for _ in range(20):
        latency.measured(1.0, False, 0.0)
        latency.measured(3.0, False, 0.0)
    assert latency.spread(False, 0.0) == pytest.approx(0.5, abs=0.1)


def test_a_share_is_said_of_enough_measurements() -> None:
    latency = Latency()
    for at in range(LEAST - 1):
        latency.measured(float(at), False, 0.0)
    assert latency.p95(False) is None
    latency.measured(100.0, False, 0.0)
    assert latency.p95(False) == 100.0
    assert latency.p95(True) is None


def test_a_tally_slides() -> None:
    tally = Tally(60.0)
    for second in range(30):
        tally.add(1000.0 + second)
    assert tally.count(1029.0) == 30
    assert tally.count(1060.0) == 29, "slice by slice"
    assert tally.count(1075.0) == 14
    assert tally.count(1100.0) == 0
    tally.add(5000.0)
    assert tally.count(5000.0) == 1


def test_a_quota_is_good_for_a_minute() -> None:
    quota = Quota()
    assert quota.left(0.0) is None
    quota.note(0.5, 0.0)
    quota.note(None, 1.0)
    assert quota.left(FRESH) == 0.5
    assert quota.left(FRESH + 1) is None


@pytest.mark.parametrize(
    ("headers", "share"),
    [
        ({}, None),
        ({"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "25"}, 0.25),
        ({"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "25", "x-ratelimit-limit-tokens": "8", "x-ratelimit-remaining-tokens": "1"}, 0.125),
        ({"anthropic-ratelimit-tokens-limit": "50", "anthropic-ratelimit-tokens-remaining": "10"}, 0.2),
        ({"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"}, None),
        ({"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "-1"}, None),
    ],
)  # fmt: skip
def test_what_is_left_is_read_off_headers(headers: dict[str, str], share: float | None) -> None:
    assert share_left(headers.items()) == share


def test_a_reload_finds_what_was_measured() -> None:
    pool = StatePool()
    latency, tally, bindings = pool.latency("p/m"), pool.tally("p/m", 60.0), pool.bindings("combo")
    assert pool.latency("p/m") is latency
    assert pool.tally("p/m", 60.0) is tally
    assert pool.tally("p/m", 30.0) is not tally
    assert pool.bindings("combo") is bindings
