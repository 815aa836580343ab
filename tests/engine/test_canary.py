"""The judgment on a revision that serves some sessions, and which sessions those are."""

from __future__ import annotations

import random

import pytest

from gateway.config.model_rules import AbortIf
from gateway.engine.canary import Seen, Watch, falls_to, judge, together
from gateway.events import Finished

RULES = AbortIf()


def ended(revision: str = "new", status: int = 200, kind: str | None = None, seconds: float = 1.0) -> Finished:
    return Finished(
        request_id="r", operation="chat", route="m", provider=None, model=None, key=None, revision=revision,
        status=status, kind=kind, stream=False, attempts=1, seconds=seconds, first_content=None, usage=None,
    )  # fmt: skip


def seen(requests: int, failed: int = 0, seconds: float = 1.0) -> Seen:
    watch = Watch()
    for index in range(requests):
        bad = index < failed
        watch(ended(status=502 if bad else 200, kind="server_error" if bad else None, seconds=seconds))
    return watch.seen().get("new", Seen())


def test_sessions_fall_by_a_hash_of_theirs_and_the_revision() -> None:
    sessions = [f"key\0{index}" for index in range(20_000)]
    chosen = [session for session in sessions if falls_to("a" * 64, 0.05, session)]
    assert len(chosen) == pytest.approx(1000, abs=120)
    assert all(falls_to("a" * 64, 0.2, session) for session in chosen), "a larger share holds the smaller"
    other = [session for session in sessions if falls_to("b" * 64, 0.05, session)]
    assert len(set(chosen) & set(other)) < 100, "not the same sessions are tried on every time"
    assert not falls_to("a" * 64, 1.0, "")
    assert falls_to("a" * 64, 1.0, "\ud800"), "whatever a client calls its session"


@pytest.mark.parametrize(
    ("status", "kind", "judged"),
    [
        (200, None, False),
        (502, "server_error", True),
        (504, "timeout", True),
        (429, "rate_limit", True),
        (400, "context_window", True),
        (200, "interrupted", True),
        (500, "internal_error", True),
        (503, "store_unavailable", True),
        (400, "invalid_request", False),
        (400, "content_filter", False),
        (402, "budget", False),
        (499, "cancelled", False),
        (401, "invalid_api_key", False),
        (404, "model_not_found", False),
        (429, "rate_limit_exceeded", False),
    ],
)
def test_what_judges_a_revision(status: int, kind: str | None, judged: bool) -> None:
    watch = Watch()
    watch(ended(status=status, kind=kind))
    (count,) = watch.seen().values()
    assert count.failed == judged
    assert count.kinds == ({kind: 1} if kind else {})
    assert count.answered == (kind is None)


def test_counts_of_workers_add_up() -> None:
    first, second = seen(10, 2), seen(5, 5)
    whole = together([first, second])
    assert (whole.requests, whole.failed, whole.kinds, whole.answered) == (15, 7, {"server_error": 7}, 8)
    assert together([]) == Seen()


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.02, 0.7, 1.0, 31.0, 3000.0, 1e6])
def test_the_median_is_good_to_a_twentieth(seconds: float) -> None:
    median = seen(101, seconds=seconds).median()
    assert median is not None
    assert median == pytest.approx(min(max(seconds, 0.001), 0.001 * 2**24), rel=0.07)


def test_the_median_is_in_the_middle() -> None:
    watch = Watch()
    for seconds in [0.1] * 40 + [2.0] * 60:
        watch(ended(seconds=seconds))
    assert watch.seen()["new"].median() == pytest.approx(2.0, rel=0.07)
    assert Seen().median() is None


def test_too_few_are_not_judged_before_the_end() -> None:
    assert judge(seen(1000), seen(49, 49), RULES) is None
    assert judge(seen(1000), seen(50, 50), RULES) is not None
    assert judge(seen(1000), seen(3, 3), RULES, last=True) is not None
    assert judge(seen(1000), seen(1, 1), RULES, last=True) is None, "one failure is chance"
    assert judge(Seen(), Seen(), RULES, last=True) is None
    assert judge(Seen(), seen(10, 10), RULES, last=True) is not None, "nobody else to compare with"


def test_both_failing_alike_is_not_its_doing() -> None:
    assert judge(seen(1000, 300), seen(100, 31), RULES) is None
    assert judge(seen(1000, 300), seen(100, 60), RULES) is not None
    assert judge(seen(100, 100), seen(100, 100), RULES) is None


def test_it_says_what_it_saw() -> None:
    assert judge(seen(950, 4), seen(50, 9), RULES) == (
        "9 of its 50 requests failed (18%; server_error 9), of the old revision's 4 of 950 (0.421%); `error_rate` "
        "allows 2% more"
    )
    slow = AbortIf.model_validate({"slower": "50%"})
    assert judge(seen(950), seen(50, seconds=2.0), slow) == (
        "half of its answers began after 2.0s, of the old revision's after 981ms; `slower` allows 50% more"
    )
    assert judge(seen(950), seen(50, seconds=1.3), slow) is None
    assert judge(seen(950), seen(50, seconds=9.0), RULES) is None, "nobody said how slow it may be"
    assert judge(seen(20), seen(50, seconds=9.0), slow) is None, "too few to compare with"
    zero = AbortIf.model_validate({"error_rate": "0%"})
    assert judge(seen(950), seen(50, 1), zero) is not None, "not one more"


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.2])
def test_chance_takes_no_good_revision_back(rate: float) -> None:
    """200 trials of a revision as good as the old one, looked at after every request: next to none is aborted."""
    draw = random.Random(7)
    aborted = 0
    for _ in range(200):
        old, new = seen(2000, round(2000 * rate)), Seen()
        for _ in range(400):
            bad = draw.random() < rate
            new = Seen(new.requests + 1, new.failed + bad, {}, new.times)
            if judge(old, new, RULES) is not None:
                aborted += 1
                break
    assert aborted <= 1


@pytest.mark.parametrize(("rate", "most"), [(1.0, 50), (0.5, 50), (0.2, 150), (0.1, 400)])
def test_a_bad_revision_is_found_soon(rate: float, most: int) -> None:
    """The old one fails at 1%: of 100 worse ones 95 are taken back within `most` requests."""
    draw = random.Random(7)
    found = 0
    for _ in range(100):
        old, new = seen(2000, 20), Seen()
        while new.requests < most:
            new = Seen(new.requests + 1, new.failed + (draw.random() < rate), {}, new.times)
            if judge(old, new, RULES) is not None:
                found += 1
                break
    assert found >= 95
