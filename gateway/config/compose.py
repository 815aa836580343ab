"""Several files as one: includes, and `--config` given more than once.

A file adds names; a name that is there already is an error at both places, except where a later `--config` says
`override: true` in the entry. There is no merging inside entries and no templating. What stands where is kept, so that
every diagnostic points into the file that was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from errno import ENOENT
from itertools import islice
from pathlib import Path as File
from typing import Any, Final

from gateway.config.including import Unusable, among, directory_of, files_of
from gateway.config.read import SIZE_MOST, Path, Tree, plain_lines, read
from gateway.config.written import name_of
from gateway.diagnostics.diagnostic import Diagnostic, Related, diagnose
from gateway.diagnostics.source import Source, Span
from gateway.diagnostics.suggest import closest

NAMED: Final = (
    "providers", "models", "aliases", "combos", "fallbacks", "keys", "teams", "budgets", "guardrails", "gateway", "defaults",
)  # fmt: skip
LISTED: Final = ("policies", "tests")
INCLUDES_MOST: Final = 1000


class Composed:
    """The merged plain value, with the way back from a path to its place."""

    def __init__(self, texts: Mapping[File, bytes] | None = None, *, sealed: bool = False) -> None:
        self._texts = texts or {}
        self._sealed = sealed  # nothing is looked for on the disk
        self.value: dict[str, Any] = {}
        self.found: list[Diagnostic] = []
        self.sources: dict[str, Source] = {}
        self.files: dict[File, None] = {}
        self.bytes: list[tuple[str, bytes]] = []
        self._roots: list[Tree] = []
        self._owners: dict[tuple[str, str | int], tuple[Tree, str | int]] = {}

    @property
    def anything(self) -> bool:
        """Whether any file is a mapping at all, be it an empty one."""
        return bool(self._roots)

    def place(self, path: Path) -> tuple[Tree, Path] | None:
        """The file that a path stands in, and its path there."""
        if len(path) >= 2:
            owner = self._owners.get((str(path[0]), path[1]))
            if owner is not None:
                return owner[0], (path[0], owner[1], *path[2:])
        for tree in self._roots:
            if not path or (isinstance(tree.value, dict) and path[0] in tree.value):
                return tree, path
        return (self._roots[0], path) if self._roots else None

    def span(self, path: Path, *, key: bool = False) -> Span | None:
        """The tightest span of a path that is written, of its key or of its value."""
        found = self.place(path)
        return None if found is None else found[0].nearest(found[1], key=key)

    def directory(self, path: Path) -> File:
        """That of the file in which a path is written, as it was given."""
        found = self.place(path)
        return File(found[0].path).parent if found is not None else File()

    def places(self) -> dict[str, str]:
        """Every path that is written, by `written.name_of`, with `file:line:column` of its key."""
        taken = {(id(tree), section, name): at for (section, at), (tree, name) in self._owners.items()}
        found: dict[str, str] = {}
        for tree in self._roots:
            for path, at in tree.places():
                if path[0] not in (*NAMED, *LISTED):
                    found.setdefault(name_of(path), at)
                elif len(path) == 1:
                    found.setdefault(str(path[0]), at)
                elif (id(tree), path[0], path[1]) in taken:
                    found[name_of((path[0], taken[id(tree), path[0], path[1]], *path[2:]))] = at
        return found

    def add(self, file: File, *, may_override: bool) -> None:
        """Reads a file with its includes into this."""
        tree = self._read(file, None)
        if tree is None:
            return
        self._take(tree, may_override)
        includes = tree.value.get("include", [])
        if not isinstance(includes, list):
            return
        for index, pattern in enumerate(includes):
            if isinstance(pattern, str):
                self._include(tree, file, pattern, tree.value_span(("include", index)))

    def _include(self, tree: Tree, file: File, pattern: str, span: Span | None) -> None:
        base = file.parent
        try:
            matches = among(self._texts, base, pattern) if self._sealed else files_of(base, pattern)
        except Unusable as why:
            self.found.append(
                diagnose("include-not-found", f"{pattern!r} is not a usable pattern: {why}.", span, "include")
            )
            return
        directory = directory_of(base, pattern)
        if directory is not None:
            self.files.setdefault(directory)
        if not matches:
            detail, help_ = _none_of(base, pattern)
            self.found.append(diagnose("include-not-found", detail, span, "include", help_))
        if len(matches) > INCLUDES_MOST:
            detail = f"{pattern!r} matches {len(matches):,} files; {INCLUDES_MOST:,} are included at most."
            self.found.append(diagnose("too-large", detail, span, "include"))
        for match in matches[:INCLUDES_MOST]:
            if match == file and pattern == file.name:
                detail = "This file would include itself. Remove it."
                self.found.append(diagnose("bad-value", detail, span, "include"))
            if match in self.files:
                continue
            included = self._read(match, span)
            if included is None:
                continue
            if "include" in included.value:
                detail = "An included file includes nothing itself: name all files in the first one."
                self.found.append(diagnose("bad-value", detail, included.key_span(("include",)), "include"))
            self._take(included, may_override=False)

    def _read(self, file: File, span: Span | None) -> Tree | None:
        self.files.setdefault(file)
        try:
            if self._sealed and file not in self._texts:
                raise FileNotFoundError(ENOENT, "it is not among the files that are given")
            data = self._texts[file] if file in self._texts else _read(file)
        except (OSError, ValueError) as error:
            detail = _unreadable(file, error)
            self.found.append(diagnose("unreadable-file", detail, span or Span(str(file), 1, 1, 1, 2)))
            return None
        self.bytes.append((str(file), data))
        self.sources[str(file)] = Source(str(file), plain_lines(data.decode("utf-8-sig", "replace")))
        tree, found = read(str(file), data)
        self.found.extend(found)
        return tree

    def _take(self, tree: Tree, may_override: bool) -> None:
        self._roots.append(tree)
        directory = File(tree.path).parent
        if directory != File(self._roots[0].path).parent:
            tree.value = _relative_to(directory.absolute(), tree.value)
        for section, content in tree.value.items():
            if section in NAMED and isinstance(content, dict):
                self._take_names(tree, section, content, may_override)
            elif section in LISTED and isinstance(content, list):
                into = self.value.setdefault(section, [])
                for index, item in enumerate(content):
                    self._owners[section, len(into)] = (tree, index)
                    into.append(item)
            elif section not in self.value:
                self.value[section] = content
            elif section not in ("version", "include"):
                self._twice(tree, (section,), self._roots[0], (section,))

    def _take_names(self, tree: Tree, section: str, content: dict[str, Any], may_override: bool) -> None:
        into = self.value.setdefault(section, {})
        if not isinstance(into, dict):
            return
        for name, entry in content.items():
            overrides = isinstance(entry, dict) and entry.get("override") is True
            if overrides:
                entry = {key: inner for key, inner in entry.items() if key != "override"}
                if not may_override:
                    detail = (
                        "`override: true` is for a later file of several `--config`; here there is nothing to override."
                    )
                    self.found.append(diagnose("bad-value", detail, tree.key_span((section, name, "override"))))
            owner = self._owners.get((section, name))
            if owner is not None and not (overrides and may_override):
                self._twice(tree, (section, name), owner[0], (section, name))
                continue
            into[name] = entry
            self._owners[section, name] = (tree, name)

    def _twice(self, tree: Tree, path: Path, first: Tree, first_path: Path) -> None:
        place = first.key_span(first_path)
        detail = f"{path[-1]!r} is declared in {first.path} already. Keep one, or write `override: true` in a later `--config`."
        related = (Related("first here", place),) if place is not None else ()
        dotted = ".".join(map(str, path))
        self.found.append(diagnose("declared-twice", detail, tree.key_span(path), dotted, related=related))


def _read(file: File) -> bytes:
    """The bytes of a file; of one that is too large, or that has no end, one more than are read at most."""
    with file.open("rb") as opened:
        return opened.read(SIZE_MOST + 1)


def _none_of(base: File, pattern: str) -> tuple[str, str | None]:
    """Why a pattern matches nothing, and what was perhaps meant."""
    if re.match(r"[a-z]+://", pattern):
        return f"{pattern!r} is a URL; only files are included, nothing is fetched.", None
    if (base / pattern).is_dir():
        return (
            f"{pattern!r} is a directory; files are included, not directories.",
            f"write {pattern.rstrip('/')}/*.yaml",
        )
    try:
        around = [each.name for each in islice((base / pattern).parent.iterdir(), 1000) if each.is_file()]
    except (OSError, ValueError):
        around = []
    near = closest(File(pattern).name, around)
    meant = str(File(pattern).with_name(near)) if near is not None else None
    detail = f"No file matches {pattern!r}, seen from the directory {str(base)!r}. Remove it, or add the file."
    return detail, f"did you mean {meant!r}?" if meant is not None else None


def _unreadable(file: File, error: Exception) -> str:
    """Why, and which file beside it was perhaps meant."""
    if isinstance(error, IsADirectoryError):
        return f"{file} is a directory. Name the file in it, or `include` its files in one."
    if isinstance(error, FileNotFoundError):
        try:
            near = closest(file.name, (each.name for each in islice(file.parent.iterdir(), 1000) if each.is_file()))
        except OSError:
            near = None
        meant = f" Did you mean {file.parent / near}?" if near is not None else ""
        return f"There is no file {file}.{meant}"
    return f"{file} cannot be read: {getattr(error, 'strerror', None) or error}."


def _relative_to(directory: File, value: Any) -> Any:
    """A plain value whose `{file: PATH}` references are relative to the directory of the file that names them."""
    if isinstance(value, list):
        return [_relative_to(directory, item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"file"} and isinstance(value["file"], str):
        return {"file": str(directory / value["file"])}
    return {key: inner if key == "request" else _relative_to(directory, inner) for key, inner in value.items()}
