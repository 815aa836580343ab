"""How many requests a target has been sent in a window: a sliding count in slices, of one worker.

A window is cut into `SLICES`; a request is forgotten when its slice has left the window, so a count is exact to one
slice. `now` is monotonic seconds.
"""

from __future__ import annotations

from typing import Final

SLICES: Final = 60


class Tally:
    """Of one target in one window of `window` seconds. One event loop owns it."""

    __slots__ = ("__weakref__", "_at", "_slices", "_total", "_width")

    def __init__(self, window: float) -> None:
        self._width = max(window, 1e-3) / SLICES
        self._slices = [0] * SLICES
        self._at = 0
        self._total = 0

    def add(self, now: float) -> None:
        """One request."""
        self._turn(now)
        self._slices[self._at % SLICES] += 1
        self._total += 1

    def count(self, now: float) -> int:
        """Requests in the window that ends now."""
        self._turn(now)
        return self._total

    def _turn(self, now: float) -> None:
        at = int(now / self._width)
        if at <= self._at:
            return
        for gone in range(self._at + 1, min(at, self._at + SLICES) + 1):
            self._total -= self._slices[gone % SLICES]
            self._slices[gone % SLICES] = 0
        self._at = at
