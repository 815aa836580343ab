"""The ledger's URL: `sqlite:///FILE` or `postgresql://…`. What it holds is never shown.

A relative file of router.yaml begins at the file that says it (config/), any other where the program runs. Its own
folder is made where it is missing, the folders above it are not: a typing error should not become a new place for
records.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


class Address(msgspec.Struct, frozen=True):
    """Where the ledger is. `path` is its file where it has one; `url` is for SQLAlchemy and may hold a password."""

    url: str
    path: Path | None = None

    def __repr__(self) -> str:
        return f"Address({self.path or 'postgresql'})"


def address(url: str) -> Address:
    """Reads a URL. Raises ValueError with a sentence that shows nothing of the URL."""
    if url.startswith("sqlite:"):
        file = url.removeprefix(_SQLITE)
        if file in (url, "", ":memory:") or "?" in file:
            raise ValueError(
                "A file of SQLite is written `sqlite:///./state/ledger.db`, or with four slashes where its path is "
                "absolute."
            )
        return Address(url, Path(file))
    scheme, _, rest = url.partition("://")
    if scheme in _POSTGRES and rest:
        try:
            parts = urlsplit(url)
            whole = bool(parts.path.strip("/")) and (parts.port is None or parts.port > 0)
        except ValueError:
            whole = False
        if not whole:
            raise ValueError("A PostgreSQL database is written `postgresql://user:password@host:5432/database`.")
        return Address(f"postgresql+psycopg://{rest}")
    raise ValueError("The ledger is `sqlite:///FILE` or `postgresql://…`.")


def problem(url: str, here: bool = True) -> str | None:
    """Why nothing can be recorded at a URL; None where nothing speaks against it. Asks no database; looks at nothing of
    this host unless it is to be `here`."""
    try:
        found = address(url)
    except ValueError as error:
        return str(error)
    if not here:
        return None
    if found.path is None:
        if find_spec("psycopg") is None:
            return "PostgreSQL needs a driver that is not installed: `pip install 'gateway[postgres]'`."
        return None
    return _file_problem(found.path)


def _file_problem(path: Path) -> str | None:
    folder = path.parent
    if path.is_dir():
        return f"{path} is a folder; name a file in it."
    if not folder.exists() and folder.parent.is_dir():
        if os.access(folder.parent, os.W_OK):
            return None
        return f"The folder {folder} does not exist, and cannot be made."
    if not folder.is_dir():
        return f"There is no folder {folder}. Make it: `mkdir -p {folder}`."
    if not os.access(path if path.exists() else folder, os.W_OK):
        return f"{path if path.exists() else folder} cannot be written by the user who runs the gateway."
    return None
