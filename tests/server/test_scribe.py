"""The process that writes the ledger for all workers: what depends on it, and what does not."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.server.scribe import Batch, Outcome, Scribed, _attend, _receive, _send, _written
from gateway.store.ledger import book as books
from gateway.store.ledger.book import LedgerDown
from gateway.telemetry.rows import Chunks
from tests.conftest import Running
from tests.server.test_reload import children_of
from tests.server.test_starting import gone, later_of, wait_until

CONFIG = """
version: 1
gateway: {listen: "127.0.0.1:0", workers: 2, auth: open, drain: 3s, ledger: {url: "sqlite:///ledger.db", flush: 50ms}}
providers: {sandbox: {}}
models: {m: {provider: sandbox}}
"""


def ask(running: Running, times: int = 20) -> None:
    """Requests over connections of their own, so that both workers get some."""
    for _ in range(times):
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        assert httpx.post(f"{running.url}/v1/chat/completions", json=body).status_code == 200


def written(running: Running) -> int:
    with sqlite3.connect(running.directory / "ledger.db", timeout=10) as connection:
        return int(connection.execute("SELECT count(*) FROM gateway_ledger").fetchone()[0])


def listens(pid: int, port: int) -> bool:
    """Whether a process holds a listening socket of a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")}
    return any(str(fd.readlink()) in inodes for fd in Path(f"/proc/{pid}/fd").iterdir())


def scribe_of(running: Running) -> int:
    """The only child that takes no connections."""
    children = children_of(running.process.pid)
    assert len(children) == 3
    (scribe,) = (pid for pid in children if not listens(pid, running.port))
    return scribe


@pytest.mark.parametrize("forked", [False, True])
def test_one_process_writes_for_all_workers_and_ends_with_them(launch: Any, forked: bool) -> None:
    running = launch(CONFIG, forked=forked)
    scribe = scribe_of(running)
    ask(running)
    wait_until(lambda: written(running) == 20)
    os.kill(scribe, signal.SIGSTOP)
    ask(running)  # requests do not wait for it
    time.sleep(0.3)
    assert written(running) == 20
    os.kill(scribe, signal.SIGCONT)
    wait_until(lambda: written(running) == 40)
    ask(running, 5)
    assert running.stop() == 0
    assert written(running) == 45
    assert gone(scribe)
    assert "scribe" not in running.log.read_text()


def test_workers_write_by_themselves_when_it_is_gone(launch: Any) -> None:
    running = launch(CONFIG)
    scribe = scribe_of(running)
    ask(running)
    os.kill(scribe, signal.SIGKILL)
    ask(running, 60)
    wait_until(lambda: written(running) == 80)
    first = children_of(running.process.pid)
    os.kill(next(pid for pid in first if pid != scribe), signal.SIGKILL)
    wait_until(lambda: later_of(running, first))
    running.wait(lambda health: health["workers"] == 2)
    ask(running, 40)
    wait_until(lambda: written(running) == 120)
    assert running.stop() == 0
    assert "the ledger's scribe is gone: this worker writes its rows itself" in running.log.read_text()


def test_a_later_worker_has_its_rows_written_too(launch: Any) -> None:
    running = launch(CONFIG)
    scribe = scribe_of(running)
    first = [pid for pid in children_of(running.process.pid) if pid != scribe]
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(later_of(running, [*first, scribe])) == 2)
    running.wait(lambda health: health["workers"] == 2)
    os.kill(scribe, signal.SIGSTOP)
    ask(running)
    time.sleep(0.3)
    assert written(running) == 0
    os.kill(scribe, signal.SIGCONT)
    wait_until(lambda: written(running) == 20)


def test_it_ends_when_the_supervisor_is_killed(launch: Any) -> None:
    running = launch(CONFIG)
    scribe = scribe_of(running)
    ask(running)
    os.kill(running.process.pid, signal.SIGKILL)
    assert running.process.wait(10) == -signal.SIGKILL
    wait_until(lambda: gone(scribe))
    assert written(running) == 20, "the workers have had theirs written before"


class Book:
    """A worker's own book: what it was given."""

    def __init__(self) -> None:
        self.rows = 0

    def prepare(self) -> None: ...

    def write(self, rows: Chunks) -> int:
        self.rows += rows.rows
        return 0

    def forget(self, before: float, most: int) -> int:
        return 0


ROWS = Chunks([(2, b"two"), (1, b"one")], "here")
Answer = Callable[[socket.socket], None]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def dictated(ends: tuple[socket.socket, socket.socket], answer: Answer) -> tuple[Scribed, Book, list[str]]:
    """A worker's book, whose scribe has taken a batch and is about to answer."""
    told: list[str] = []
    book = Book()

    def take() -> None:
        batch = _receive(ends[1], Batch)
        assert batch == Batch("sqlite:///x", "here", [(2, b"two"), (1, b"one")])
        answer(ends[1])

    threading.Thread(target=take).start()
    scribed = Scribed(book, "sqlite:///x", ends[0], lambda level, message, **_: told.append(message))  # type: ignore[arg-type]
    return scribed, book, told


def test_what_became_of_a_batch_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    scribed, book, told = dictated(ends, lambda end: _send(end, Outcome(refused=2)))
    assert scribed.write(ROWS) == 2
    assert (book.rows, told) == (0, [])


def test_a_database_that_is_down_is_no_reason_to_write_without_the_scribe(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    scribed, book, told = dictated(ends, lambda end: _send(end, Outcome(down="away")))
    with pytest.raises(LedgerDown, match="away"):
        scribed.write(ROWS)
    assert (book.rows, told) == (0, [])


@pytest.mark.parametrize(
    "answer",
    [
        lambda end: end.close(),
        lambda end: (end.sendall(b"\0\0"), end.close()),
        lambda end: end.sendall(b"\0\0\0\1\xc1"),  # no msgpack
    ],
)
def test_rows_of_a_batch_without_an_answer_are_written_here(
    ends: tuple[socket.socket, socket.socket], answer: Answer
) -> None:
    scribed, book, told = dictated(ends, answer)
    assert scribed.write(ROWS) == 0
    assert scribed.write(ROWS) == 0, "and nobody is asked any more"
    assert book.rows == 6
    assert told == ["the ledger's scribe is gone: this worker writes its rows itself"]


def test_a_worker_whose_rows_are_not_understood_is_left_alone(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket]
) -> None:
    book = books.Book(f"sqlite:///{tmp_path}/ledger.db")
    book.prepare()
    _send(ends[0], Batch(f"sqlite:///{tmp_path}/ledger.db", "here", [(1, msgspec.msgpack.encode([["too short"]]))]))
    assert _attend(ends[1], {}) is False
    assert book.latest(1) == []
    book.close()


def test_it_lets_go_of_a_ledger_that_has_another_url_by_now(tmp_path: Path) -> None:
    kept: dict[str, books.Book] = {}
    for name in "abca":
        books.Book(f"sqlite:///{tmp_path}/{name}.db").prepare()
        assert _written(Batch(f"sqlite:///{tmp_path}/{name}.db", "here", []), kept) == Outcome()
    assert [Path(url).stem for url in kept] == ["c", "a"]


def test_whatever_is_wrong_with_a_database_the_worker_is_told() -> None:
    assert _written(Batch("nonsense://", "here", []), {}).down == "The ledger is `sqlite:///FILE` or `postgresql://…`."
