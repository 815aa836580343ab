"""The ledger's subscriber: rows of events, batches, a book that is away, the end. The book is a list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.events import Aside, Attempted, Finished, Record, Skipped, Trial, new_id
from gateway.ir.usage import Usage
from gateway.telemetry.ledger import BATCH, CHUNK, Recorder
from gateway.telemetry.rows import ALIKE, OWN, Chunks, packed


class Away(Exception):  # noqa: N818 - it reads as what has happened
    pass


class Book:
    """Keeps rows by id. `away`: how many calls fail; `open` holds writers up until it is set."""

    def __init__(self) -> None:
        self.rows: dict[str, SimpleNamespace] = {}
        self.batches: list[int] = []
        self.away = 0
        self.after = False  # fails after it has written, as a connection that is cut before the answer comes
        self.open = threading.Event()
        self.open.set()
        self.forgotten: list[float] = []
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def write(self, rows: Chunks) -> int:
        self.open.wait()
        if self.away and not self.after:
            self.away -= 1
            raise Away("away")
        for alike, some in rows:
            for own in some:
                row = dict(zip(OWN + ALIKE, own + alike, strict=True))
                self.rows.setdefault(row["id"], SimpleNamespace(**row))
        if self.away:
            self.away -= 1
            raise Away("away")
        self.batches.append(rows.rows)
        return 0

    def forget(self, before: float, most: int) -> int:
        self.forgotten.append(before)
        return 0


def finished(name: str, **fields: Any) -> Finished:
    values: dict[str, Any] = {
        "request_id": name, "operation": "chat", "route": "r", "provider": "p", "model": "m", "key": "k",
        "revision": "rev", "status": 200, "kind": None, "stream": False, "attempts": 1, "seconds": 0.5,
        "first_content": None, "usage": Usage(input=3, output=2), **fields,
    }  # fmt: skip
    return Finished(**values)


Make = Callable[..., Recorder]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def told() -> list[tuple[str, str, dict[str, object]]]:
    return []


@pytest.fixture
def make(book: Book, told: list[tuple[str, str, dict[str, object]]]) -> Iterator[Make]:
    made: list[Recorder] = []

    def begin(**fields: Any) -> Recorder:
        values: dict[str, Any] = {"node": "n", "flush": 30.0, "keep": None, "wall": lambda: 5000.0, **fields}
        recorder = Recorder(book, tell=lambda *said, **more: told.append((*said, more)), **values)
        recorder.start()
        made.append(recorder)
        return recorder

    yield begin
    book.open.set()
    for recorder in made:
        recorder.close(5.0)


def test_a_row_says_what_the_event_said(make: Make, book: Book) -> None:
    recorder = make()
    record = Record(
        at=1000.0, id="own", line="loser", team="t", end_user="u", protocol="anthropic", asked="a" * 500,
        upstream="up", credential="main", answer_id="msg_1", finish="stop", policies=("cap",),
        trials=[Trial("m@p", "main", "rate_limit", 429, 0.1), Trial("m", "main", None, 200, 0.2)],
        skipped=[Skipped("z", "too small")],
    )  # fmt: skip
    usage = Usage(
        input=1, output=2, cached=3, cache_write=4, cache_write_1h=5, reasoning=6, audio_input=7, audio_output=8,
        estimated=True,
    )  # fmt: skip
    recorder(
        Finished(
            request_id="theirs", operation="chat", route="r", provider="p", model="m", key="k", revision="rev",
            status=499, kind="cancelled", attempts=2, seconds=0.5, first_content=0.25, cost=9, cache="miss",
            stream=True, usage=usage, lossy=("top_k",), price_source="file", tags=("x", "y"), record=record,
        )
    )  # fmt: skip
    assert recorder.flush(5.0)
    assert vars(book.rows["own"]) == {
        "id": "own", "request_id": "theirs", "at": 1000.0, "seconds": 0.5, "first_content": 0.25, "cost": 9,
        "answer_id": "msg_1", "end_user": "u", "input": 1, "output": 2, "cached": 3, "cache_write": 4,
        "cache_write_1h": 5, "reasoning": 6, "audio_input": 7, "audio_output": 8, "line": "loser",
        "operation": "chat", "protocol": "anthropic", "asked": "a" * 200, "route": "r", "provider": "p", "model": "m",
        "upstream": "up", "credential": "main", "key": "k", "team": "t", "revision": "rev", "status": 499,
        "kind": "cancelled", "finish": "stop", "attempts": 2, "stream": 1, "estimated": 1, "cache": "miss",
        "tags": '["x","y"]', "lossy": '["top_k"]', "node": "n",
        "path": '{"tried":[{"target":"m@p","credential":"main","kind":"rate_limit","status":429,"seconds":0.1},'
        '{"target":"m","credential":"main","kind":null,"status":200,"seconds":0.2}],'
        '"skipped":[{"target":"z","why":"too small"}],"policies":["cap"]}',
    }  # fmt: skip


def test_a_row_of_an_event_that_says_little(make: Make, book: Book) -> None:
    recorder = make()
    recorder(finished("one", usage=None))
    assert recorder.flush(5.0)
    row = vars(book.rows["one"])
    assert {name for name in row if row[name] is None} == {
        "first_content", "cost", "answer_id", "end_user", "upstream", "credential", "team", "kind", "finish",
        "estimated", "cache", *(name for name in Usage.__struct_fields__),
    }  # fmt: skip
    assert (row["id"], row["at"], row["line"], row["path"]) == ("one", 5000.0, "request", '{"tried":[],"skipped":[]}')


def test_rows_are_together_with_those_that_are_like_them() -> None:
    events = [finished(f"{n}", key=f"k{n % 2}", seconds=n / 10, record=Record(at=float(n))) for n in range(6)]
    rows = Chunks([(4, packed(events[:4])), (2, packed(events[4:]))], "n")
    key, id_ = ALIKE.index("key"), OWN.index("id")
    assert [(alike[key], [each[id_] for each in own]) for alike, own in rows] == [
        ("k0", ["0", "2", "4"]), ("k1", ["1", "3", "5"]),
    ]  # fmt: skip
    assert rows.rows == 6


def test_an_id_that_the_client_chose_names_a_row_and_is_none(make: Make, book: Book) -> None:
    recorder = make()
    for _ in range(2):
        recorder(finished("theirs", record=Record(at=1.0, id=new_id())))
    recorder(finished("ours", record=Record(at=1.0)))
    assert recorder.flush(5.0)
    assert sorted(row.request_id for row in book.rows.values()) == ["ours", "theirs", "theirs"]
    assert "ours" in book.rows and "theirs" not in book.rows


def test_a_send_beside_a_request_has_a_line_of_its_own(make: Make, book: Book) -> None:
    recorder = make()
    recorder(
        Aside(
            line="loser", request_id="one", operation="chat", route="r", provider="p", model="m2", key="k", status=499,
            kind="cancelled", stream=True, seconds=2.0, usage=Usage(input=3, estimated=True), credential="main",
        )
    )  # fmt: skip
    recorder(finished("one"))
    recorder(Attempted("p", "main", "m", None, 200, 0.1))  # no row
    assert recorder.flush(5.0)
    assert sorted((row.line, row.request_id, row.model) for row in book.rows.values()) == [
        ("loser", "one", "m2"), ("request", "one", "m"),
    ]  # fmt: skip


def test_many_are_written_before_their_time_in_batches(make: Make, book: Book) -> None:
    recorder = make()
    for number in range(BATCH * 2 + 1):
        recorder(finished(str(number)))
    deadline = time.monotonic() + 5
    while len(book.rows) < BATCH and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(book.rows) >= BATCH  # nobody asked for a flush, and its time has not come
    assert recorder.flush(5.0)
    assert len(book.rows) == BATCH * 2 + 1 and max(book.batches) == BATCH


@pytest.mark.parametrize("after", [False, True])
def test_a_book_that_was_away_gets_every_row_once(
    make: Make, book: Book, told: list[tuple[str, str, dict[str, object]]], after: bool
) -> None:
    book.away, book.after = 2, after
    recorder = make()
    recorder(finished("theirs", record=Record(at=1.0, id=new_id())))
    recorder(finished("one"))
    assert recorder.flush(10.0)
    assert len(book.rows) == 2 and recorder.written == 2
    assert [(level, message) for level, message, _ in told] == [
        ("error", "the ledger cannot be written"), ("warning", "the ledger is written again"),
    ]  # fmt: skip


def test_what_waits_is_bounded_and_the_oldest_go_first(make: Make, book: Book) -> None:
    book.open.clear()
    recorder = make(waiting_most=2 * CHUNK)
    recorder(finished("first"))
    threading.Thread(target=recorder.flush, args=(5.0,)).start()
    deadline = time.monotonic() + 5
    while not recorder._batch and time.monotonic() < deadline:
        time.sleep(0.01)  # the first is on its way into the book, which holds it up
    for number in range(5 * CHUNK + 3):
        recorder(finished(str(number)))
    assert recorder.dropped == 3 * CHUNK and recorder.waiting == 1 + 2 * CHUNK + 3
    book.open.set()
    assert recorder.flush(5.0)
    assert set(book.rows) == {"first", *map(str, range(3 * CHUNK, 5 * CHUNK + 3))}


def test_what_no_database_can_hold_keeps_no_row_from_being_written(make: Make, book: Book) -> None:
    recorder = make()
    recorder(finished("one", usage=Usage(input=1 << 70), tags=("half \ud800",), key="k\ud83d"))
    recorder(finished("two"))
    assert recorder.flush(5.0)
    assert set(book.rows) == {"one", "two"}
    row = book.rows["one"]
    assert (row.input, row.tags, row.key) == ((1 << 63) - 1, '["half ?"]', "k?")


def test_the_end_writes_what_waits(make: Make, book: Book) -> None:
    recorder = make()
    recorder(finished("last"))
    assert recorder.close(5.0) == 0
    assert set(book.rows) == {"last"}


def test_the_end_does_not_wait_for_a_book_that_is_away(make: Make, book: Book) -> None:
    book.away = 1_000_000
    recorder = make()
    recorder(finished("lost"))
    started = time.monotonic()
    assert recorder.close(0.3) == 1
    assert time.monotonic() - started < 2


def test_old_rows_are_forgotten_now_and_then(make: Make, book: Book) -> None:
    recorder = make(keep=1000.0)
    for _ in range(3):
        recorder.flush(5.0)
    assert book.forgotten == [4000.0]
