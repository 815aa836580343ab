"""Noticing that the sources of a configuration changed.

A file that no symlink leads to is watched itself: the ledger may be written beside it a thousand times a second, and
nobody is to be woken by that. For others their directories are: Kubernetes swaps the symlink `..data`. Any event, and
a second without one, leads to a look at the bytes of every source; only when they differ from those last seen, and have
been the same for two looks in a row, is a change reported. A file that is being written is therefore not read half-way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from watchfiles import awatch

SETTLE = 0.1  # seconds between two looks that must agree


def fingerprint(paths: Iterable[Path]) -> bytes:
    """A digest over the bytes of the sources; directories count by the names in them, what is missing as missing."""
    digest = sha256()
    for path in paths:
        try:
            if path.is_dir():
                content = "\n".join(sorted(entry.name for entry in path.iterdir())).encode()
            else:
                content = path.read_bytes()
        except OSError as error:
            content = f"<{type(error).__name__}>".encode()
        digest.update(str(path).encode() + b"\0" + len(content).to_bytes(8, "big") + content)
    return digest.digest()


def watched(paths: Sequence[Path]) -> list[Path]:
    """The directories and files whose events matter: of a source that is a symlink or missing the directories where it
    stands and where it really is; any other itself, unless its directory is watched anyway."""
    directories: dict[Path, None] = {}
    files: list[Path] = []
    for path in paths:
        stands, really = path.absolute(), path.resolve()
        if stands == really and path.is_file():
            files.append(stands)
            continue
        for place in (stands, really):
            directory = place if place.is_dir() else place.parent
            if directory.is_dir():
                directories.setdefault(directory)
    return [*directories, *(file for file in files if file.parent not in directories)]


def _marks(places: Iterable[Path]) -> list[int | None]:
    """Which file or directory each is, by its inode; None: none. A watch stays with the one that it began with."""
    found: list[int | None] = []
    for place in places:
        try:
            found.append(place.stat().st_ino)
        except OSError:
            found.append(None)
    return found


async def settled(paths: Sequence[Path], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> bytes:
    """The fingerprint, once two looks `SETTLE` seconds apart agree."""
    last = fingerprint(paths)
    while True:
        await sleep(SETTLE)
        now = fingerprint(paths)
        if now == last:
            return now
        last = now


async def changes(paths: Callable[[], Sequence[Path]], seen: bytes, stop: asyncio.Event) -> AsyncIterator[None]:
    """Yields whenever the sources have changed and settled. `paths` is asked anew after each change."""
    while not stop.is_set():
        again = asyncio.Event()
        places = watched(paths())
        marks = _marks(places)
        if fingerprint(paths()) != seen:  # before there was anybody to notice
            seen = await settled(paths())
            yield
            continue
        try:
            async for _ in awatch(
                *places,
                watch_filter=None,
                debounce=100,
                step=20,
                stop_event=again,
                recursive=False,
                yield_on_timeout=True,
                rust_timeout=1000,
            ):
                if stop.is_set():
                    return
                if fingerprint(paths()) != seen:
                    seen = await settled(paths())
                    yield
                    if watched(paths()) != places:
                        again.set()
                if _marks(places) != marks:
                    again.set()  # editors replace files
        except (OSError, RuntimeError):
            # One is just being replaced, or may not be read, or the system watches nothing more for this user (which
            # watchfiles tells by a RuntimeError). Looks at them go on, and so do attempts to watch them.
            await asyncio.sleep(SETTLE)
