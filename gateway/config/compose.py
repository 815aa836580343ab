"""Several files as one: includes, and `--config` given more than once.

A file adds names; a name that is there already is an error at both places, except where a later `--config` says
`override: true` in the entry. There is no merging inside entries and no templating. What stands where is kept, so that
every diagnostic points into the file that was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from typing import Any, Final

from gateway.config.read import Path, Tree, read
from gateway.config.written import name_of
from gateway.diagnostics.diagnostic import Diagnostic, Related, diagnose
from gateway.diagnostics.source import Source, Span

NAMED: Final = (
    "providers", "models", "aliases", "combos", "fallbacks", "keys", "teams", "budgets", "guardrails", "gateway", "defaults",
)  # fmt: skip
LISTED: Final = ("policies", "tests")
INCLUDES_MOST: Final = 1000


class Composed:
    """The merged plain value, with the way back from a path to its place."""

    def __init__(self, texts: Mapping[File, bytes] | None = None) -> None:
        self._texts = texts or {}
        self.value: dict[str, Any] = {}
        self.found: list[Diagnostic] = []
        self.sources: dict[str, Source] = {}
        self.files: dict[File, None] = {}
        self.bytes: list[tuple[str, bytes]] = []
        self._roots: list[Tree] = []
        self._owners: dict[tuple[str, str | int], tuple[Tree, str | int]] = {}

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
            if File(pattern).is_absolute():
                base, pattern = File(File(pattern).anchor), str(File(pattern).relative_to(File(pattern).anchor))
            matches = sorted(base.glob(pattern))
        except (ValueError, NotImplementedError, OSError) as error:
            self.found.append(diagnose("include-not-found", f"{pattern!r} is not a usable pattern: {error}.", span))
            return
        directory = (base / pattern).parent
        if "*" not in str(directory):
            self.files.setdefault(directory)
        matches = [match for match in matches if match.is_file()]
        if not matches:
            detail = f"No file matches {pattern!r} below {base or '.'}. Remove it, or add the file."
            self.found.append(diagnose("include-not-found", detail, span, "include"))
        for match in matches[:INCLUDES_MOST]:
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
            data = self._texts[file] if file in self._texts else file.read_bytes()
        except OSError as error:
            detail = f"{file} cannot be read: {error.strerror or error}."
            self.found.append(diagnose("unreadable-file", detail, span or Span(str(file), 1, 1, 1, 2)))
            return None
        self.bytes.append((str(file), data))
        self.sources[str(file)] = Source(str(file), data.decode("utf-8-sig", "replace").replace("\r\n", "\n"))
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


def _relative_to(directory: File, value: Any) -> Any:
    """A plain value whose `{file: PATH}` references are relative to the directory of the file that names them."""
    if isinstance(value, list):
        return [_relative_to(directory, item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"file"} and isinstance(value["file"], str):
        return {"file": str(directory / value["file"])}
    return {key: inner if key == "request" else _relative_to(directory, inner) for key, inner in value.items()}
