"""Windows of calendars over months, weeks and the days on which clocks change."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.calendars import Calendar, rolling, window_at
from gateway.store.contract import Fixed, Sliding

BERLIN = ZoneInfo("Europe/Berlin")


def window(calendar: Calendar, text: str) -> tuple[str, str]:
    """Where the window of a local time begins and ends, both as local times."""
    zone = ZoneInfo(calendar.zone)
    found = window_at(calendar, datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())
    assert isinstance(found, Fixed)
    begins = datetime.fromtimestamp(int(found.name), zone)
    ends = datetime.fromtimestamp(found.ends, zone)
    return f"{begins:%Y-%m-%d %H:%M}", f"{ends:%Y-%m-%d %H:%M}"


CASES = {
    "a month": (Calendar("month", on=1), "2026-09-18", "2026-09-01 00:00", "2026-10-01 00:00"),
    "its first instant": (Calendar("month", on=1), "2026-09-01", "2026-09-01 00:00", "2026-10-01 00:00"),
    "over a year": (Calendar("month", on=15), "2027-01-03", "2026-12-15 00:00", "2027-01-15 00:00"),
    "february": (Calendar("month", on=28), "2027-02-28", "2027-02-28 00:00", "2027-03-28 00:00"),
    "a week": (Calendar("week", on=0), "2026-09-18", "2026-09-14 00:00", "2026-09-21 00:00"),
    "a week of saturdays": (Calendar("week", on=5), "2026-09-18", "2026-09-12 00:00", "2026-09-19 00:00"),
    "before its hour": (Calendar("day", minute=540), "2026-09-18 08:59", "2026-09-17 09:00", "2026-09-18 09:00"),
    "at its hour": (Calendar("day", minute=540), "2026-09-18 09:00", "2026-09-18 09:00", "2026-09-19 09:00"),
    "before the hour of the first": (
        Calendar("month", minute=540, on=1), "2026-09-01 08:00", "2026-08-01 09:00", "2026-09-01 09:00",
    ),
    "before the hour of a monday": (
        Calendar("week", minute=540), "2026-09-14 08:00", "2026-09-07 09:00", "2026-09-14 09:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
def test_a_window_is_local(name: str, zone: str) -> None:
    calendar, at, begins, ends = CASES[name]
    local = Calendar(calendar.per, zone, calendar.minute, calendar.on)
    assert window(local, at) == (begins, ends)


def hours(calendar: Calendar, text: str) -> float:
    found = window_at(calendar, datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(calendar.zone)).timestamp())
    assert isinstance(found, Fixed)
    return (found.ends - float(found.name)) / 3600


def test_days_on_which_clocks_change() -> None:
    day = Calendar("day", "Europe/Berlin")
    assert [hours(day, f"2026-{date}") for date in ("03-28", "03-29", "10-24", "10-25")] == [24, 23, 24, 25]
    week = Calendar("week", "Europe/Berlin")
    assert hours(week, "2026-03-26") == 7 * 24 - 1
    assert hours(Calendar("month", "Europe/Berlin", on=1), "2026-10-20") == 31 * 24 + 1


def test_a_time_that_does_not_exist_comes_when_the_gap_ends() -> None:
    half_past_two = Calendar("day", "Europe/Berlin", minute=150)
    assert window(half_past_two, "2026-03-29 12:00") == ("2026-03-29 03:00", "2026-03-30 02:30")
    assert window(half_past_two, "2026-03-29 01:59") == ("2026-03-28 02:30", "2026-03-29 03:00")


def test_a_time_that_comes_twice_counts_once() -> None:
    half_past_two = Calendar("day", "Europe/Berlin", minute=150)
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN).timestamp()
    assert window_at(half_past_two, first) == window_at(half_past_two, first + 3600)
    assert window_at(half_past_two, first - 1) != window_at(half_past_two, first)
    assert hours(half_past_two, "2026-10-25 12:00") == 25


@given(
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca"]),
    st.integers(0, 1439),
    st.integers(1, 6),
    st.floats(1_700_000_000, 1_900_000_000),
)
def test_windows_lie_end_to_end(per: str, zone: str, minute: int, on: int, now: float) -> None:
    calendar = Calendar(per, zone, minute, on)  # type: ignore[arg-type]
    found = window_at(calendar, now)
    assert isinstance(found, Fixed)
    assert float(found.name) <= now < found.ends
    following = window_at(calendar, found.ends)
    assert isinstance(following, Fixed)
    assert float(following.name) == found.ends
    assert window_at(calendar, float(found.name)) == found
    assert window_at(calendar, found.ends - 1) == found
    longest = {"day": timedelta(hours=25), "week": timedelta(hours=169), "month": timedelta(days=31, hours=1)}[per]
    assert found.ends - float(found.name) <= longest.total_seconds()


def test_a_total_never_ends_and_a_rolling_window_slides() -> None:
    assert window_at(Calendar("total"), 0) == Fixed("total", inf)
    assert window_at(Calendar("rolling", seconds=86400.0 * 30), 0) == Sliding(86400.0 * 30)


def test_a_window_is_looked_up_again_only_when_it_is_over() -> None:
    calendar = Calendar("day", "Europe/Berlin")
    at = rolling(calendar)
    now = 1_790_000_000.0
    first = at(now)
    assert isinstance(first, Fixed)
    for moment in (now, float(first.name), first.ends - 1, first.ends, first.ends + 86400, now):
        assert at(moment) == window_at(calendar, moment)
    assert at(now) is at(now + 1)
    assert rolling(Calendar("total"))(now) == Fixed("total", inf)
