"""What belongs to which target: sessions of a sticky combo, answers and who made them.

A table of this worker, bounded, the least recently used going first; where there is a store, workers and hosts share
it: it is asked only for what is not in the table, and written in the background when something changes or half of its
time is over. Sharing is a convenience: while the store is down every worker remembers for itself. An entry that another
worker changed is noticed where its target fails. Names hold whose they are, so no two callers share an entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from hashlib import sha256
from math import inf
from typing import Any, Final

import msgspec

from gateway.store.contract import Store, StoreDown

MOST: Final = 20_000  # entries of one table
RECENT: Final = 1.0  # seconds within which nobody is more recently used than another


class Entry(msgspec.Struct):
    """`until`: when it lapses, `told`: when the store was told, `due`: when its next use is more than a later `until`,
    which is at once where it is in the table no more. All are monotonic seconds."""

    value: str
    until: float
    told: float
    due: float


class Bindings:
    """One table. `name` keeps it apart from others in the store. One event loop owns it."""

    __slots__ = ("__weakref__", "_most", "_table", "_tasks", "name", "store")

    def __init__(self, name: str, store: Store | None = None, most: int = MOST) -> None:
        self.name = name
        self.store = store
        self._most = most
        self._table: dict[str, Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._table)

    def find(self, key: str, now: float) -> str | None:
        """What is bound, as far as this worker knows."""
        entry = self.entry(key, now)
        return entry.value if entry is not None else None

    def entry(self, key: str, now: float) -> Entry | None:
        """What is bound, for whoever will renew it: by a later `until` before it is `due`, then by `bind`."""
        entry = self._table.get(key)
        if entry is None:
            return None
        if entry.until <= now:
            self._leave(key)
            return None
        return entry

    def asks(self, key: str, now: float) -> bool:
        """Whether only the store can tell."""
        return self.store is not None and self.find(key, now) is None

    async def ask(self, key: str, now: float, seconds: float) -> str | None:
        """What is bound, as the store knows; it is remembered for `seconds`. None also while the store is down."""
        if self.store is None:
            return None
        try:
            value = await self.store.get(self._shared(key))
        except StoreDown:
            return None
        if value is None:
            return None
        text = value.decode()
        self._keep(key, Entry(text, now + seconds, now, now))
        return text

    def bind(self, key: str, value: str, now: float, seconds: float) -> None:
        """Binds, or renews, for `seconds` from now."""
        entry = self._table.get(key)
        if entry is not None and entry.value == value and now < entry.due:
            entry.until = now + seconds
            return
        told = entry.told if entry is not None and entry.value == value else -inf
        if self.store is not None and now - told > seconds / 2:
            told = now
            self._later(self.store.put(self._shared(key), value.encode(), seconds))
        due = now + RECENT if self.store is None else min(now + RECENT, told + seconds / 2)
        self._keep(key, Entry(value, now + seconds, told, due))

    def drop(self, key: str) -> None:
        """Forgets what is bound."""
        if self._leave(key) and self.store is not None:
            self._later(self.store.delete(self._shared(key)))

    def _keep(self, key: str, entry: Entry) -> None:
        self._leave(key)
        self._table[key] = entry
        if len(self._table) > self._most:
            self._leave(next(iter(self._table)))

    def _leave(self, key: str) -> bool:
        """Takes an entry out of the table, where there is one."""
        entry = self._table.pop(key, None)
        if entry is not None:
            entry.due = -inf
        return entry is not None

    def _shared(self, key: str) -> str:
        whole = "\0".join((self.name, key)).encode("utf-8", "surrogatepass")
        return f"sticky:{sha256(whole).hexdigest()}"

    def _later(self, telling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_told(telling))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _told(telling: Coroutine[Any, Any, None]) -> None:
    try:
        await telling
    except StoreDown:
        return
