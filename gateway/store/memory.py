"""The store of one process: exact, synchronous inside, and forgotten with the process.

`lease_now` and `counter` are for whoever is in the same process: a `Counter` is the thing itself, so that taking from
it costs less than a microsecond and needs no lots. Values are bounded by their bytes; the least recently used go first.
A counter of which nothing is used is forgotten, unless somebody still holds it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol
from weakref import WeakSet, WeakValueDictionary

import msgspec

from gateway.store import counting
from gateway.store.contract import Fixed, Grant, Held, Return, Want, Window
from gateway.store.counting import Counter, Kept, Totals

VALUES: Final = 64 << 20
_OVERHEAD: Final = 200  # bytes that a value costs beyond its key and itself
_FEWEST: Final = 1024  # counters, visits and tables that are kept before any of them is looked at again


class _Value(msgspec.Struct, frozen=True):
    value: bytes
    until: float
    cost: int


class Reader(Protocol):
    """Who adds to counters by himself; he is told where one of them was changed so that he must look again."""

    def look_again(self) -> None: ...


class Memory:
    """See `contract.Store`. `clock`: seconds since the epoch; `size`: bytes of values."""

    up = True

    def __init__(self, clock: Callable[[], float] = time.time, size: int = VALUES) -> None:
        self.clock = clock
        self._size = size
        self._kept: dict[str, Kept] = {}
        self._known: WeakValueDictionary[str, Kept] = WeakValueDictionary()
        self._sweep_at = _FEWEST
        self._values: OrderedDict[str, _Value] = OrderedDict()
        self._bytes = 0
        self._visits: dict[str, dict[str, float]] = {}
        self._visits_sweep_at = _FEWEST
        self._tables: dict[str, dict[str, tuple[bytes, float]]] = {}
        self.readers: WeakSet[Reader] = WeakSet()

    def counter(self, key: str, window: Window) -> Counter:
        """The counter itself; of a Fixed window, the one of that name."""
        kept = self._of(key, window)
        if isinstance(kept, Totals) and isinstance(window, Fixed):
            return kept.of(self.clock(), window)
        if isinstance(kept, Totals):
            raise TypeError(f"not a fixed window: {window!r}")
        return kept

    def owner(self, key: str, window: Window) -> Kept:
        """What must be held for as long as a `counter` is, lest it be forgotten."""
        return self._of(key, window)

    def lease_now(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        """`lease`, without waiting."""
        now = self.clock()
        for back in returns:
            self._of(back.key, back.window).back(now, back.window, back.lot, back.amount)
        grants = [self._of(want.key, want.window).lease(now, want) for want in wants]
        if self.readers and (_held(wants) or _held(returns)):
            self._tell()  # there are other holders now, or none any more
        return grants

    def _tell(self) -> None:
        for reader in self.readers:
            reader.look_again()

    def used_now(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        """`used`, without waiting."""
        now = self.clock()
        return [counting.used(self._of(key, window), now, window) for key, window in keys]

    def fixed(self) -> list[tuple[str, Fixed, int]]:
        """Every fixed window of which anything is used: its key, itself, how much."""
        return [
            (key, Fixed(name, total.ends), total.total)
            for key, kept in self._kept.items()
            if isinstance(kept, Totals)
            for name, total in kept.named.items()
            if total.total
        ]

    def _of(self, key: str, window: Window) -> Kept:
        kept = self._known.get(key)
        if kept is None or not counting.fits(kept, window):
            if len(self._kept) >= self._sweep_at:
                self._sweep()
            kept = self._known[key] = self._kept[key] = counting.fresh(window)
        return kept

    def _sweep(self) -> None:
        now = self.clock()
        for key in [key for key, kept in self._kept.items() if kept.idle(now)]:
            del self._kept[key]
            held = self._known.get(key)
            if held is not None:
                self._kept[key] = held
        self._sweep_at = max(_FEWEST, 2 * len(self._kept))

    async def now(self) -> float:
        return self.clock()

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        return self.lease_now(wants, returns)

    async def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        return self.used_now(keys)

    async def forget(self, key: str) -> None:
        kept = self._known.get(key)
        if kept is not None:
            kept.clear()
            self._tell()

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        now = self.clock()
        if key not in self._visits and len(self._visits) >= self._visits_sweep_at:
            for old in [old for old, visitors in self._visits.items() if max(visitors.values(), default=now) <= now]:
                del self._visits[old]
            self._visits_sweep_at = max(_FEWEST, 2 * len(self._visits))
        present = self._visits.setdefault(key, {})
        for gone in [gone for gone, until in present.items() if until <= now]:
            del present[gone]
        if member not in present and len(present) >= limit:
            return None
        present[member] = now + ttl
        return len(present)

    async def get(self, key: str) -> bytes | None:
        kept = self._values.get(key)
        if kept is None:
            return None
        if kept.until <= self.clock():
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return kept.value

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        self._drop(key)
        cost = len(key) + len(value) + _OVERHEAD
        if cost > self._size:
            return
        self._values[key] = _Value(value, self.clock() + ttl, cost)
        self._bytes += cost
        self._trim()

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        kept = self._values.get(key)
        if kept is not None and kept.until > self.clock():
            return False
        await self.put(key, value, ttl)
        return True

    async def delete(self, key: str) -> None:
        self._drop(key)

    async def weigh(self, prefix: str) -> tuple[int, int]:
        now = self.clock()
        sizes = [len(each.value) for key, each in self._values.items() if key.startswith(prefix) and each.until > now]
        return len(sizes), sum(sizes)

    async def clear(self, prefix: str) -> int:
        keys = [key for key in self._values if key.startswith(prefix)]
        for key in keys:
            self._drop(key)
        return len(keys)

    def _drop(self, key: str) -> None:
        kept = self._values.pop(key, None)
        if kept is not None:
            self._bytes -= kept.cost

    def _trim(self) -> None:
        while self._bytes > self._size:
            _, kept = self._values.popitem(last=False)
            self._bytes -= kept.cost

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        fields = self._tables.setdefault(table, {})
        fields.pop(field, None)
        if value is not None:
            fields[field] = (value, self.clock() + ttl)

    async def table(self, table: str) -> Mapping[str, bytes]:
        now = self.clock()
        fields = self._tables.get(table, {})
        for gone in [gone for gone, (_, until) in fields.items() if until <= now]:
            del fields[gone]
        return {field: value for field, (value, _) in fields.items()}

    async def bound(self, size: int) -> None:
        self._size = size
        self._trim()

    async def close(self) -> None:
        """There is nothing to let go of."""


def _held(some: Sequence[Want] | Sequence[Return]) -> bool:
    return any(isinstance(each.window, Held) for each in some)
