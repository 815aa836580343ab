"""Where every path of a configuration is written: text that can travel with it, and outlives the trees it came from.

The typed configuration has long forms only, so a path is looked for as it is, then as its short forms are written
(a combo that is a list, fallbacks that are a list of names, a pattern model that its provider's `direct` stands for),
then without its last part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from gateway.config.read import Path

Places: TypeAlias = Mapping[str, str]  # by `name_of` a path: `file:line:column`


def name_of(path: Path) -> str:
    """A path as one word; names may hold dots."""
    return "\0".join(map(str, path))


def lookup(places: Places, path: Path) -> str | None:
    """`file:line:column` of a path, or of the longest part of it that is written."""
    while path:
        for form in _forms(path):
            found = places.get(name_of(form))
            if found is not None:
                return found
        path = path[:-1]
    return None


def _forms(path: Path) -> Iterator[Path]:
    yield path
    if path[0] == "combos" and len(path) > 3 and path[2] == "targets":
        yield (*path[:2], *path[3:])
    elif path[0] == "fallbacks" and len(path) == 5:
        yield (*path[:2], path[4])
    elif path[0] == "models" and len(path) == 2:
        yield "providers", str(path[1]).removesuffix("/*"), "direct"
