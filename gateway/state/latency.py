"""How long a target takes until its answer begins: a peak-sensitive average, its spread, and the last measurements.

For a stream that is its first content, for a whole answer its last byte; the two are kept apart. The average is
Finagle's peak-EWMA: a slower answer counts at once, faster ones by the time that has passed (`TAU`). The variance is
an ordinary moving one over the same weights. What was measured longer ago than `STALE` is nothing known any more, so a
target that was slow once is tried again. Who is sent to find out how slow it is now says so (`trying`), since until it
is back nobody knows. Times are seconds, `now` is monotonic.
"""

from __future__ import annotations

from collections import deque
from math import exp, sqrt
from typing import Final

TAU: Final = 60.0
STALE: Final = 300.0
TRIAL: Final = 60.0  # who found nothing out in that time keeps nobody else from trying
KEPT: Final = 200  # measurements of each kind, for shares of them
LEAST: Final = 20  # below this nothing is said of a share of them
_SHARE: Final = 0.1  # of a new measurement in the mean and the variance


class _Kind:
    """Streams, or whole answers."""

    __slots__ = ("at", "count", "kept", "mean", "peak", "tried", "variance")

    def __init__(self) -> None:
        self.kept: deque[float] = deque(maxlen=KEPT)
        self.at = 0.0
        self.tried = -TRIAL
        self.count = 0
        self.peak = 0.0
        self.mean = 0.0
        self.variance = 0.0


class Latency:
    """Of one target. One event loop owns it."""

    __slots__ = ("__weakref__", "_kinds")

    def __init__(self) -> None:
        self._kinds = (_Kind(), _Kind())

    def measured(self, seconds: float, stream: bool, now: float) -> None:
        """Takes a measurement in."""
        kind = self._kinds[stream]
        kind.kept.append(seconds)
        if not kind.count or now - kind.at > STALE:
            kind.count, kind.peak, kind.mean, kind.variance = 1, seconds, seconds, 0.0
        else:
            kind.count += 1
            if seconds >= kind.peak:
                kind.peak = seconds
            else:
                kind.peak += (seconds - kind.peak) * (1.0 - exp((kind.at - now) / TAU))
            apart = seconds - kind.mean
            kind.mean += _SHARE * apart
            kind.variance = (1.0 - _SHARE) * (kind.variance + _SHARE * apart * apart)
        kind.at = now

    def trying(self, stream: bool, now: float) -> None:
        """A request is sent to find out."""
        self._kinds[stream].tried = now

    def tried(self, stream: bool, now: float) -> bool:
        """Whether one was within `TRIAL`."""
        return now - self._kinds[stream].tried < TRIAL

    def expected(self, stream: bool, now: float) -> float | None:
        """The peak-EWMA, None where nothing is known."""
        kind = self._kinds[stream]
        return kind.peak if kind.count and now - kind.at <= STALE else None

    def spread(self, stream: bool, now: float) -> float | None:
        """The standard deviation as a share of the mean, None where fewer than two were measured."""
        kind = self._kinds[stream]
        if kind.count < 2 or now - kind.at > STALE:
            return None
        return sqrt(kind.variance) / kind.mean if kind.mean > 0 else 0.0

    def p95(self, stream: bool) -> float | None:
        """The seconds within which 95 of 100 answers begin, None where too few were measured."""
        kept = self._kinds[stream].kept
        if len(kept) < LEAST:
            return None
        return sorted(kept)[min(len(kept) - 1, len(kept) * 95 // 100)]
