"""Counters of one process: a stand-in of the same shape as the leased ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import msgspec

from gateway.store.contract import SLICES, Fixed, Held, Sliding, Window


class Standing(msgspec.Struct, frozen=True):
    """`left` as last known; `resets`: seconds until the window is over, or everything used so far is forgotten."""

    limit: int
    left: int
    resets: float


class Meter:
    """One counter."""

    __slots__ = ("__weakref__", "_clock", "_used", "_window", "key", "limit")

    def __init__(self, key: str, limit: int, window: Callable[[float], Window], clock: Callable[[], float]) -> None:
        self.key = key
        self.limit = limit
        self._window = window
        self._clock = clock
        self._used: dict[str, int] = {}

    def _now(self) -> tuple[str, float, float]:
        """(lot, seconds to its end, seconds of a slice)"""
        now = self._clock()
        window = self._window(now)
        match window:
            case Sliding():
                slice_ = window.seconds / SLICES
                at = int(now // slice_)
                for lot in [lot for lot in self._used if int(lot) < at - SLICES]:
                    del self._used[lot]
                return str(at), window.seconds, slice_
            case Fixed():
                if window.name not in self._used:
                    self._used = {window.name: 0}
                return window.name, window.ends - now, 0.0
            case Held():
                return "held", 0.0, 0.0

    @property
    def lot(self) -> str:
        """What is taken now belongs to this."""
        return self._now()[0]

    def used(self) -> int:
        self._now()
        return sum(self._used.values())

    def take(self, amount: int) -> bool:
        """From what is there; False where there is too little."""
        lot = self.lot
        if amount > self.limit - self.used():
            return False
        self._used[lot] = self._used.get(lot, 0) + amount
        return True

    def give(self, amount: int, age: float) -> None:
        """What was taken and not used."""
        now = self._clock()
        window = self._window(now - age)
        if isinstance(window, Sliding):
            lot = str(int((now - age) // (window.seconds / SLICES)))
        else:
            lot = window.name if isinstance(window, Fixed) else "held"
        if lot in self._used:
            self._used[lot] -= amount

    def charge(self, amount: int) -> None:
        """Used beyond what was taken."""
        lot = self.lot
        self._used[lot] = self._used.get(lot, 0) + amount

    def standing(self) -> Standing:
        """For headers."""
        return Standing(self.limit, self.limit - self.used(), self._now()[1])

    def retry(self, amount: int) -> float:
        """Seconds until `amount` may be there."""
        _, ends, slice_ = self._now()
        if not slice_:
            return ends if ends else 1.0
        left = self.limit - self.used()
        for lot in sorted(self._used, key=int):
            left += self._used[lot]
            if left >= amount:
                return (int(lot) + SLICES + 1) * slice_ - self._clock()
        return inf


class Short(msgspec.Struct, frozen=True):
    """The counter that lacks something."""

    meter: Meter
    retry_after: float
    left: int


class Meters:
    """One per process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._present: dict[str, dict[str, float]] = {}
        self._said: set[str] = set()
        self._meters: dict[str, Meter] = {}

    def meter(self, key: str, limit: int, window: Callable[[float], Window]) -> Meter:
        """The counter of a key."""
        found = self._meters.get(key)
        if found is None:
            found = self._meters[key] = Meter(key, limit, window, self.clock)
        found.limit = limit
        return found

    def take_now(self, asks: Sequence[tuple[Meter, int]]) -> bool:
        """All or nothing."""
        for index, (meter, amount) in enumerate(asks):
            if not meter.take(amount):
                for taken, back in asks[:index]:
                    taken.give(back, 0.0)
                return False
        return True

    async def take(self, asks: Sequence[tuple[Meter, int]]) -> Short | None:
        """All or nothing."""
        for index, (meter, amount) in enumerate(asks):
            if not meter.take(amount):
                for taken, back in asks[:index]:
                    taken.give(back, 0.0)
                return Short(meter, meter.retry(amount), meter.limit - meter.used())
        return None

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        """Store.visit."""
        present = self._present.setdefault(key, {})
        now = self.clock()
        for who in [who for who, until in present.items() if until <= now]:
            del present[who]
        if member not in present and len(present) >= limit:
            return None
        present[member] = now + ttl
        return len(present)

    async def first(self, key: str, ttl: float) -> bool:
        """Store.add."""
        if key in self._said:
            return False
        self._said.add(key)
        return True
