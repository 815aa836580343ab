"""The store of one host: workers that share a directory. SQLite for counters, visits and tables; files for values.

Everything is done in transactions that lock before they read, and the clock is read inside them, so all processes see
one order. It needs a file system with locks and shared memory: a local one, not NFS. A transaction survives the end of
any process; the last ones before a power failure may be lost. No call blocks the event loop: each of the two halves
has a thread of its own.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.store import counting
from gateway.store.aside import Aside
from gateway.store.contract import Grant, Return, StoreDown, Want, Window
from gateway.store.counting import Kept
from gateway.store.memory import VALUES
from gateway.store.values import Values

PATIENCE: Final = 1.0  # seconds for a lock that another process holds
SWEEP: Final = 60.0  # seconds between two looks for what is over
_PAUSES: Final = (0.0002, 0.001)  # seconds between two tries for a lock
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, kept BLOB NOT NULL, lapses REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS visits (key TEXT, member TEXT, lapses REAL NOT NULL, PRIMARY KEY (key, member))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT, field TEXT, value BLOB, lapses REAL NOT NULL, PRIMARY KEY (name, field))
    WITHOUT ROWID;
"""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Kept)


class Disk:
    """See `contract.Store`. The directory is made where it is missing; only its owner may look into it."""

    up = True  # whether it is, is known by who asks: see `guarded.py`

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], float] = time.time,
        size: int = VALUES,
        patience: float = PATIENCE,
    ) -> None:
        self._counters = _Counters(directory / "counters.db", clock, patience)
        self._values = Values(directory / "values", clock, size)
        self._counting = Aside("the state on this disk", 2 * patience)
        self._keeping = Aside("the values on this disk", 2 * patience)

    async def now(self) -> float:
        return await self._counting.do(self._counters.now)

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        return await self._counting.do(lambda: self._counters.lease(wants, returns))

    async def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        return await self._counting.do(lambda: self._counters.used(keys))

    async def forget(self, key: str) -> None:
        await self._counting.do(lambda: self._counters.forget(key))

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        return await self._counting.do(lambda: self._counters.visit(key, member, ttl, limit))

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        await self._counting.do(lambda: self._counters.note(table, field, value, ttl))

    async def table(self, table: str) -> Mapping[str, bytes]:
        return await self._counting.do(lambda: self._counters.table(table))

    async def get(self, key: str) -> bytes | None:
        return await self._keeping.do(lambda: self._values.get(key))

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self._keeping.do(lambda: self._values.put(key, value, ttl))

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return await self._keeping.do(lambda: self._values.add(key, value, ttl))

    async def delete(self, key: str) -> None:
        await self._keeping.do(lambda: self._values.delete(key))

    async def weigh(self, prefix: str) -> tuple[int, int]:
        return await self._keeping.do(lambda: self._values.weigh(prefix))

    async def clear(self, prefix: str) -> int:
        return await self._keeping.do(lambda: self._values.clear(prefix))

    async def bound(self, size: int) -> None:
        await self._keeping.do(lambda: self._values.bound(size))

    async def close(self) -> None:
        await self._counting.do(self._counters.close)
        await self._keeping.do(self._values.close)
        self._counting.close()
        self._keeping.close()


class _Counters:
    """The SQLite half; all of it on one thread."""

    def __init__(self, path: Path, clock: Callable[[], float], patience: float) -> None:
        self._path = path
        self._clock = clock
        self._patience = patience
        self._open: sqlite3.Connection | None = None
        self._sweep_at = 0.0

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=0.0, isolation_level=None)
            self._insist(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute("PRAGMA synchronous = NORMAL")
            self._insist(lambda: connection.executescript(_TABLES))
            self._open = connection
        return self._open

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite and the file system raise, as StoreDown."""
        try:
            yield
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            raise StoreDown(f"{self._path}: {error}") from error

    @contextmanager
    def _change(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        """A transaction, and the time inside it."""
        with self._told():
            connection = self._connection()
            self._insist(lambda: connection.execute("BEGIN IMMEDIATE"))
            try:
                now = self._clock()
                if now >= self._sweep_at:
                    self._sweep_at = now + SWEEP
                    for table in ("counters", "visits", "notes"):
                        connection.execute(f"DELETE FROM {table} WHERE lapses <= ?", (now,))  # noqa: S608 - three words
                yield connection, now
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _insist(self, work: Callable[[], object]) -> None:
        """Tries until no other process is in the way. SQLite itself would wait in steps that grow to a tenth of a
        second; whoever waits in small ones is served sooner."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
                time.sleep(random.uniform(*_PAUSES))  # noqa: S311 - it guards nothing
            else:
                return

    def now(self) -> float:
        """The clock of this host, where its files can be reached."""
        with self._told():
            self._connection().execute("SELECT 1 FROM counters LIMIT 1").fetchone()
            return self._clock()

    def lease(self, wants: Sequence[Want], returns: Sequence[Return]) -> list[Grant]:
        grants = []
        with self._change() as (connection, now):
            kept = _Pages(connection)
            for back in returns:
                kept.of(back.key, back.window).back(now, back.window, back.lot, back.amount)
            for want in wants:
                grants.append(kept.of(want.key, want.window).lease(now, want))  # noqa: PERF401 - in order, after returns
            kept.write(now)
        return grants

    def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        with self._told():
            kept = _Pages(self._connection())
            now = self._clock()
            return [counting.used(kept.of(key, window), now, window) for key, window in keys]

    def forget(self, key: str) -> None:
        with self._change() as (connection, _):
            connection.execute("DELETE FROM counters WHERE key = ?", (key,))

    def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        with self._change() as (connection, now):
            connection.execute("DELETE FROM visits WHERE key = ? AND lapses <= ?", (key, now))
            ((count,),) = connection.execute("SELECT count(*) FROM visits WHERE key = ?", (key,))
            known = connection.execute("SELECT 1 FROM visits WHERE key = ? AND member = ?", (key, member)).fetchone()
            if known is None and count >= limit:
                return None
            connection.execute("INSERT OR REPLACE INTO visits VALUES (?, ?, ?)", (key, member, now + ttl))
            return int(count) + (known is None)

    def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        with self._change() as (connection, now):
            if value is None:
                connection.execute("DELETE FROM notes WHERE name = ? AND field = ?", (table, field))
            else:
                connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", (table, field, value, now + ttl))

    def table(self, table: str) -> dict[str, bytes]:
        with self._told():
            rows = self._connection().execute(
                "SELECT field, value FROM notes WHERE name = ? AND lapses > ?", (table, self._clock())
            )
            return dict(rows.fetchall())

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _Pages:
    """The counters that one transaction touches."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._kept: dict[str, Kept] = {}

    def of(self, key: str, window: Window) -> Kept:
        kept = self._kept.get(key)
        if kept is None:
            row = self._connection.execute("SELECT kept FROM counters WHERE key = ?", (key,)).fetchone()
            kept = _DECODER.decode(row[0]) if row is not None else counting.fresh(window)
        if not counting.fits(kept, window):
            kept = counting.fresh(window)
        self._kept[key] = kept
        return kept

    def write(self, now: float) -> None:
        rows = [(key, _ENCODER.encode(kept), kept.lapses(now)) for key, kept in self._kept.items()]
        self._connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", rows)
