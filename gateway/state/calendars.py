"""Windows of calendars: days, weeks and months that begin at a stated time of day in a stated time zone.

A window is found from an instant (seconds since the epoch) and is named by the instant at which it begins, so every
worker and host names it alike. Where clocks are put forward over the time of day, the window begins at the first
instant after the gap; where they are put back over it, at the first of the two. A day may thus have 23 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from math import inf
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from gateway.store.contract import Fixed, Held, Sliding, Window

_HELD: Final = Held("")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Per: TypeAlias = Literal["day", "week", "month", "total", "rolling"]


class Calendar(msgspec.Struct, frozen=True):
    """`minute` of the day; `on`: of a week the day (0 is Monday), of a month its number; `seconds` of a rolling one."""

    per: Per
    zone: str = "UTC"
    minute: int = 0
    on: int = 0
    seconds: float = 0.0


def window_at(calendar: Calendar, now: float) -> Window:
    """The window in which an instant lies. Raises KeyError for a zone that does not exist."""
    if calendar.per == "rolling":
        return Sliding(calendar.seconds)
    if calendar.per == "total":
        return Fixed("total", inf)
    day = datetime.fromtimestamp(now, ZoneInfo(calendar.zone)).date()
    first = _first(calendar, day)
    begins = _instant(calendar, first)
    if now < begins:  # the time of day at which it begins has not come yet
        first = _first(calendar, first - timedelta(days=1))
        begins = _instant(calendar, first)
    ends = _instant(calendar, _next(calendar, first))
    return Fixed(f"{begins:.0f}", ends)


def _first(calendar: Calendar, day: date) -> date:
    """The date on or before `day` on which a window begins."""
    if calendar.per == "day":
        return day
    if calendar.per == "week":
        return day - timedelta(days=(day.weekday() - calendar.on) % 7)
    first = day.replace(day=calendar.on)
    return first if first <= day else (first.replace(day=1) - timedelta(days=1)).replace(day=calendar.on)


def _next(calendar: Calendar, first: date) -> date:
    if calendar.per == "day":
        return first + timedelta(days=1)
    if calendar.per == "week":
        return first + timedelta(days=7)
    return (first.replace(day=1) + timedelta(days=32)).replace(day=calendar.on)


def _instant(calendar: Calendar, day: date) -> float:
    """When the time of day comes on a date."""
    zone = ZoneInfo(calendar.zone)
    local = datetime(day.year, day.month, day.day, calendar.minute // 60, calendar.minute % 60, tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant.timestamp()
    # The time does not exist: what was meant by the clock before the gap is as far behind the gap's end as the gap is
    # long, so the gap's end is searched between the two readings of it.
    late, early = instant.timestamp(), local.replace(fold=1).astimezone(UTC).timestamp()
    low, high = min(late, early), max(late, early)
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def rolling(calendar: Calendar) -> Callable[[float], Window]:
    """`window_at`, which looks at the calendar once in each window."""
    kept: Window | None = None
    begins = inf

    def at(now: float) -> Window:
        nonlocal kept, begins
        if kept is None or (isinstance(kept, Fixed) and not begins <= now < kept.ends):
            kept = window_at(calendar, now)
            begins = float(kept.name) if isinstance(kept, Fixed) and kept.ends != inf else -inf
        return kept

    return at


def name_of(window: Window) -> str:
    """The name of a window of a calendar, "" for others."""
    return window.name if isinstance(window, Fixed) else ""


def held(_now: float) -> Window:
    """What is held by this process and given back."""
    return _HELD
