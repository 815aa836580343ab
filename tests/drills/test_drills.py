"""Failover drills on the compiled engine: what each illness costs, what the client sees, when traffic is back.

The numbers are those of docs/failover.md: change both. The file is `stage.FILE`: two accounts at the first provider, a
second provider behind it, a request a second. A well answer takes 0.3 s.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gateway.failure import Failure, Kind
from tests.drills.stage import CONTENT, END, FILE, Plan, Stage, drill, error

NEVER = 1e9


def refused(_secret: str) -> Failure:
    return Failure(kind=Kind.CONNECTION, message="refused", sent=False)


def silent(_secret: str) -> Plan:
    return Plan(before=NEVER)


async def test_one_credential_is_dead(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    ill = lambda secret: error(401, "invalid_api_key") if secret.endswith("one") else Plan()  # noqa: E731
    found = await drill(stage, "first", ill)
    assert (len(found.failed), found.attempts, found.slowest) == (0, 2, 0.4)
    assert found.wasted("one") == 1 and found.wasted("three") == 0
    assert found.back("two") == 0.0
    assert all(told.path == ["two"] for told in found.after)  # nobody tells the gateway that it was mended
    assert stage.compile(FILE + "# mended\n") == []
    assert [told.path for told in await stage.until(stage.now + 2.0)] in ([["one"], ["two"]], [["two"], ["one"]])


async def test_a_provider_is_down(tmp_path: Path) -> None:
    found = await drill(Stage(tmp_path), "first", refused)
    assert (len(found.failed), found.attempts, found.slowest) == (0, 3, 0.7)
    assert found.wasted("one", "two") == 12
    assert (found.back("one"), found.back("two")) == (21.0, 23.0)


async def test_a_black_hole(tmp_path: Path) -> None:
    stage = Stage(tmp_path, FILE.replace("window: 30s", "window: 2m"))
    found = await drill(stage, "first", silent, seconds=120.0)
    assert (len(found.failed), found.attempts, found.slowest) == (0, 2, 10.3)
    assert found.wasted("one", "two") == 11  # first_token each
    assert max(found.back("one"), found.back("two")) == 41.0


async def test_a_black_hole_whose_failures_are_longer_than_the_window_never_opens_a_breaker(tmp_path: Path) -> None:
    """Three times ten seconds by turns are more than 30: docs/failover.md says how to choose the window."""
    found = await drill(Stage(tmp_path), "first", silent)
    assert all(round(told.seconds, 1) == 10.3 for told in found.ill)


async def test_a_stream_that_drips_and_stops(tmp_path: Path) -> None:
    ill = lambda _secret: Plan(pieces=[(0.1, CONTENT), (NEVER, END)])  # noqa: E731
    found = await drill(Stage(tmp_path), "first", ill)
    assert found.attempts == 1 and found.slowest == 5.2  # idle, after the beginning
    assert Counter((told.status, told.code) for told in found.failed) == {(200, "interrupted"): 10}
    assert (found.back("one"), found.back("two")) == (12.0, 17.0)


async def test_a_storm_of_429_with_hints(tmp_path: Path) -> None:
    ill = lambda _secret: error(429, "rate_limit_exceeded", retry_after="20")  # noqa: E731
    found = await drill(Stage(tmp_path), "first", ill)
    assert (len(found.failed), found.attempts, found.slowest) == (0, 3, 0.5)
    assert found.wasted("one", "two") == 6  # each account once in 20 s
    assert (found.back("one"), found.back("two")) == (4.0, 3.0)


async def test_an_exhausted_quota(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    found = await drill(stage, "first", lambda _secret: error(429, "insufficient_quota"))
    assert (len(found.failed), found.attempts, found.slowest) == (0, 3, 0.5)
    assert found.wasted("one", "two") == 2
    assert all(told.path == ["three"] for told in found.after)
    stage.now = 10.0 + 3600.0 - 1.0
    assert [told.path[-1] for told in await stage.until(stage.now + 4.0)] == ["three", "three", "one", "two"]


async def test_a_malformed_stream(tmp_path: Path) -> None:
    found = await drill(Stage(tmp_path), "first", lambda _secret: Plan(pieces=[(0.1, b"data: {nonsense\n\n")]))
    assert (len(found.failed), found.attempts, found.slowest) == (0, 3, 0.9)
    assert found.wasted("one", "two") == 12
    assert (found.back("one"), found.back("two")) == (21.0, 23.0)


EU = FILE + "policies: [{name: EU only, require: {tags: [eu]}}]\n"


async def test_the_only_provider_of_a_region_is_down(tmp_path: Path) -> None:
    stage = Stage(tmp_path, EU)
    found = await drill(stage, "first", refused)
    assert {host for _, host in stage.sends} == {"first"}  # never the other region
    assert (found.attempts, found.slowest, len(found.failed)) == (2, 0.4, 81)
    assert {(told.status, told.code) for told in found.failed} == {
        (502, "upstream_connection"), (503, "upstream_overloaded"),
    }  # fmt: skip
    assert all(told.retry_after is not None for told in found.failed if told.status == 503)
    assert (found.back("one"), found.back("two")) == (21.0, 23.0)


async def test_a_file_that_loses_the_tag_of_a_region_is_refused_and_the_last_one_serves(tmp_path: Path) -> None:
    stage = Stage(tmp_path, EU)
    assert stage.compile(EU.replace("    tags: [eu]\n", "")) == ["require-unsatisfiable"]
    assert (await stage.ask()).by == "a"


async def test_everything_is_down(tmp_path: Path) -> None:
    found = await drill(Stage(tmp_path), "*", lambda _secret: error(503))
    assert (found.attempts, found.slowest) == (6, 1.5)
    assert {(told.status, told.code) for told in found.failed} == {(503, "upstream_error")}
    assert all(told.retry_after is not None for told in found.failed if not told.path)  # it says when
    assert found.wasted("one", "two", "three") < 40
    assert (found.back("one"), found.back("two")) == (19.0, 21.0)


async def test_everything_limits_the_rate(tmp_path: Path) -> None:
    found = await drill(Stage(tmp_path), "*", lambda _secret: error(429, "rate_limit_exceeded", retry_after="20"))
    assert (found.attempts, found.slowest) == (3, 0.3)
    assert {told.status for told in found.failed} == {429}
    assert all(told.retry_after is not None and told.retry_after <= 20.0 for told in found.failed)
    assert (found.back("one"), found.back("two")) == (4.0, 3.0)
