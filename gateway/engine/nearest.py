"""The nearest wins: one setting from several places, each of which may say some of it.

`places` are what the places say, nearest first. What nobody says has the value below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.routing.node import Retries
from gateway.state.breaker import Settings


class Times(msgspec.Struct, frozen=True):
    """Seconds. The defaults of a file that says nothing about time-outs."""

    connect: float = 5.0
    first_token: float | None = 60.0
    idle: float = 60.0
    total: float = 600.0


def _first(places: Sequence[Any], field: str) -> Any:
    return next((value for place in places if (value := getattr(place, field)) is not None), None)


def timeouts_of(places: Sequence[Any]) -> Times:
    """Time-outs, field by field."""
    said = {name: _first(places, name) for name in ("connect", "first_token", "idle", "total")}
    return Times(**{name: value for name, value in said.items() if value is not None})


def retries_of(places: Sequence[Any]) -> Retries:
    """Retries, field by field."""
    default = Retries()
    attempts, backoff = _first(places, "attempts"), _first(places, "backoff")
    return Retries(
        attempts=default.attempts if attempts is None else attempts,
        low=default.low if backoff is None else backoff.low,
        high=default.high if backoff is None else backoff.high,
    )


def breaker_of(places: Sequence[Any]) -> Settings:
    """Breaker settings, field by field."""
    default = Settings()
    failures, window, cooldown = (_first(places, name) for name in ("failures", "window", "cooldown"))
    return Settings(
        failures=default.failures if failures is None else failures,
        window=default.window if window is None else window,
        low=default.low if cooldown is None else cooldown.low,
        high=default.high if cooldown is None else cooldown.high,
    )
