"""The ledger's database, on SQLite and on PostgreSQL: migrations, writing, finding, forgetting."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, insert, select, text

from gateway.store.ledger import book as books
from gateway.store.ledger.address import address, problem
from gateway.store.ledger.book import Book, LedgerDown, LedgerUnusable, Values
from gateway.store.ledger.tables import ALIKE, COLUMNS, LEDGER, METADATA, OWN, VERSION, VERSION_TABLE
from gateway.telemetry import rows
from tests.servers import PostgresServer

Rows = list[tuple[Values, list[Values]]]


def row(name: str, **fields: object) -> Rows:
    """One row, as rows are written."""
    values: dict[str, object] = {
        "id": name, "line": "request", "request_id": name, "at": 1000.0, "key": "k", "tags": '["a"]',
        "operation": "chat", "protocol": "openai-chat", "asked": "m", "route": "m", "status": 200, "stream": False,
        "attempts": 1, "path": '{"tried":[],"skipped":[]}', "seconds": 0.5, "lossy": "[]", "revision": "r", "node": "n",
        **fields,
    }  # fmt: skip
    alike, own = (tuple(values.get(column) for column in columns) for columns in (ALIKE, OWN))
    return [(alike, [own])]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/ledger.db"
    server: PostgresServer = request.getfixturevalue("shared_postgres")
    return server.create(f"d{uuid4().hex}")


@pytest.fixture
def book(url: str) -> Iterator[Book]:
    book = Book(url)
    book.prepare()
    yield book
    book.close()


def test_rows_come_back_as_they_were_written(book: Book) -> None:
    assert book.write(row("a", input=3, cost=10**12, estimated=True) + row("b")) == 0
    found = book.find("a", "k")
    assert found is not None
    assert found["tags"] == ["a"] and found["path"] == {"tried": [], "skipped": []}
    assert (found["input"], found["cost"], found["estimated"], found["stream"]) == (3, 10**12, True, False)


def test_a_row_is_written_once(book: Book) -> None:
    book.write(row("a", status=200))
    assert book.write(row("a", status=500) + row("b")) == 0
    assert [book.find(name, None)["status"] for name in "ab"] == [200, 200]  # type: ignore[index]


def test_rows_that_have_values_alike_are_each_written_with_them(book: Book) -> None:
    """More than one statement takes, and some that are left."""
    ((alike, (own,)),) = row("", key="x", tags='["b"]', estimated=True)
    some = [(f"n{n}", *own[1:]) for n in range(21)]
    others = [(alike_, [("o1", *own_[1:]), ("o2", *own_[1:])]) for alike_, (own_,) in row("", key="y", cache="hit")]
    assert book.write([(alike, some), *others]) == 0
    found = {found["id"]: found for found in book.latest(100)}
    assert set(found) == {*(f"n{n}" for n in range(21)), "o1", "o2"}
    for name, each in found.items():
        assert (each["key"], each["cache"]) == (("x", None) if name[0] == "n" else ("y", "hit"))
        assert (each["tags"], each["estimated"]) == ((["b"], True) if name[0] == "n" else (["a"], None))
        assert (each["asked"], each["seconds"]) == ("m", 0.5)


def test_rows_of_many_kinds_are_two_statements(book: Book) -> None:
    """Each is a way to the server and back."""
    executed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        executed.append(statement[:6])

    event.listen(book._engine, "before_cursor_execute", note)
    rows: Rows = []
    for n in range(100):
        ((alike, (own,)),) = row(f"n{n}", key=f"k{n % 60}")
        rows.append((alike, [own]))
    assert book.write(rows) == 0
    assert executed.count("INSERT") <= 2
    assert {each["id"]: each["key"] for each in book.latest(200)} == {f"n{n}": f"k{n % 60}" for n in range(100)}


def test_rows_are_written_where_parameters_cannot_be_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_NUMBERS", False)
    book = Book(f"sqlite:///{tmp_path}/ledger.db")
    book.prepare()
    ((alike, (own,)),) = row("", key="x")
    assert book.write([(alike, [(f"n{n}", *own[1:]) for n in range(21)]), *row("other", key="y")]) == 0
    assert sorted(each["key"] for each in book.latest(100)) == ["x"] * 21 + ["y"]
    book.close()


def test_a_request_is_found_by_each_of_its_ids_by_its_own_key_only(book: Book) -> None:
    book.write(row("own", request_id="theirs", answer_id="chatcmpl-1") + row("other", request_id="theirs", key="x"))
    for name in ("own", "theirs", "chatcmpl-1"):
        found = book.find(name, "k")
        assert found is not None and found["id"] == "own"
    assert book.find("own", "x") is None
    assert book.find("own", None) is not None
    assert book.find("nothing", None) is None


def test_of_an_id_that_came_twice_the_newest_is_found_and_no_line_beside_it(book: Book) -> None:
    book.write(row("1", request_id="same", at=1.0) + row("2", request_id="same", at=2.0))
    book.write(row("3", request_id="same", at=3.0, line="loser"))
    assert book.find("same", "k")["id"] == "2"  # type: ignore[index]


def test_what_no_database_takes_keeps_no_other_row_out(book: Book) -> None:
    odd = row("o\0dd", asked="m\udcff", input=1 << 70, tags='["\\u0000"]')
    assert book.write(row("a") + odd + row("b") + row("c", route=None)) == 1  # a row without a route is none
    assert book.find("a", None) and book.find("b", None)
    tamed = book.find("odd", None)
    assert tamed is not None and tamed["asked"] == "m?" and tamed["input"] == (1 << 63) - 1


def test_old_rows_are_forgotten_some_at_a_time(book: Book) -> None:
    for n in range(10):
        book.write(row(str(n), at=float(n)))
    assert book.forget(8.0, 5) == 5
    assert book.forget(8.0, 5) == 3
    assert book.forget(8.0, 5) == 0
    assert [n for n in range(10) if book.find(str(n), None)] == [8, 9]


def test_migrating_comes_to_the_table_that_is_written(url: str, book: Book) -> None:
    engine = create_engine(address(url).url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert context.get_current_revision() == VERSION
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def _script(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(books.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


VERSIONS = [script.revision for script in ScriptDirectory.from_config(_script(None)).walk_revisions()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ledger_of_every_version_comes_to_this_one_with_its_rows(url: str, version: str) -> None:
    """Rows as that version wrote them: every column it had."""
    if url.startswith("sqlite"):
        address(url).path.parent.mkdir()  # type: ignore[union-attr]
    engine = create_engine(address(url).url)
    with engine.begin() as connection:
        command.upgrade(_script(connection), version)
    table = LEDGER.to_metadata(METADATA.__class__())
    ((alike, (own,)),) = row("old")
    with engine.begin() as connection:
        connection.execute(
            insert(table), [{**dict(zip(COLUMNS, own + alike, strict=True)), "tags": [], "path": {}, "lossy": []}]
        )
    engine.dispose()
    book = Book(url)
    book.prepare()
    book.write(row("new"))
    assert book.find("old", "k") is not None and book.find("new", "k") is not None
    book.close()


def test_a_ledger_of_a_newer_gateway_is_left_alone(url: str, book: Book) -> None:
    engine = create_engine(address(url).url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerUnusable, match=r"version 9999.*knows 0002"):
        Book(url).prepare()


def _prepare(url: str, results: multiprocessing.Queue[str]) -> None:
    try:
        Book(url).prepare()
        results.put("")
    except Exception as error:
        results.put(repr(error))


def test_several_that_begin_at_once_migrate_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_prepare, args=(url, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [""] * 4
    for worker in workers:
        worker.join()
    engine = create_engine(address(url).url)
    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all() == [VERSION]
        assert connection.execute(select(LEDGER)).all() == []
    engine.dispose()


def test_a_database_that_is_away_is_down_and_comes_back(postgres: PostgresServer) -> None:
    book = Book(postgres.url)
    book.prepare()
    postgres.kill()
    with pytest.raises(LedgerDown) as down:
        book.write(row("a"))
    assert "INSERT" not in str(down.value)
    postgres.restart()
    assert book.write(row("a")) == 0
    assert book.find("a", "k") is not None
    book.close()


def test_a_file_that_somebody_else_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_BUSY", 0.05)
    book = Book(f"sqlite:///{tmp_path}/ledger.db")
    book.prepare()
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerDown, match="locked"):
        book.write(row("a"))
    assert book.find("a", None) is None  # reading goes on meanwhile
    other.execute("COMMIT")
    other.close()
    assert book.write(row("a")) == 0
    book.close()


def test_the_rows_of_the_subscriber_are_those_of_the_table() -> None:
    assert (rows.OWN, rows.ALIKE) == (OWN, ALIKE)
    assert sorted(COLUMNS) == sorted(LEDGER.columns.keys())


def test_the_version_is_the_last_migration() -> None:
    assert ScriptDirectory.from_config(_script(None)).get_current_head() == VERSION


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "sqlite:///./state/ledger.db"),
        ("sqlite:///:memory:", "sqlite:///./state/ledger.db"),
        ("mysql://h/d", "postgresql://"),
        ("postgresql://host", "host:5432/database"),
        ("postgresql://host:x/d", "host:5432/database"),
        ("sqlite:////no/such/folder/x.db", "mkdir -p /no/such/folder"),
        ("sqlite:////tmp", "is a folder"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_showing_it(url: str, words: str) -> None:
    found = problem(url)
    assert found is not None and words in found


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(address("postgresql://me:hunter2@h/d"))
    assert problem("postgresql://me:hunter2@h/d") is None


def test_the_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.ledger.address.find_spec", lambda name: None)
    assert "pip install 'gateway[postgres]'" in str(problem("postgres://h/d"))
