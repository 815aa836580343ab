"""The ledger's database: opened and migrated, written, searched, and relieved of old rows.

Everything here blocks, for some seconds at most, and belongs into threads. `LedgerDown` is worth trying again,
`LedgerUnusable` is not. What a row holds may come from clients and providers: a value that no database takes (a zero
byte, a number beyond 64 bits) is tamed, and keeps no other row from being written.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Connection, Engine, and_, create_engine, delete, event, inspect, or_, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from gateway.store.ledger.address import address
from gateway.store.ledger.tables import ALIKE, COLUMNS, LEDGER, OTHER, OWN, VERSION, VERSION_TABLE

_BUSY: Final = 5  # seconds that SQLite waits for another writer
_CONNECT: Final = 3  # seconds until a connection to PostgreSQL stands
_STATEMENT: Final = 10_000  # milliseconds that a statement may take there
_LOCK: Final = 0x6761746577617931  # of the migrations, among the advisory locks of a database
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LARGEST: Final = (1 << 63) - 1
# Rows of one statement. The event loop and the thread that writes hand the interpreter to each other with every
# statement, so one row is too few; and what a long one touches pushes the loop's own things out of the processor's
# caches: with 25 rows, requests cost a tenth more. SQLite of before 3.32 takes 999 values in one.
_AT_ONCE: Final = 8
# Python 3.12.0 to 3.12.3 takes `?1` for a name, and warns of every value that it is given (python/cpython#117995).
_NUMBERS: Final = not (3, 12) <= sys.version_info < (3, 12, 4)
# PostgreSQL makes no boolean of 1 or 0 by itself; SQLite has none, and its driver takes ten times as long for True.
_PLACES: Final = {
    column.name: "CAST(CAST(%s AS integer) AS boolean)" for column in LEDGER.columns if isinstance(column.type, Boolean)
}

Values: TypeAlias = tuple[Any, ...]


class LedgerDown(Exception):  # noqa: N818 - it reads as what has happened
    """The database cannot be reached, or did not do it in time; the message holds no URL and no row."""


class LedgerUnusable(Exception):  # noqa: N818 - it reads as what was found
    """The database is not one for this gateway."""


class Book:
    """One per process; its methods may be called from several threads at a time. `url` as in `address.py`."""

    def __init__(self, url: str) -> None:
        where = address(url)
        self._path = where.path
        self._engine = _file_engine(where.url) if where.path is not None else _server_engine(where.url)
        quote = self._engine.dialect.identifier_preparer.quote
        names = ", ".join(map(quote, COLUMNS))
        numbered = where.path is not None and _NUMBERS
        self._groups = iter if numbered else _mixed
        marks = ["?"] * len(COLUMNS) if where.path is not None else [_PLACES.get(name, "%s") for name in COLUMNS]

        def insert(rows: int) -> str:
            values = ", ".join(_numbered(at) if numbered else f"({', '.join(marks)})" for at in range(rows))
            return f"INSERT INTO {LEDGER.name} ({names}) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608

        self._insert, self._insert_some = insert(1), insert(_AT_ONCE)

    def prepare(self) -> None:
        """Brings the database to this version, once, whoever else begins at the same time.

        Raises `LedgerDown`, and `LedgerUnusable` where a newer gateway has been there.
        """
        with _told():
            if self._path is not None:
                self._path.parent.mkdir(exist_ok=True)
            with self._engine.begin() as connection:
                if self._path is None:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                _migrate(connection)

    def write(self, rows: Iterable[tuple[Values, Sequence[Values]]]) -> int:
        """Writes rows: the values of `ALIKE` that some have in common, and those of `OWN` of each. A row whose id is
        there already is left as it is. What is true or false is 1 or 0.

        Returns how many no database would take. Raises `LedgerDown`; then none of them, or all, were written.
        """
        try:
            with _told(), self._engine.begin() as connection:
                for statement, values in self._statements(rows):
                    connection.exec_driver_sql(statement, values)
        except (DataError, IntegrityError, UnicodeError, OverflowError):
            return sum(not self._write_one(alike, each) for alike, own in rows for each in own)
        return 0

    def _statements(self, rows: Iterable[tuple[Values, Sequence[Values]]]) -> Iterator[tuple[str, list[Values]]]:
        """Statements, with the values of each time that they are executed: each is a way to the server and back."""
        some: list[Values] = []
        single: list[Values] = []
        for alike, own in self._groups(rows):
            whole = len(own) - len(own) % _AT_ONCE
            some.extend((*alike, *chain(*own[at : at + _AT_ONCE])) for at in range(0, whole, _AT_ONCE))
            single.extend((*alike, *each) for each in own[whole:])
        if some:
            yield self._insert_some, some
        if single:
            yield self._insert, single

    def _write_one(self, alike: Values, own: Values) -> bool:
        try:
            tame = tuple(map(_tamed, alike)), [tuple(map(_tamed, own))]
            with _told(), self._engine.begin() as connection:
                for statement, values in self._statements([tame]):
                    connection.exec_driver_sql(statement, values)
        except (DataError, IntegrityError, UnicodeError, OverflowError):
            return False
        return True

    def find(self, name: str, key: str | None) -> dict[str, Any] | None:
        """The newest request with this id, id that the client saw, or id of its answer; of one key, None for any.

        Raises `LedgerDown`.
        """
        columns = LEDGER.c
        wanted = select(LEDGER).where(
            or_(columns.id == name, and_(columns.request_id == name, OTHER), columns.answer_id == name),
            columns.line == "request",
        )
        if key is not None:
            wanted = wanted.where(columns.key == key)
        with _told(), self._engine.connect().execution_options(reading=True) as connection:
            row = connection.execute(wanted.order_by(columns.at.desc()).limit(1)).mappings().first()
        return dict(row) if row is not None else None

    def latest(self, most: int) -> list[dict[str, Any]]:
        """The newest requests, the oldest of them first. Raises `LedgerDown`."""
        wanted = select(LEDGER).where(LEDGER.c.line == "request").order_by(LEDGER.c.at.desc()).limit(most)
        with _told(), self._engine.connect().execution_options(reading=True) as connection:
            return [dict(row) for row in connection.execute(wanted).mappings()][::-1]

    def forget(self, before: float, most: int = 1000) -> int:
        """Deletes at most so many rows that are older, and says how many. Raises `LedgerDown`."""
        oldest = select(LEDGER.c.id).where(LEDGER.c.at < before).limit(most)
        with _told(), self._engine.begin() as connection:
            return connection.execute(delete(LEDGER).where(LEDGER.c.id.in_(oldest))).rowcount

    def close(self) -> None:
        """Lets go of connections."""
        self._engine.dispose()


def _numbered(at: int) -> str:
    """The places of a row's values in a statement. To hand a value to SQLite costs as much as to write it: what rows
    have alike is handed over once, before all else, and stands in each."""
    first = len(ALIKE) + at * len(OWN) + 1
    return f"({', '.join(f'?{place}' for place in (*range(first, first + len(OWN)), *range(1, len(ALIKE) + 1)))})"


def _mixed(rows: Iterable[tuple[Values, Sequence[Values]]]) -> Iterator[tuple[Values, list[Values]]]:
    """Rows as if they had nothing alike."""
    yield (), [(*each, *alike) for alike, own in rows for each in own]


def _server_engine(url: str) -> Engine:
    options = {
        "connect_timeout": _CONNECT,
        "tcp_user_timeout": _STATEMENT,
        "options": f"-c statement_timeout={_STATEMENT} -c application_name=gateway",
    }
    return create_engine(url, connect_args=options, pool_size=2, max_overflow=2, pool_timeout=_CONNECT)


def _file_engine(url: str) -> Engine:
    # The driver looks for an adapter of every value but numbers and text, None among them, and is slow not to find one:
    # a method that is given None and gives it back saves as much as writing several columns costs.
    sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type]  # it gives None back for None
    engine = create_engine(url, connect_args={"timeout": _BUSY}, pool_size=2, max_overflow=2)

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, and nowhere behind our back
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _migrate(connection: Connection) -> None:
    """Within a transaction that nobody else is in."""
    version: str | None = None
    if inspect(connection).has_table(VERSION_TABLE):
        version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    if version == VERSION:
        return
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise LedgerUnusable(
            f"the ledger's database is of version {version}, and this gateway knows {VERSION} at most: a newer one has "
            "written there. Start that one, or name another database in 'gateway.ledger'"
        )
    command.upgrade(config, "head")


@contextmanager
def _told() -> Iterator[None]:
    """What the database and its driver raise, as this room's own; what is wrong with rows passes."""
    try:
        yield
    except (DataError, IntegrityError):
        raise
    except DBAPIError as error:
        raise LedgerDown(_first_line(error.orig)) from error
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise LedgerDown(_first_line(error)) from error


def _first_line(error: BaseException | None) -> str:
    """What went wrong, in short: statements and their values are not told."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _tamed(value: Any) -> Any:
    """The value as every database takes it."""
    if isinstance(value, str):
        plain = value.encode("utf-8", "replace").decode().replace("\0", "")
        return plain.replace("\\u0000", "") if plain[:1] in ("[", "{") else plain
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_LARGEST, min(_LARGEST, value))
    return value
