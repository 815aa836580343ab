"""One counter in one window, as this worker sees it: what it takes is taken without I/O.

`Direct` sits on a counter of this process and is exact. `Leased` spends a lot that was leased from a shared store. A
lot of a sliding window is good for the slice it was leased in, of a fixed window until that ends, of held units until
they are given back. Nothing is given back that could have been used: what is in doubt stays counted, so that no limit
is ever exceeded. What a meter still owes the store (units to give back, or used beyond what was taken) it keeps until
`Meters` brings it there. `now` of a Leased is this process's own clock, `Meters.clock`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, Protocol
from weakref import WeakSet

import msgspec

from gateway.store.contract import SLICES, Fixed, Grant, Held, Return, Sliding, Want, Window
from gateway.store.counting import HELD_RETRY, Counter, Kept
from gateway.store.memory import Memory, Reader

LOT: Final = 50  # a lot is at most limit / LOT, or what the asks that wait need
_TRAIL: Final = 4  # lots of a window without slices that are remembered


class Standing(msgspec.Struct, frozen=True):
    """For headers: of `limit` units `left` are there, as far as this worker knows, below 0 where more was used; all of
    them in `resets` seconds."""

    limit: int
    left: int
    resets: float


class Cell(Protocol):
    """Where the units are that were used: a counter of this process, or a lot."""

    total: int


class Meter:
    """See the module. `key` names the counter and its window; it is the same for all workers.

    Within `span`, and until it is told to look again (`watch`), whoever uses units may add them to the total of `cell`,
    up to `most`, and take them back from it, down to `least`. With `others` it is everything that is used, as far as
    this worker knows. `exact`: nothing is used elsewhere.
    """

    __slots__ = ("__weakref__", "cell", "key", "least", "limit", "most", "others")

    exact = False
    cell: Cell

    def __init__(self, key: str, limit: int) -> None:
        self.key = key
        self.limit = self.most = limit
        self.least = self.others = 0

    def watch(self, reader: Reader) -> None:
        """Tells a reader to look again whenever `span`, as it was said, does not hold any more."""
        raise NotImplementedError

    def span(self, now: float) -> tuple[float, float]:
        """Since when and until when what counts is in `cell`, by the clock of `Meters.time`."""
        raise NotImplementedError

    def take(self, amount: int) -> bool:
        """Uses units of what is here; False, and nothing is taken, where there are too few."""
        raise NotImplementedError

    def give(self, amount: int, age: float) -> None:
        """Gives back what was taken and not used. `age`: seconds since it was taken, or a little more: it says in
        which slice of a sliding window the units no longer count."""
        raise NotImplementedError

    def charge(self, amount: int) -> None:
        """Counts what was used beyond what was taken, even over the limit."""
        raise NotImplementedError

    def standing(self) -> Standing:
        """What is left."""
        raise NotImplementedError


class Direct(Meter):
    """A meter on a store that is in this process."""

    __slots__ = ("_clock", "_owner", "_store", "_window", "begins", "ends", "window")

    exact = True
    cell: Counter

    def __init__(self, key: str, limit: int, window: Callable[[float], Window], store: Memory) -> None:
        super().__init__(key, limit)
        self._store = store
        self._clock = store.clock
        self._window = window
        self.roll(self._clock())

    def roll(self, now: float) -> None:
        """Goes on to the window that runs now."""
        self.window = self._window(now)
        self._owner: Kept = self._store.owner(self.key, self.window)
        self.cell = self._store.counter(self.key, self.window)
        fixed = isinstance(self.window, Fixed)
        self.begins = now if fixed else -inf  # it is known to run since then
        self.ends = self.window.ends if isinstance(self.window, Fixed) else inf

    def _now(self) -> float:
        now = self._clock()
        if now >= self.ends:
            self.roll(now)
        return now

    def watch(self, reader: Reader) -> None:
        self._store.readers.add(reader)

    def span(self, now: float) -> tuple[float, float]:
        if now >= self.ends:
            self.roll(now)
        cell = self.cell
        cell.used(now)  # moves it to now
        self.least = cell.least
        return cell.since, min(cell.until, self.ends)

    def take(self, amount: int) -> bool:
        now = self._now()
        return not amount or self.cell.take(now, amount, self.limit)

    def give(self, amount: int, age: float) -> None:
        now = self._now()
        if now - age < self.begins:
            then = self._window(now - age)
            if then != self.window:
                self._store.counter(self.key, then).give(now, amount, age)
                return
        self.cell.give(now, amount, age)

    def charge(self, amount: int) -> None:
        self.cell.charge(self._now(), amount)

    def standing(self) -> Standing:
        now = self._now()
        cell = self.cell
        used = cell.total if cell.since <= now < cell.until else cell.used(now)
        return Standing(self.limit, self.limit - used, _resets(self.window, now, used > 0))

    def retry(self, amount: int) -> float:
        """Seconds until `amount` may be there; 0 now, inf never."""
        return self.cell.retry(self._now(), amount, self.limit)


class _Lot(msgspec.Struct):
    """Units of one slice or window: `size`, of which `total` are used, good until `until` by this process's clock."""

    window: Window
    name: str
    until: float
    size: int = 0
    total: int = 0

    @property
    def left(self) -> int:
        """What is here."""
        return self.size - self.total


_NONE: Final = _Lot(Sliding(1.0), "", -inf, -1)  # where there is no lot; nothing can be taken of it


class Leased(Meter):
    """A meter on a shared store. `changed(self, urgent)` is called when something has to be brought to the store."""

    __slots__ = (
        "_aside", "_changed", "_clock", "_holder", "_readers", "_seen", "_window", "back", "held", "known", "lot",
        "owed", "retry", "share", "trail", "window",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        limit: int,
        window: Callable[[float], Window],
        clock: Callable[[], float],
        holder: str,
        changed: Callable[[Leased, bool], None],
    ) -> None:
        super().__init__(key, limit)
        self.share = max(1, limit // LOT)  # the units of a lot that nobody waits for
        self._window = window
        self._clock = clock
        self._holder = holder
        self._changed = changed
        self._readers: WeakSet[Reader] = WeakSet()
        self.window: Window | None = None  # that ran at the last exchange
        self.lot: _Lot | None = None
        self.known = limit  # what nobody had leased at the last exchange
        self.owed = 0
        self._use(None)
        self.trail: deque[_Lot] = deque()  # lots that were, for what comes back late; their `left` means nothing
        self.back: dict[tuple[Window, str], int] = {}
        self.held = 0  # of a Held window: units in use and in the lot
        self._aside = 0  # of the lot: for asks that wait for more
        self.retry = 0.0
        self._seen = (0, 0.0)  # of the lot: what was used at a look, and the last look that found more

    def _use(self, lot: _Lot | None) -> None:
        """From now on, units are taken from this lot."""
        self.lot = lot
        self.cell = lot or _NONE
        self._size(0)
        for reader in self._readers:
            reader.look_again()

    def _size(self, more: int) -> None:
        """Units come to the lot, or leave it unused."""
        cell = self.lot or _NONE
        if more:
            cell.size += more
        self.most, self.least = cell.size, cell.size - self.share
        self._owe(0)

    def _owe(self, more: int) -> None:
        """Units were used that nobody had taken; or were brought to the store."""
        self.owed += more
        self.others = self.limit - self.known + self.owed - (self.lot.size if self.lot is not None else 0)

    def watch(self, reader: Reader) -> None:
        self._readers.add(reader)

    def span(self, now: float) -> tuple[float, float]:
        return -inf, self.lot.until if self.lot is not None else inf

    def take(self, amount: int) -> bool:
        lot = self.lot
        if lot is None or lot.left < amount:
            return not amount
        if self._clock() >= lot.until:
            return False
        lot.total += amount
        return True

    def spend(self, amount: int) -> bool:
        """As `take`, for an ask that the store has just served: that its slice may be over by now changes nothing."""
        lot = self.lot
        if lot is None or lot.left < amount:
            return not amount
        lot.total += amount
        self._seen = (lot.total, self._seen[1])
        return True

    def give(self, amount: int, age: float) -> None:
        lot = self.lot
        then = self._clock() - age
        if lot is not None and (not self.trail or then >= self.trail[-1].until or isinstance(lot.window, Held)):
            lot.total -= amount
            surplus = lot.left - self.share
            if surplus > 0:
                self._size(-surplus)
                self._owe_back(lot, surplus)
            return
        for old in self.trail:
            if then < old.until:
                self._owe_back(old, amount)
                return
        if lot is not None:
            self._owe_back(lot, amount)

    def charge(self, amount: int) -> None:
        lot = self.lot
        if lot is not None and self._clock() < lot.until:
            here = min(lot.left, amount)
            lot.total += here
            amount -= here
        if amount:
            self._owe(amount)
            self.held += amount
            self._changed(self, True)

    def standing(self) -> Standing:
        left = self.known
        if self.lot is not None:
            left += self.lot.left
        left = min(self.limit, left - self.owed)
        if self.window is None or isinstance(self.window, Fixed):
            resets = max(0.0, self.lot.until - self._clock()) if self.lot is not None else 0.0
            return Standing(self.limit, left, resets)
        return Standing(self.limit, left, _resets(self.window, 0.0, left < self.limit))

    def _owe_back(self, lot: _Lot, amount: int) -> None:
        if amount > 0:
            place = (lot.window, lot.name)
            self.back[place] = self.back.get(place, 0) + amount
            self.held -= amount
            self._changed(self, False)

    def roll(self, now: float, store_now: float, idle: float) -> None:
        """Puts aside a lot that has lapsed, or of which nothing was taken for `idle` seconds."""
        window = self.window
        if window is None or isinstance(window, Fixed):
            window = self._window(store_now)
            if isinstance(window, Held):
                window = Held(window.holder or self._holder, window.ttl)
            self.window = window
        lot = self.lot
        if lot is None:
            return
        self._seen = (lot.total, now if lot.total > self._seen[0] else self._seen[1])
        if now < lot.until and now - self._seen[1] < idle:
            return
        self._owe_back(lot, self._emptied(lot))
        if not isinstance(lot.window, Held):
            self._retire(lot, now)
        elif not self.held:
            self._use(None)

    def _emptied(self, lot: _Lot) -> int:
        """What was left of the lot, and leaves it."""
        left = lot.left
        self._size(-left)
        return left

    def _retire(self, lot: _Lot, now: float) -> None:
        self._use(None)
        lot.until = min(lot.until, now)
        trail = self.trail
        trail.append(lot)
        seconds = lot.window.seconds * (SLICES + 1) / SLICES if isinstance(lot.window, Sliding) else inf
        while len(trail) > 1 and (trail[0].until < now - seconds or (seconds == inf and len(trail) > _TRAIL)):
            trail.popleft()

    def want(self, waiting: list[int]) -> Want:
        """What is asked of the store for asks that wait, after `roll`; none: only renews. What is here is kept for them
        meanwhile; a sliding lot goes back: its slice may be over when the answer comes."""
        window = self.window
        if window is None:
            raise RuntimeError("a want before its window is known")
        if not waiting:
            return Want(self.key, window, self.limit, 0, 0)
        lot = self.lot
        if lot is not None:
            left = self._emptied(lot)
            if isinstance(window, Sliding):
                self._owe_back(lot, left)
            else:
                self._aside = left
        amount = max(self.share, sum(waiting)) - self._aside
        return Want(self.key, window, self.limit, max(1, amount), max(1, min(waiting) - self._aside))

    def filled(self, want: Want, grant: Grant, asked_at: float, now: float) -> None:
        """Takes a grant in. `asked_at`: this process's clock before the store was asked, so that a lot is never thought
        good for longer than it is."""
        self.known, self.retry = grant.left, grant.retry
        self.failed()
        lot = self.lot
        if isinstance(want.window, Held):
            self.held += grant.amount
            if lot is None and self.held:
                lot = _Lot(want.window, "", inf)
                self._use(lot)
            self._recount(int(grant.lot))
        if not grant.amount:
            self._owe(0)
            return
        if lot is None or not (isinstance(want.window, Held) or lot.name == grant.lot):
            if lot is not None:
                self._owe_back(lot, self._emptied(lot))
                self._retire(lot, asked_at)
            lot = _Lot(want.window, grant.lot, inf)
        if not isinstance(want.window, Held):
            lot.until = asked_at + grant.until - grant.at
        lot.size += grant.amount
        self._use(lot)
        self._seen = (lot.total, now)

    def failed(self) -> None:
        """The store was asked; what was kept for those that wait is here again."""
        aside, self._aside = self._aside, 0
        if self.lot is not None:
            self._size(aside)

    def _recount(self, counted: int) -> None:
        """The store counts other units for this worker than it holds: it forgot some, or an answer of it got lost."""
        wrong = counted - (self.held + sum(self.back.values()) - self.owed)
        if wrong < 0:
            self._owe(-wrong)
            self._changed(self, True)
        elif wrong > 0 and self.lot is not None:
            self.held += wrong
            self._owe_back(self.lot, wrong)

    def returns(self) -> list[Return]:
        """What is to be brought to the store, and is no longer here: who asked for it must say if it did not get there
        (`unpaid`). Units to give back that get lost stay counted."""
        found = [Return(self.key, window, lot, amount) for (window, lot), amount in self.back.items()]
        self.back.clear()
        if self.owed and self.window is not None:
            found.append(Return(self.key, self.window, "", -self.owed))
            self._owe(-self.owed)
        return found

    def unpaid(self, amount: int) -> None:
        """Units used beyond what was taken did not get to the store."""
        self._owe(amount)

    @property
    def busy(self) -> bool:
        """Whether something here belongs to the store."""
        return self.lot is not None or bool(self.back) or bool(self.owed)

    def let_go(self) -> None:
        """Everything that was not used goes back: this worker ends."""
        lot = self.lot
        if lot is not None:
            self._use(None)
            self._owe_back(lot, self.held if isinstance(lot.window, Held) else lot.left)

    @property
    def renews(self) -> float:
        """Seconds within which the store must hear of this worker; inf: never."""
        return self.window.ttl / 3 if isinstance(self.window, Held) and self.held else inf


def _resets(window: Window, now: float, used: bool) -> float:
    """Seconds until nothing is used, if nothing more comes."""
    if not used:
        return 0.0
    if isinstance(window, Fixed):
        return max(0.0, window.ends - now)
    return window.seconds if isinstance(window, Sliding) else HELD_RETRY
