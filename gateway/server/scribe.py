"""The scribe: a process that writes the ledger's rows for all workers of a gateway.

A worker that writes rows by itself shares its interpreter and its core's caches with the loop that serves requests, and
waits for the other workers' transactions. So it hands whole batches to the scribe, as packed as they are, and is told
what became of each. Nothing depends on the scribe: a worker that has none, or whose scribe is gone, writes by itself. A
row keeps its id, so that none is written twice.

Between them is a stream of messages, each with its length before it. A worker's end comes to the scribe over `control`,
the supervisor's end; the scribe ends when the supervisor and all workers have closed theirs.
"""

from __future__ import annotations

import gc
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from gateway.telemetry.rows import Chunks

if TYPE_CHECKING:
    from gateway.store.ledger.book import Book

PATIENCE: Final = 60.0  # seconds that a worker waits for a batch: a database may take some for a statement
_WHOLE: Final = 5.0  # seconds within which a message that has begun is there
_LENGTH: Final = 4  # bytes, the first the highest
_BOOKS_MOST: Final = 2  # URLs of the ledger: some workers may still have the former one

T = TypeVar("T")


class Batch(msgspec.Struct, array_like=True):
    """Rows of `node` for the ledger at `url`, as `Chunks` has them."""

    url: str
    node: str
    chunks: Sequence[tuple[int, bytes]]


class Outcome(msgspec.Struct, array_like=True):
    """What became of a batch: `refused` are the rows that no database takes, `down` says why nothing was written."""

    refused: int = 0
    down: str | None = None


class Scribed:
    """A worker's book that has its rows written by the scribe at the other end of `scribe`, where there is one. `place`
    is the book and its URL; it may be set from any thread, and rows go there from then on. `tell` takes a level and a
    message. Methods block, and raise what those of `Book` do."""

    def __init__(self, book: Book, url: str, scribe: socket.socket | None, tell: Callable[..., None]) -> None:
        self.place = (book, url)
        self._scribe = scribe
        self._tell = tell
        if scribe is not None:
            scribe.settimeout(PATIENCE)

    def prepare(self) -> None:
        """As `Book.prepare`."""
        self.place[0].prepare()

    def write(self, rows: Chunks) -> int:
        """As `Book.write`."""
        book, url = self.place
        if self._scribe is not None:
            try:
                return self._dictate(self._scribe, url, rows)
            except (OSError, msgspec.DecodeError) as error:
                self._scribe.close()
                self._scribe = None
                self._tell("warning", "the ledger's scribe is gone: this worker writes its rows itself", why=str(error))
        return book.write(rows)

    def forget(self, before: float, most: int) -> int:
        """As `Book.forget`."""
        return self.place[0].forget(before, most)

    def _dictate(self, scribe: socket.socket, url: str, rows: Chunks) -> int:
        from gateway.store.ledger.book import LedgerDown

        _send(scribe, Batch(url, rows.node, rows.packed))
        outcome = _receive(scribe, Outcome)
        if outcome is None:
            raise ConnectionResetError("it has ended")
        if outcome.down is not None:
            raise LedgerDown(outcome.down)
        return outcome.refused


def live(control: socket.socket) -> None:
    """The scribe's life, in a process of its own: the supervisor says when it is over, and not a signal."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    gc.set_threshold(20_000)  # a batch is thousands of lists and tuples, and none of them leads to itself
    books: dict[str, Book] = {}
    with selectors.DefaultSelector() as ends:
        ends.register(control, selectors.EVENT_READ)
        while ends.get_map():
            for key, _ in ends.select():
                end = key.fileobj
                if not isinstance(end, socket.socket):
                    raise TypeError("only sockets are waited for")
                if end is control:
                    come = socket.recv_fds(control, 1, 1)[1]
                    for fd in come:
                        worker = socket.socket(fileno=fd)
                        worker.settimeout(_WHOLE)
                        ends.register(worker, selectors.EVENT_READ)
                    there = bool(come)
                else:
                    there = _attend(end, books)
                if not there:
                    ends.unregister(end)
                    end.close()


def _attend(end: socket.socket, books: dict[str, Book]) -> bool:
    """Writes one batch of a worker; False when the worker is gone, or is not understood."""
    try:
        batch = _receive(end, Batch)
        if batch is not None:
            _send(end, _written(batch, books))
    except (OSError, msgspec.DecodeError):
        return False
    return batch is not None


def _written(batch: Batch, books: dict[str, Book]) -> Outcome:
    from gateway.store.ledger.book import Book

    try:
        book = books.get(batch.url)
        if book is None:
            if len(books) == _BOOKS_MOST:
                books.pop(next(iter(books))).close()
            book = books[batch.url] = Book(batch.url)
        return Outcome(refused=book.write(Chunks(batch.chunks, batch.node)))
    except msgspec.DecodeError:
        raise  # a worker of another version, which was installed since: it is to write by itself
    except Exception as error:
        # Whatever a database comes up with: the worker keeps its rows and says what it was.
        return Outcome(down=str(error) or type(error).__name__)


def _send(end: socket.socket, message: msgspec.Struct) -> None:
    body = msgspec.msgpack.encode(message)
    end.sendall(len(body).to_bytes(_LENGTH, "big") + body)


def _receive(end: socket.socket, kind: type[T]) -> T | None:
    """The next message; None where the other side is gone. Raises OSError and msgspec.DecodeError."""
    length = _read(end, _LENGTH)
    body = _read(end, int.from_bytes(length, "big")) if length is not None else None
    return msgspec.msgpack.decode(body, type=kind) if body is not None else None


def _read(end: socket.socket, size: int) -> bytearray | None:
    """So many bytes; None where the other side is gone before."""
    found = bytearray(size)
    rest = memoryview(found)
    while rest:
        got = end.recv_into(rest)
        if not got:
            return None
        rest = rest[got:]
    return found
