"""The ledger's subscriber: takes what ended, and has it written by a thread of its own, some rows at a time.

On the event loop events become bytes, `CHUNK` at a time: what waits is small and out of the way of the caches. The
thread hands them to a `Book`, at the latest `flush` seconds after they came; they become rows (rows.py) where the book
is written. While it cannot be they wait, and beyond `WAITING_MOST` the oldest are given up: counted, and told in the
log. A row keeps its id over all attempts, so none is ever written twice.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from msgspec.structs import replace

from gateway.events import Aside, Event, Finished, Record
from gateway.telemetry.rows import Chunks, as_request, packed

BATCH: Final = 2000  # rows of one write
CHUNK: Final = 25  # events that become bytes at a stretch
WAITING_MOST: Final = 50_000  # rows that are kept while nothing can be written
PAUSE_FIRST, PAUSE_MOST = 0.25, 10.0  # seconds between attempts
FORGET_EVERY: Final = 600.0
FORGET_ROWS: Final = 1000


class Book(Protocol):
    """Where rows go; its methods block. `down` is what they raise where trying again may help.

    `write` says how many rows could not be taken at all, `forget` how many older than an epoch second were deleted.
    """

    def prepare(self) -> None: ...

    def write(self, rows: Chunks) -> int: ...

    def forget(self, before: float, most: int) -> int: ...


class Recorder:
    """One per process. `tell` takes a level, a message and fields, and may be called from any thread."""

    def __init__(
        self,
        book: Book,
        *,
        node: str,
        flush: float,
        keep: float | None,
        tell: Callable[..., None],
        wall: Callable[[], float] = time.time,
        waiting_most: int = WAITING_MOST,
    ) -> None:
        self.written = 0
        self.dropped = 0  # by the loop: there was no room
        self.refused = 0  # by the database
        self._book = book
        self._node = node
        self._flush = flush
        self._keep = keep
        self._tell = tell
        self._wall = wall
        self._most = waiting_most
        self._events: deque[Finished] = deque()
        self._chunks: deque[tuple[int, bytes]] = deque()  # how many rows, and they
        self._batch: list[tuple[int, bytes]] = []
        self._wake = threading.Event()
        self._idle = threading.Condition()
        self._asked = 0  # flushes that were asked for, and those that have begun after what they were to write had come
        self._done = 0
        self._closing = self._abandoned = False
        self._forgot = 0.0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Takes one event in."""
        if type(event) is not Finished:
            if type(event) is not Aside:
                return
            event = as_request(event, self._wall())
        if event.record is None:
            event = replace(event, record=Record(at=self._wall()))
        events = self._events
        events.append(event)
        if len(events) >= CHUNK:
            self._pack()
            if len(self._chunks) * CHUNK > self._most:
                self.dropped += self._chunks.popleft()[0]
            elif len(self._chunks) == BATCH // CHUNK:
                self._wake.set()

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        return len(self._events) + sum(count for count, _ in (*self._chunks.copy(), *self._batch))

    def _pack(self) -> None:
        """Makes bytes of some events. Called by the loop and the thread, at the same time perhaps."""
        events = self._events
        some: list[Finished] = []
        with suppress(IndexError):  # the other one took the last
            while events and len(some) < CHUNK:
                some.append(events.popleft())
        if some:
            self._chunks.append((len(some), packed(some)))

    def flush(self, within: float) -> bool:
        """Waits until everything that had come is written; whether it was, within so many seconds. Blocks."""
        with self._idle:
            self._asked += 1
            mine = self._asked
            self._wake.set()
            return self._idle.wait_for(lambda: self._done >= mine, within)

    def close(self, within: float) -> int:
        """Writes what waits and ends the thread; how many rows were given up. Blocks."""
        self._closing = True
        self._wake.set()
        self._thread.join(within)
        self._abandoned = True
        return self.waiting

    def _run(self) -> None:
        pause = PAUSE_FIRST
        prepared = troubled = False
        while True:
            if not self._batch and not (self._closing and (self._events or self._chunks)):
                if self._closing:
                    return
                self._wake.wait(self._flush)
            self._wake.clear()
            asked = self._asked
            try:
                if not prepared:
                    self._book.prepare()
                    prepared = True
                while self._write():
                    pass
                self._forget()
            except Exception as error:
                # Whatever a database comes up with, the thread must outlive it.
                if not troubled:
                    self._tell("error", "the ledger cannot be written", why=str(error), waiting=self.waiting)
                troubled = True
                if self._abandoned:
                    return
                self._wake.wait(pause)
                pause = min(PAUSE_MOST, pause * 2)
                continue
            if troubled:
                self._tell("warning", "the ledger is written again", dropped=self.dropped)
            troubled, pause = False, PAUSE_FIRST
            with self._idle:
                self._done = asked
                self._idle.notify_all()

    def _write(self) -> bool:
        """Writes one batch; whether there was one."""
        if not self._batch:
            if len(self._chunks) < BATCH // CHUNK:
                self._pack()
            with suppress(IndexError):  # the loop gave up the last
                while self._chunks and len(self._batch) < BATCH // CHUNK:
                    self._batch.append(self._chunks.popleft())
            if not self._batch:
                return False
        batch = Chunks(self._batch, self._node)
        refused = self._book.write(batch)
        if refused:
            self.refused += refused
            self._tell("error", "the ledger's database does not take some rows", rows=refused)
        self.written += batch.rows - refused
        self._batch = []
        return True

    def _forget(self) -> None:
        now = self._wall()
        if self._keep is None or now - self._forgot < FORGET_EVERY:
            return
        self._forgot = now
        while self._book.forget(now - self._keep, FORGET_ROWS) == FORGET_ROWS and not self._closing:
            time.sleep(0.05)  # others write too
