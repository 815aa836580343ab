"""How long a target takes until its answer begins: the last measurements, kept apart for streams and whole answers.

For a stream that is its first content, for a whole answer its last byte.
"""

from __future__ import annotations

from collections import deque
from typing import Final

KEPT: Final = 200  # measurements of each kind
LEAST: Final = 20  # below this nothing is said of a share of them


class Latency:
    """Of one target. One event loop owns it."""

    __slots__ = ("__weakref__", "_streams", "_wholes")

    def __init__(self) -> None:
        self._streams: deque[float] = deque(maxlen=KEPT)
        self._wholes: deque[float] = deque(maxlen=KEPT)

    def measured(self, seconds: float, stream: bool) -> None:
        """Takes a measurement in."""
        (self._streams if stream else self._wholes).append(seconds)

    def p95(self, stream: bool) -> float | None:
        """The seconds within which 95 of 100 answers begin, None where too few were measured."""
        kept = self._streams if stream else self._wholes
        if len(kept) < LEAST:
            return None
        return sorted(kept)[min(len(kept) - 1, len(kept) * 95 // 100)]
