"""Values in files of this host, by diskcache: bytes only, and nothing that is found there is ever unpickled.

Whoever can write into the directory could otherwise run code here. A value that is not bytes is as good as missing.
All of it blocks: it is called on a thread of its own.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

from gateway.store.contract import StoreDown

_FILE: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")
_UNTIL: Final = struct.Struct(">d")
WAIT: Final = 0.5  # seconds for another process that writes


class BytesOnly(diskcache.Disk):  # type: ignore[misc]  # the library is not typed
    """Text as keys, bytes as values, no pickle in either direction."""

    def put(self, key: object) -> tuple[str, bool]:
        """A key on its way to the table."""
        if not isinstance(key, str):
            raise TypeError(f"a key is text, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """A key of the table; "" for one that was not written here."""
        return key if raw and isinstance(key, str) else ""

    def store(self, value: object, read: bool, key: Any = UNKNOWN) -> Any:
        """A value on its way to the table or a file."""
        if not isinstance(value, bytes) or read:
            raise TypeError(f"a value is bytes, not {type(value).__name__}")
        return super().store(value, read, key)

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> bytes:
        """A value of the table or of a file. Raises OSError for anything else, which reads as a missing value."""
        if mode == MODE_RAW and isinstance(value, bytes):
            return value
        if mode == MODE_BINARY and filename is not None and _FILE.fullmatch(filename):
            return (Path(self._directory) / filename).read_bytes()
        raise OSError("not a value that was written here")


class Values:
    """A cache in a directory. `clock`: seconds since the epoch. Raises StoreDown where it cannot be used."""

    def __init__(self, directory: Path, clock: Callable[[], float], size: int) -> None:
        self._directory = directory
        self._clock = clock
        self._size = size
        self._cache: Any = None

    @contextmanager
    def _open(self) -> Any:
        try:
            if self._cache is None:
                self._cache = diskcache.Cache(
                    str(self._directory),
                    timeout=WAIT,
                    disk=BytesOnly,
                    size_limit=self._size,
                    eviction_policy="least-recently-used",
                )
            yield self._cache
        except (sqlite3.Error, OSError, diskcache.Timeout) as error:
            raise StoreDown(f"{self._directory}: {error or type(error).__name__}") from error

    def get(self, key: str) -> bytes | None:
        """As `Store.get`."""
        with self._open() as cache:
            kept = cache.get(key)
        if not isinstance(kept, bytes) or len(kept) < _UNTIL.size or _UNTIL.unpack_from(kept)[0] <= self._clock():
            return None
        return kept[_UNTIL.size :]

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """As `Store.put`."""
        with self._open() as cache:
            cache.set(key, _UNTIL.pack(self._clock() + ttl) + value, expire=ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        """As `Store.add`."""
        with self._open() as cache, cache.transact():
            if self.get(key) is not None:
                return False
            self.put(key, value, ttl)
            return True

    def delete(self, key: str) -> None:
        """As `Store.delete`."""
        with self._open() as cache:
            cache.delete(key)

    def weigh(self, prefix: str) -> tuple[int, int]:
        """As `Store.weigh`."""
        with self._open() as cache:
            keys = [key for key in cache.iterkeys() if isinstance(key, str) and key.startswith(prefix)]
        sizes = [len(value) for key in keys if (value := self.get(key)) is not None]
        return len(sizes), sum(sizes)

    def clear(self, prefix: str) -> int:
        """As `Store.clear`."""
        with self._open() as cache:
            keys = [key for key in cache.iterkeys() if isinstance(key, str) and key.startswith(prefix)]
            return sum(bool(cache.delete(key)) for key in keys)

    def bound(self, size: int) -> None:
        """As `Store.bound`."""
        self._size = size
        with self._open() as cache:
            cache.reset("size_limit", size)
            cache.cull()

    def close(self) -> None:
        """Closes its files."""
        if self._cache is not None:
            self._cache.close()
