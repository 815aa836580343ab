"""Moments: RFC 3339 on the wire (Go writes nanoseconds and any zone), seconds since the epoch elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any


def seconds_of(value: Any) -> int:
    """Seconds since the epoch, 0 for what is no moment."""
    if not isinstance(value, str):
        return 0
    try:
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0


@lru_cache(16)
def stamp_of(seconds: int) -> str:
    """The moment as the wire writes it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"
