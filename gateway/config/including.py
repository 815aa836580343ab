"""The files that an `include` names: a path, or a pattern with `*`, `?` and `[…]`; `**` is any number of directories.

What `*` and `**` stand for begins with no dot, and `**` follows no symbolic link, so that nothing leads in a circle.
Work is bounded: a pattern that would look at more entries than any configuration has is refused, not walked to its end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from pathlib import Path
from typing import Final

ENTRIES_MOST: Final = 20_000  # of directories, looked at for one pattern
_SPECIAL: Final = frozenset("*?[")


class Unusable(Exception):  # noqa: N818 - it reads as what the pattern is
    """Why a pattern cannot be followed."""


def files_of(base: Path, pattern: str) -> list[Path]:
    """The files that match, in the order of their paths. Raises `Unusable` for what cannot be followed."""
    if not pattern.strip():
        raise Unusable("it is empty")
    if "\0" in pattern:
        raise Unusable("it has a NUL character")
    path = Path(pattern)
    if path.is_absolute():
        base, parts = Path(path.anchor), path.parts[1:]
    else:
        parts = path.parts
    if not parts:
        raise Unusable("it names a directory, not files")
    left = [ENTRIES_MOST]
    try:
        return sorted({each for each in _walk(base, parts, left) if each.is_file()})
    except (OSError, ValueError, re.error) as error:
        raise Unusable(str(error)) from None


def among(given: Iterable[Path], base: Path, pattern: str) -> list[Path]:
    """The same, where the files that there are are given, not looked for."""
    wanted = Path(os.path.normpath(base.absolute() / pattern)).parts
    return sorted(path for path in given if _matches(Path(os.path.normpath(path.absolute())).parts, wanted))


def _matches(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted or not parts:
        return not wanted and not parts
    first, rest = wanted[0], wanted[1:]
    if first == "**":
        deeper = not parts[0].startswith(".") and _matches(parts[1:], wanted)
        return deeper or _matches(parts, rest or ("*",))
    if not _SPECIAL & set(first):
        return parts[0] == first and _matches(parts[1:], rest)
    hidden = parts[0].startswith(".") and not first.startswith(".")
    return not hidden and re.match(translate(first), parts[0]) is not None and _matches(parts[1:], rest)


def directory_of(base: Path, pattern: str) -> Path | None:
    """The directory whose entries decide what matches; None where there is more than one such."""
    directory = (base / pattern).parent
    return None if _SPECIAL & set(str(directory)) or "\0" in pattern else directory


def _walk(base: Path, parts: tuple[str, ...], left: list[int]) -> Iterator[Path]:
    if not parts:
        yield base
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _walk(base, rest or ("*",), left)
        for entry in _entries(base, left):
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield from _walk(base / entry.name, parts, left)
    elif not _SPECIAL & set(first):
        yield from _walk(base / first, rest, left)
    else:
        matches = re.compile(translate(first)).match
        for entry in _entries(base, left):
            if matches(entry.name) and (first.startswith(".") or not entry.name.startswith(".")):
                yield from _walk(base / entry.name, rest, left)


def _entries(directory: Path, left: list[int]) -> list[os.DirEntry[str]]:
    """What is in a directory; nothing where it is none, or may not be read."""
    try:
        with os.scandir(directory) as found:
            entries = []
            for entry in found:
                left[0] -= 1
                if left[0] < 0:
                    raise Unusable(f"it would look at more than {ENTRIES_MOST:,} files")
                entries.append(entry)
            return sorted(entries, key=lambda each: each.name)
    except OSError:
        return []
