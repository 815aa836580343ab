"""YAML text → a plain tree, and where each part of it stands.

YAML 1.2 (`on`, `off`, `yes`, `no` are text). Whatever is wrong becomes a diagnostic at its place; no text raises.
Work is bounded: size, line length, nesting, and what aliases expand to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.config.words import integer_of, number_of
from gateway.diagnostics.diagnostic import Diagnostic, Related, diagnose
from gateway.diagnostics.source import Span

Path: TypeAlias = tuple[str | int, ...]

SIZE_MOST: Final = 32 << 20
LINE_MOST: Final = 1 << 20
DEPTH_MOST: Final = 60
ALIASED_MOST: Final = 100_000  # nodes that aliases may add

_TAG: Final = "tag:yaml.org,2002:"


class Tree:
    """A file's plain value, and the nodes behind each path. Keys are text; scalars are what YAML 1.2 says."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.value: Any = None
        self._places: dict[Path, tuple[Node | None, Node]] = {}
        self._led: dict[Path, Path] = {}

    def lead(self, path: Path, to: Path) -> None:
        """Notes that a path was merged in, and where it is written."""
        self._led[path] = to

    def _place(self, path: Path) -> tuple[Node | None, Node] | None:
        found = self._places.get(path)
        while found is None:
            length = next((size for size in range(len(path), 0, -1) if path[:size] in self._led), 0)
            if not length:
                return None
            path = (*self._led[path[:length]], *path[length:])
            found = self._places.get(path)
        return found

    def put(self, path: Path, key: Node | None, value: Node) -> None:
        """Notes where a path stands."""
        self._places[path] = (key, value)

    def places(self) -> Iterator[tuple[Path, str]]:
        """Every path below the top, with `file:line:column` of its key; of a list's item, of itself."""
        for path, (key, value) in self._places.items():
            if path:
                mark = (key if key is not None else value).start_mark
                yield path, f"{self.path}:{mark.line + 1}:{mark.column + 1}"

    def key_span(self, path: Path) -> Span | None:
        """Where the key of a path is written; for a list item, where the item is."""
        found = self._place(path)
        if found is None:
            return None
        key, value = found
        return _span(self.path, key if key is not None else value)

    def value_span(self, path: Path) -> Span | None:
        """Where the value of a path is written; for a mapping or a list, its first line."""
        found = self._place(path)
        if found is None:
            return None
        key, value = found
        if key is not None and isinstance(value, ScalarNode) and not value.value and value.style is None:
            return _span(self.path, key)  # nothing is written after the key
        return _span(self.path, value)

    def nearest(self, path: Path, *, key: bool) -> Span | None:
        """The span of the longest part of a path that is written in this file."""
        while path:
            if self._place(path) is not None:
                return self.key_span(path) if key else self.value_span(path)
            path, key = path[:-1], True
        return self.value_span(())


def _span(path: str, node: Node) -> Span:
    start, end = node.start_mark, node.end_mark
    if isinstance(node, ScalarNode) and start.line == end.line:
        return Span(path, start.line + 1, start.column + 1, end.line + 1, max(end.column, start.column + 1) + 1)
    if start.line == end.line:
        return Span(path, start.line + 1, start.column + 1, start.line + 1, end.column + 1)
    return Span(path, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def read(path: str, data: bytes) -> tuple[Tree | None, list[Diagnostic]]:
    """The tree of a file; None with diagnostics where there is none to speak of."""
    text, wrong = _text(path, data)
    if text is None:
        return None, wrong
    try:
        loader = YAML(typ="safe", pure=True)
        loader.allow_duplicate_keys = True  # found below, at both places
        loader.composer.warn_double_anchors = False  # an anchor may be set anew; it is no matter for standard error
        nodes = list(loader.compose_all(text)) if "\n---" in text or "\n..." in text else [loader.compose(text)]
    except RecursionError:
        return None, [diagnose("too-deep", "The nesting is deeper than any configuration needs.", _at(path, 1, 1))]
    except MarkedYAMLError as error:
        return None, [_syntax(path, text, error)]
    except (YAMLError, ValueError, OverflowError) as error:
        return None, [diagnose("yaml-syntax", f"{_first_line(error)}.", _at(path, 1, 1))]
    nodes = [node for node in nodes if node is not None]
    if not nodes:
        detail = "A configuration has at least `version: 1`, a provider and a model."
        return None, [diagnose("empty-file", detail, _at(path, 1, 1))]
    if len(nodes) > 1:
        detail = "Only one document is read. Remove the `---` between them, or put the second into a file of its own."
        return None, [diagnose("several-documents", detail, _span(path, nodes[1]))]
    if not isinstance(nodes[0], MappingNode):
        detail = "At its top a configuration is a mapping: `version: 1`, `providers: …`, `models: …`."
        return None, [diagnose("not-a-mapping", detail, _span(path, nodes[0]))]
    builder = _Builder(path)
    try:
        builder.tree.value = builder.plain((), None, nodes[0], 0)
    except _TooMuch as stop:
        return None, [stop.diagnostic]
    return builder.tree, builder.found


def _text(path: str, data: bytes) -> tuple[str | None, list[Diagnostic]]:
    if len(data) > SIZE_MOST:
        return None, [diagnose("too-large", f"It has more than {SIZE_MOST:,} bytes, which are read at most.", None)]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        detail = f"The byte 0x{data[error.start]:02x} is not UTF-8. Save the file in UTF-8."
        return None, [diagnose("not-utf8", detail, _at(path, line, column))]
    text = plain_lines(text)
    for row, content in enumerate(text.split("\n"), 1):
        if len(content) > LINE_MOST:
            detail = f"Line {row} has {len(content):,} characters; {LINE_MOST:,} are read at most."
            return None, [diagnose("too-large", detail, _at(path, row, 1))]
    return text, []


def plain_lines(text: str) -> str:
    """The text with each of its lines ended by a line feed alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _at(path: str, line: int, column: int) -> Span:
    return Span(path, line, column, line, column + 1)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].strip()[:200] or type(error).__name__


def _syntax(path: str, text: str, error: MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    lines = text.split("\n")
    written = lines[line - 1] if line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent:
        column = indent.index("\t") + 1
        return diagnose(
            "tab-indentation", "YAML is indented with spaces only. Use two for each level.", _at(path, line, column)
        )
    problem = (error.problem or "it cannot be read").strip()
    context = f" ({error.context.strip()})" if error.context else ""
    related: tuple[Related, ...] = ()
    if error.context_mark is not None and error.problem_mark is not None and error.context_mark.line != mark.line:
        start = error.context_mark
        related = (Related("it began here", _at(path, start.line + 1, start.column + 1)),)
    hint = _syntax_hint(written, problem)
    return diagnose(
        "yaml-syntax", f"{problem[:1].upper()}{problem[1:]}{context}.", _at(path, line, column), "", hint, related
    )


def _syntax_hint(written: str, problem: str) -> str | None:
    if "mapping values are not allowed" in problem:
        return "a value that holds `: ` is put in quotes, and a key stands on a line of its own"
    if "could not find expected ':'" in problem:
        return "a key is followed by `: ` and its value"
    if "did not find expected" in problem or "expected <block end>" in problem:
        return "look at the indentation of this line and of the one above it"
    if "found undefined alias" in problem or written.lstrip().split(": ")[-1].startswith(("*", "&", "%", "@", "`")):
        return "text that begins with * & % @ or ` is put in quotes"
    return None


class _TooMuch(Exception):  # noqa: N818 - it ends the reading, and carries why
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class _Builder:
    """Nodes → plain values, with what is wrong on the way."""

    def __init__(self, path: str) -> None:
        self.tree = Tree(path)
        self.found: list[Diagnostic] = []
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._aliased = 0

    def plain(self, path: Path, key: Node | None, node: Node, depth: int) -> Any:
        self.tree.put(path, key, node)
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        identity = id(node)
        if depth > DEPTH_MOST:
            detail = f"More than {DEPTH_MOST} levels are nested here."
            raise _TooMuch(diagnose("too-deep", detail, _span(self.tree.path, node)))
        if identity in self._open:
            detail = "An alias leads back to the anchor that it stands in."
            raise _TooMuch(diagnose("too-many-aliases", detail, _span(self.tree.path, node)))
        if identity in self._seen:
            self._aliased += len(node.value)
            if self._aliased > ALIASED_MOST:
                detail = f"Aliases add more than {ALIASED_MOST:,} values. Write fewer, or use defaults."
                raise _TooMuch(diagnose("too-many-aliases", detail, _span(self.tree.path, node)))
        self._seen.add(identity)
        self._open.add(identity)
        try:
            if isinstance(node, SequenceNode):
                return [self.plain((*path, index), None, item, depth + 1) for index, item in enumerate(node.value)]
            if not isinstance(node, MappingNode):
                raise TypeError(f"not a YAML node: {type(node).__name__}")
            return self.mapping(path, node, depth)
        finally:
            self._open.discard(identity)

    def mapping(self, path: Path, node: MappingNode, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        places: dict[str, Node] = {}
        merges: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge" and key_node.value == "<<":
                merges.append(value_node)
                continue
            if not isinstance(key_node, ScalarNode):
                detail = "Keys are text. Put it in quotes if it is meant as one."
                self.found.append(diagnose("non-string-key", detail, _span(self.tree.path, key_node)))
                continue
            key = key_node.value
            if key in places:
                self._duplicate(path, key, key_node, places[key])
                continue
            places[key] = key_node
            value[key] = self.plain((*path, key), key_node, value_node, depth + 1)
        for first, merged in enumerate(merges):
            self._merge(path, value, merged, depth, first * ALIASED_MOST)
        return value

    def _merge(self, path: Path, value: dict[str, Any], merged: Node, depth: int, first: int) -> None:
        sources = merged.value if isinstance(merged, SequenceNode) else [merged]
        for index, source in enumerate(sources, first):
            if not isinstance(source, MappingNode):
                detail = "`<<` takes a mapping, or a list of mappings."
                self.found.append(diagnose("wrong-type", detail, _span(self.tree.path, source)))
                continue
            self._aliased += len(source.value)
            if depth > DEPTH_MOST or self._aliased > ALIASED_MOST:
                detail = "Merged mappings add too much. Write fewer, or use defaults."
                raise _TooMuch(diagnose("too-many-aliases", detail, _span(self.tree.path, source)))
            within = (*path, "<<", index)
            for key, inner in self.plain(within, None, source, depth + 1).items():
                if key not in value:
                    value[key] = inner
                    self.tree.lead((*path, key), (*within, key))

    def _duplicate(self, path: Path, key: str, again: Node, first: Node) -> None:
        detail = f"{key!r} stands here already, in line {first.start_mark.line + 1}. Keep one of the two."
        self.found.append(
            diagnose(
                "duplicate-key",
                detail,
                _span(self.tree.path, again),
                ".".join(map(str, (*path, key))),
                related=(Related("first here", _span(self.tree.path, first)),),
            )
        )

    def scalar(self, node: ScalarNode) -> Any:
        tag, text = node.tag, node.value
        if tag in (f"{_TAG}str", "!", f"{_TAG}timestamp", f"{_TAG}value", f"{_TAG}merge") or tag is None:
            return text
        if tag == f"{_TAG}null":
            return None
        if tag == f"{_TAG}bool":
            return text.lower() == "true"
        if tag == f"{_TAG}int":
            return integer_of(text)
        if tag == f"{_TAG}float":
            return number_of(text)
        detail = f"{tag.removeprefix(_TAG)!r} has no meaning here. Remove the tag."
        self.found.append(diagnose("unknown-tag", detail, _span(self.tree.path, node)))
        return text
