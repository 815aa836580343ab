"""What a provider last said of how much may still be asked of it with one credential: a share between 0 and 1.

Providers count by the minute, so a word of theirs is good for `FRESH` seconds. Kept only where somebody asks for it.
"""

from __future__ import annotations

from typing import Final

FRESH: Final = 60.0


class Quota:
    """Of one provider × credential × model. One event loop owns it."""

    __slots__ = ("__weakref__", "_at", "_share")

    def __init__(self) -> None:
        self._share: float | None = None
        self._at = 0.0

    def note(self, share: float | None, now: float) -> None:
        """Takes in what an answer said; None where it said nothing."""
        if share is not None:
            self._share, self._at = share, now

    def left(self, now: float) -> float | None:
        """The share that is left, None where nobody said so lately."""
        return self._share if now - self._at <= FRESH else None
