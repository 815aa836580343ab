"""The ledger of a worker: opened with its first configuration, written to its last request.

`Recording` is the book, which is read by /generation, and the recorder, which writes into it. The libraries of
databases are imported by those only whose file says `gateway.ledger`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.config.model import Config
from gateway.config.refs import Ref, Secrets
from gateway.failure import Refusal, Refused
from gateway.server.scribe import Scribed
from gateway.telemetry.ledger import Recorder
from gateway.telemetry.metrics import Sample

if TYPE_CHECKING:
    from gateway.store.ledger.book import Book

T = TypeVar("T")

FLUSH_WITHIN: Final = 2.0  # seconds that a reader waits for what is not written yet
CLOSE_WITHIN: Final = 4.0  # seconds that a stop waits for it
_AGAIN: Final = 2.0  # seconds between looks whether a new URL serves
_OTHERS: Final = 0.25  # seconds beyond a flush after which another worker's rows are there


class Recording:
    """See the module. `tell` takes a level, a message and fields."""

    def __init__(self, writes: Scribed, recorder: Recorder, flush: float, tell: Callable[..., None]) -> None:
        self.recorder = recorder
        self._writes = writes
        self._wanted = writes.place[1]
        self._flush = flush
        self._tell = tell
        self._moving: asyncio.Task[None] | None = None
        self._readers = asyncio.Semaphore(2)  # a database that is down must not use up the threads

    def move(self, url: str) -> None:
        """The ledger has another URL: a new password, most often. It is used as soon as it serves, the former until
        then."""
        self._wanted = url
        if url != self._writes.place[1] and (self._moving is None or self._moving.done()):
            self._moving = asyncio.get_running_loop().create_task(self._move())

    async def _move(self) -> None:
        told = ""  # the URL of which the log has heard
        while (url := self._wanted) != self._writes.place[1]:
            try:
                book = await asyncio.to_thread(_prepared, url)
            except Exception as error:
                # Whatever a database or its driver comes up with: the former one serves.
                if told != url:
                    why = str(error)
                    self._tell("error", "the new URL of the ledger does not serve: the former is used", why=why)
                told = url
                await asyncio.sleep(_AGAIN)
                continue
            if url != self._wanted:  # it has changed once more meanwhile
                await asyncio.to_thread(book.close)
                continue
            former, _ = self._writes.place
            self._writes.place = (book, url)
            self._tell("info", "the ledger is used by its new URL")
            await asyncio.to_thread(former.close)

    async def find(self, name: str, key: str | None) -> dict[str, Any] | None:
        """The row of a request by one of its ids, of one key (None: any). What another worker or node has not written
        yet is waited for. Raises `Refused` (503) where the ledger cannot be read."""
        from gateway.store.ledger.book import LedgerDown

        try:
            async with self._readers:
                await asyncio.to_thread(self.recorder.flush, FLUSH_WITHIN)
                row = await asyncio.to_thread(self._writes.place[0].find, name, key)
            if row is None:
                await asyncio.sleep(self._flush + _OTHERS)
                async with self._readers:
                    row = await asyncio.to_thread(self._writes.place[0].find, name, key)
        except LedgerDown:
            raise Refused(
                Refusal(
                    status=503,
                    type="service_unavailable_error",
                    code="ledger_unavailable",
                    message="The ledger cannot be read at the moment. Requests are served all the same.",
                    retry_after=5.0,
                )
            ) from None
        return row

    async def close(self) -> int:
        """Writes what waits, for some seconds; how many rows were given up."""
        if self._moving is not None:
            self._moving.cancel()
        lost = await asyncio.to_thread(self.recorder.close, CLOSE_WITHIN)
        self._writes.place[0].close()
        return lost

    def samples(self) -> list[Sample]:
        """For /metrics."""
        recorder = self.recorder
        return [
            Sample("gateway_ledger_rows_total", ("written",), [recorder.written]),
            Sample("gateway_ledger_rows_total", ("dropped",), [recorder.dropped + recorder.refused]),
            Sample("gateway_ledger_waiting", (), [recorder.waiting]),
        ]


class Unread(Exception):  # noqa: N818 - it reads as what happened
    """A ledger cannot be read; its text says why, and shows nothing of the URL."""


def looked_up(url: str, name: str) -> dict[str, Any] | None:
    """The row of a request by one of its ids, from a ledger that somebody else writes. Raises `Unread`. Blocks."""
    return _read(url, lambda book: book.find(name, None))


def latest(url: str, most: int) -> list[dict[str, Any]]:
    """The last requests of a ledger that somebody else writes, the oldest first. Raises `Unread`. Blocks."""
    return _read(url, lambda book: book.latest(most))


def _read(url: str, ask: Callable[[Book], T]) -> T:
    from gateway.store.ledger.address import address
    from gateway.store.ledger.book import Book, LedgerDown, LedgerUnusable

    try:
        place = address(url)
    except ValueError as error:
        raise Unread(str(error)) from None
    if place.path is not None and not place.path.is_file():
        raise Unread(f"There is no ledger {place.path}.")
    book = Book(url)
    try:
        return ask(book)
    except (LedgerDown, LedgerUnusable) as error:
        raise Unread(f"The ledger cannot be read: {error}") from None
    finally:
        book.close()


async def opened(
    config: Config, secrets: Secrets, tell: Callable[..., None], scribe: socket.socket | None = None
) -> Recording | None:
    """The ledger of a configuration, None where it has none. One that is down now is written later. `scribe`: the end
    to the process that writes it for this one, where there is one.

    Raises `LedgerUnusable` where its database is not for this gateway.
    """
    ledger = config.gateway.ledger
    if ledger is None:
        return None
    from gateway.store.ledger.book import Book, LedgerDown

    url = ledger_of(config, secrets)
    book = Book(url)
    try:
        await asyncio.to_thread(book.prepare)
    except LedgerDown as down:
        tell("warning", "the ledger cannot be opened; rows wait for it", why=str(down))
    writes = Scribed(book, url, scribe, tell)
    recorder = Recorder(writes, node=socket.gethostname(), flush=ledger.flush, keep=ledger.keep, tell=tell)
    recorder.start()
    return Recording(writes, recorder, ledger.flush, tell)


def _prepared(url: str) -> Book:
    """A book that serves. What was opened for one that does not is closed. Blocks."""
    from gateway.store.ledger.book import Book

    book = Book(url)
    try:
        book.prepare()
    except BaseException:
        book.close()
        raise
    return book


def ledger_of(config: Config, secrets: Secrets) -> str:
    """Where the ledger is; "" where there is none."""
    ledger = config.gateway.ledger
    if ledger is None:
        return ""
    return secrets.value(ledger.url) if isinstance(ledger.url, Ref) else ledger.url
