"""The arithmetic of counters, without any place to keep them: sliding rings, fixed windows, held units.

All times are arguments: seconds since the epoch by the clock of whoever keeps the counters. A sliding window is a ring
of slices, each a sixtieth of it. What is used in a slice counts in that slice and in the 60 that follow, so no span of
the window's length ever holds more than the limit, however it lies across slices. A clock that steps back by no more
than a window is waited for; one that steps back further takes the counts with it: neither forgets what was used.

Two ways to use a counter: `lease` and `back` for lots, and `take`, `give` and `charge` for whoever sits beside it.
"""

from __future__ import annotations

from math import inf
from typing import ClassVar, Final, Protocol, TypeAlias

import msgspec

from gateway.store.contract import SLICES, Fixed, Grant, Held, Sliding, Want, Window

_CELLS: Final = SLICES + 1  # a span touches one slice more than it has
_KEPT: Final = 86400.0  # seconds for which a fixed window that is over still takes units back
HELD_RETRY: Final = 1.0  # seconds: nobody knows when somebody gives back


class Counter(Protocol):
    """One counter of one process, used at once: exact, without lots. `now` never waits for anything.

    From `since` up to `until`, times of the last call of a method, what counts is `total`: whoever uses units then may
    add them to it, and take them back down to `least`. At any other time only the methods know.
    """

    total: int

    @property
    def since(self) -> float: ...

    @property
    def until(self) -> float: ...

    @property
    def least(self) -> int: ...

    def take(self, now: float, amount: int, limit: int) -> bool:
        """Uses units where there are as many."""

    def give(self, now: float, amount: int, age: float) -> None:
        """Takes back what was taken `age` seconds ago."""

    def charge(self, now: float, amount: int) -> None:
        """Counts units, even over the limit."""

    def used(self, now: float) -> int:
        """What counts now."""

    def retry(self, now: float, amount: int, limit: int) -> float:
        """Seconds until `amount` may be there; 0 now, inf never."""


class Ring(msgspec.Struct, tag="ring", weakref=True):
    """Sliding(seconds): `cells[i % 61]` is slice i but for `head`, the newest, whose units are what `total` has beyond
    `least`, the units of all others."""

    seconds: float
    head: int = 0
    total: int = 0
    cells: list[int] = msgspec.field(default_factory=lambda: [0] * _CELLS)
    since: float = 0.0
    until: float = 0.0
    least: int = 0

    def __post_init__(self) -> None:
        self.cells[self.head % _CELLS] = 0
        self.least = sum(self.cells)

    def _move(self, now: float) -> int:
        """Forgets what is over; the slice of now."""
        head = self._turn(now)
        self.since, self.until = head * self.seconds / SLICES, (head + 1) * self.seconds / SLICES
        return head

    def _turn(self, now: float) -> int:
        to = int(now * SLICES / self.seconds)
        head = self.head
        if to == head:
            return to
        if to > head + SLICES:
            self.clear()
        elif to > head:
            self.cells[head % _CELLS] = self.total - self.least
            for index in range(head + 1, to + 1):
                self.total -= self.cells[index % _CELLS]
                self.cells[index % _CELLS] = 0
            self.least = self.total
        elif to >= head - SLICES:
            return head
        else:
            shift = (head - to) % _CELLS
            self.cells = self.cells[shift:] + self.cells[:shift]
        self.head = to
        return to

    def clear(self) -> None:
        """Starts anew."""
        self.cells = [0] * _CELLS
        self.total = self.least = 0

    def take(self, now: float, amount: int, limit: int) -> bool:
        self._move(now)
        if self.total + amount > limit:
            return False
        self.total += amount
        return True

    def give(self, now: float, amount: int, age: float) -> None:
        self._move(now)
        self._take_back(int((now - age) * SLICES / self.seconds), amount)

    def charge(self, now: float, amount: int) -> None:
        self._move(now)
        self.total += amount

    def used(self, now: float) -> int:
        self._move(now)
        return self.total

    def retry(self, now: float, amount: int, limit: int) -> float:
        if amount > limit:
            return inf
        head = self._move(now)
        over = self.total + amount - limit
        if over <= 0:
            return 0.0
        for index in range(head - SLICES, head):
            over -= self.cells[index % _CELLS]
            if over <= 0:
                return max(0.0, (index + _CELLS) * self.seconds / SLICES - now)
        return max(0.0, (head + _CELLS) * self.seconds / SLICES - now)

    def lease(self, now: float, want: Want) -> Grant:
        """As `Store.lease`, for one want."""
        head = self._move(now)
        amount = _share(want, self.total)
        self.total += amount
        left = want.limit - self.total
        retry = 0.0 if amount >= want.amount else self.retry(now, 1 if amount else want.least, want.limit)
        return Grant(amount, left, str(head), (head + 1) * self.seconds / SLICES, now, retry)

    def back(self, now: float, window: Window, lot: str, amount: int) -> None:
        """As `Store.lease`, for one return."""
        if amount < 0:
            self.charge(now, -amount)
        else:
            self._move(now)
            self._take_back(int(lot), amount)

    def idle(self, now: float) -> bool:
        """Whether forgetting it would change nothing."""
        return self.used(now) == 0

    def lapses(self, now: float) -> float:
        """When it will be idle, if nothing more comes."""
        return now + self.seconds * _CELLS / SLICES + 1.0

    def _take_back(self, index: int, amount: int) -> None:
        if index == self.head:
            self.total -= min(amount, self.total - self.least)
        elif self.head - SLICES <= index < self.head:
            amount = min(amount, self.cells[index % _CELLS])
            self.cells[index % _CELLS] -= amount
            self.total -= amount
            self.least -= amount


class Total(msgspec.Struct, weakref=True):
    """One fixed window: what was used until it `ends`."""

    ends: float
    total: int = msgspec.field(default=0, name="count")
    since: ClassVar[float] = -inf
    until: ClassVar[float] = inf  # whoever holds it knows when it ends
    least: ClassVar[int] = 0

    def take(self, now: float, amount: int, limit: int) -> bool:
        if self.total + amount > limit:
            return False
        self.total += amount
        return True

    def give(self, now: float, amount: int, age: float) -> None:
        self.total = self.total - amount if self.total > amount else 0

    def charge(self, now: float, amount: int) -> None:
        self.total += amount

    def used(self, now: float) -> int:
        return self.total

    def retry(self, now: float, amount: int, limit: int) -> float:
        if self.total + amount <= limit:
            return 0.0
        return inf if amount > limit else max(0.0, self.ends - now)


class Totals(msgspec.Struct, tag="totals", weakref=True):
    """The Fixed windows of a key, by name: the one that runs, and those that are just over."""

    named: dict[str, Total] = msgspec.field(default_factory=dict)

    def of(self, now: float, window: Fixed) -> Total:
        """The window of that name."""
        total = self.named.get(window.name)
        if total is None:
            for name in [name for name, old in self.named.items() if old.ends + _KEPT < now]:
                del self.named[name]
            total = self.named[window.name] = Total(window.ends)
        return total

    def clear(self) -> None:
        """Starts anew; whoever holds one of the totals keeps it."""
        for total in self.named.values():
            total.total = 0

    def lease(self, now: float, want: Want) -> Grant:
        """As `Store.lease`, for one want."""
        window = _fixed(want.window)
        total = self.of(now, window)
        amount = _share(want, total.total)
        total.total += amount
        left = want.limit - total.total
        retry = 0.0 if amount >= want.amount else total.retry(now, 1 if amount else want.least, want.limit)
        return Grant(amount, left, window.name, window.ends, now, retry)

    def back(self, now: float, window: Window, lot: str, amount: int) -> None:
        """As `Store.lease`, for one return."""
        total = self.of(now, _fixed(window))
        total.total = max(0, total.total - amount)

    def counted(self, now: float, window: Window) -> int:
        """What is used of a window."""
        total = self.named.get(_fixed(window).name)
        return total.total if total is not None else 0

    def idle(self, now: float) -> bool:
        """Whether forgetting it would change nothing."""
        return all(total.ends + _KEPT < now or not total.total for total in self.named.values())

    def lapses(self, now: float) -> float:
        """When it will be idle, if nothing more comes."""
        return max((total.ends for total in self.named.values()), default=now) + _KEPT


class Holding(msgspec.Struct, tag="holding", weakref=True):
    """Held units, by holder: how many, and until when if it does not renew them. `total`: this process's own, which
    need no renewal."""

    total: int = msgspec.field(default=0, name="here")
    holders: dict[str, tuple[int, float]] = msgspec.field(default_factory=dict)
    until: float = -inf  # never, but for always where nobody else is known to hold anything
    since: ClassVar[float] = -inf
    least: ClassVar[int] = 0

    def clear(self) -> None:
        """Starts anew."""
        self.holders.clear()
        self.total = 0

    def take(self, now: float, amount: int, limit: int) -> bool:
        if self.used(now) + amount > limit:
            return False
        self.total += amount
        return True

    def give(self, now: float, amount: int, age: float) -> None:
        self.total = self.total - amount if self.total > amount else 0

    def charge(self, now: float, amount: int) -> None:
        self.total += amount

    def used(self, now: float) -> int:
        if not self.holders:
            self.until = inf
            return self.total
        lost = [holder for holder, (_, until) in self.holders.items() if until <= now]
        for holder in lost:
            del self.holders[holder]
        return self.total + sum(count for count, _ in self.holders.values())

    def retry(self, now: float, amount: int, limit: int) -> float:
        if amount > limit:
            return inf
        return 0.0 if self.used(now) + amount <= limit else HELD_RETRY

    def lease(self, now: float, want: Want) -> Grant:
        """As `Store.lease`, for one want."""
        window = _held(want.window)
        used = self.used(now)
        amount = _share(want, used)
        count = self._hold(window.holder, amount, now + window.ttl)
        left = want.limit - used - amount
        retry = 0.0 if amount >= want.amount else self.retry(now, 1 if amount else want.least, want.limit)
        return Grant(amount, left, str(count), now + window.ttl, now, retry)

    def back(self, now: float, window: Window, lot: str, amount: int) -> None:
        """As `Store.lease`, for one return."""
        held = _held(window)
        self.used(now)
        self._hold(held.holder, -amount, now + held.ttl)

    def idle(self, now: float) -> bool:
        """Whether forgetting it would change nothing."""
        return self.used(now) == 0

    def lapses(self, now: float) -> float:
        """When it will be idle, if nothing more comes."""
        return max((until for _, until in self.holders.values()), default=now)

    def _hold(self, holder: str, amount: int, until: float) -> int:
        count = max(0, self.holders.get(holder, (0, 0.0))[0] + amount)
        if count:
            self.holders[holder] = (count, until)
            self.until = -inf
        else:
            self.holders.pop(holder, None)
        return count


Kept: TypeAlias = Ring | Totals | Holding


def fresh(window: Window) -> Kept:
    """A counter of which nothing is used."""
    if isinstance(window, Sliding):
        return Ring(window.seconds)
    return Totals() if isinstance(window, Fixed) else Holding()


def fits(kept: Kept, window: Window) -> bool:
    """Whether a counter counts in this kind of window: if not, the file has changed, and it starts anew."""
    if isinstance(kept, Ring):
        return isinstance(window, Sliding) and window.seconds == kept.seconds
    return isinstance(window, Fixed if isinstance(kept, Totals) else Held)


def used(kept: Kept, now: float, window: Window) -> int:
    """What is used or leased of a counter in a window."""
    return kept.counted(now, window) if isinstance(kept, Totals) else kept.used(now)


def _share(want: Want, used: int) -> int:
    """What of a want can be given."""
    amount = min(want.amount, want.limit - used)
    return amount if amount > 0 and amount >= want.least else 0


def _fixed(window: Window) -> Fixed:
    if not isinstance(window, Fixed):
        raise TypeError(f"not a fixed window: {window!r}")
    return window


def _held(window: Window) -> Held:
    if not isinstance(window, Held):
        raise TypeError(f"not a held window: {window!r}")
    return window
