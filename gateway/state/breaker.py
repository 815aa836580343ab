"""The health of one provider × credential × model: closed, open until T, half-open with one probe.

Failures are counted in a sliding window; at the threshold, or at once where the provider said how long to wait, the
breaker opens. When its time is up one request is let through: success closes it, failure opens it for twice as long,
up to the cap. Every method decides from `now` (seconds, monotonic) and returns at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

UNTIL_RELOAD: Final = float("inf")


class Settings(msgspec.Struct, frozen=True):
    """`failures` within `window` seconds open it; open times grow from `low` to `high` seconds."""

    failures: int = 5
    window: float = 30.0
    low: float = 5.0
    high: float = 300.0


class Banning(msgspec.Struct, frozen=True):
    """A ban: `failures` of these statuses or kinds within `window` seconds, no success between, and it rests for
    `rest` seconds."""

    statuses: tuple[int, ...]
    kinds: tuple[str, ...]
    failures: int
    window: float
    rest: float

    def names(self, status: int | None, kind: str) -> bool:
        """Whether a failure counts."""
        return kind in self.kinds or status in self.statuses


class Snapshot(msgspec.Struct, frozen=True):
    """What an operator sees. `opens_in` counts down to the next probe; None while closed or until a reload.
    `banned`: a rule of the file opened it."""

    state: str  # closed | open | half-open
    failures: int
    kind: str | None
    opens_in: float | None
    banned: bool = False


class Standing(msgspec.Struct, frozen=True):
    """An open breaker. `until` is on this process's monotonic clock."""

    until: float
    kind: str | None
    streak: int
    banned: bool


class Breaker:
    """See the module. One event loop owns it; no method awaits."""

    __slots__ = (
        "__weakref__",
        "_failures",
        "_frail",
        "_probing",
        "_streak",
        "_tallies",
        "banned",
        "kind",
        "open_until",
        "turns",
    )

    def __init__(self) -> None:
        self._failures: deque[float] = deque()
        self.open_until = 0.0  # 0: closed, nothing speaks against requests; else a probe has yet to show it
        self._probing = False
        self._frail = False  # closed by a stream that has only begun: its failure opens it again
        self._streak = 0  # openings in a row without a success between
        self._tallies: dict[Banning, deque[float]] = {}
        self.kind: str | None = None  # of the failure that opened it
        self.banned = False  # by a rule of the file
        self.turns = 0  # openings and closings so far: whoever shares health looks for a change

    def copy(self) -> Breaker:
        """Another one in the same state."""
        other = Breaker()
        other._failures = self._failures.copy()
        other.open_until, other._probing, other._frail = self.open_until, self._probing, self._frail
        other._streak, other.turns = self._streak, self.turns
        other._tallies = {rule: times.copy() for rule, times in self._tallies.items()}
        other.kind, other.banned = self.kind, self.banned
        return other

    def wait(self, now: float) -> float:
        """Seconds until a request may pass: 0 now, inf until a reload. A probe in flight counts as a short wait."""
        if not self.open_until:
            return 0.0
        if now < self.open_until:
            return self.open_until - now
        return 1.0 if self._probing else 0.0

    def enter(self, now: float) -> bool:
        """Takes a place for one request. Whoever got True owes exactly one of success, failure, leave."""
        if not self.open_until:
            return True
        if now < self.open_until or self._probing:
            return False
        self._probing = True
        return True

    def leave(self) -> None:
        """Gives the place back without a verdict: the client left, or the failure says nothing about health."""
        self._probing = False

    def began(self) -> None:
        """A stream has begun. Others may pass; what was counted is forgiven when it has come to its end."""
        if self.open_until:
            self.turns += 1
            self.open_until = 0.0
            self._frail = True
            self.kind, self.banned = None, False
        self._probing = False

    def success(self) -> None:
        """An answer came."""
        self._frail = False
        if self.open_until or self._failures or self._tallies:
            self.turns += self.open_until != 0.0
            self.open_until = 0.0
            self._failures.clear()
            self._tallies.clear()
            self.kind = None
            self.banned = False
        self._probing = False
        self._streak = 0

    def failure(self, now: float, kind: str, settings: Settings) -> float | None:
        """A counted failure; the seconds it opened for, None where it stayed closed."""
        if self.open_until or self._frail:  # the probe failed
            return self._open(now, kind, settings)
        window = self._failures
        window.append(now)
        while window and window[0] <= now - settings.window:
            window.popleft()
        if len(window) < settings.failures:
            return None
        return self._open(now, kind, settings)

    def tally(self, now: float, kind: str, rule: Banning) -> float | None:
        """Counts a failure that a ban names; the seconds it opened for, None where there were too few."""
        times = self._tallies.setdefault(rule, deque())
        times.append(now)
        while times[0] <= now - rule.window:
            times.popleft()
        if len(times) < rule.failures:
            return None
        times.clear()
        self.banned = True
        return self.open_for(now, rule.rest, kind)

    def open_for(self, now: float, seconds: float, kind: str) -> float:
        """Opens at once, never for less than it already is open; returns the seconds from now."""
        self.open_until = max(self.open_until, now + seconds)
        self._probing = False
        self.kind = kind
        self.turns += 1
        return self.open_until - now

    def open_backoff(self, now: float, kind: str, settings: Settings) -> float:
        """Opens at once for the next step of the exponential series; for hints that were not given."""
        return self._open(now, kind, settings)

    def reloaded(self) -> None:
        """The configuration was read anew: what waited for that may be probed."""
        if self.open_until == UNTIL_RELOAD:
            self.open_until = -1.0  # in the past, and not closed: the next request is a probe

    def reset(self) -> None:
        """An operator says it is well."""
        self._probing = False
        self.success()

    def standing(self) -> Standing | None:
        """What another worker must know of it; None while it is closed."""
        return Standing(self.open_until, self.kind, self._streak, self.banned) if self.open_until else None

    def adopt(self, standing: Standing | None) -> None:
        """Takes over what another worker has found: a rest is never shortened by it, None ends it."""
        if standing is None:
            self.reset()
            return
        if standing.until > self.open_until:
            self.open_until = standing.until
            self._probing = False
            self.kind, self.banned = standing.kind, standing.banned
        self._streak = max(self._streak, standing.streak)

    def snapshot(self, now: float) -> Snapshot:
        """A value for operators."""
        if not self.open_until:
            return Snapshot("closed", len(self._failures), None, None)
        wait = self.open_until - now
        if wait > 0:
            until = None if wait == UNTIL_RELOAD else wait
            return Snapshot("open", len(self._failures), self.kind, until, self.banned)
        return Snapshot("half-open", len(self._failures), self.kind, None, self.banned)

    def _open(self, now: float, kind: str, settings: Settings) -> float:
        seconds = min(settings.high, settings.low * 2.0 ** min(self._streak, 30))
        self._streak += 1
        self._failures.clear()
        self.open_until = now + seconds
        self._probing = self._frail = False
        self.kind = kind
        self.turns += 1
        return seconds
