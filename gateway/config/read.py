"""YAML text → a plain tree, and where each part of it stands.

YAML 1.2 (`on`, `off`, `yes`, `no` are text). Whatever is wrong becomes a diagnostic at its place; no text raises.
Work is bounded: size, line length, nesting, and what aliases expand to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from gateway.config.lettering import encoding, odd_scalar, single_byte, template_in, variable
from gateway.config.syntax import explained
from gateway.config.words import integer_of, number_of
from gateway.diagnostics.diagnostic import Diagnostic, Fix, Related, diagnose
from gateway.diagnostics.source import Span

Path: TypeAlias = tuple[str | int, ...]

SIZE_MOST: Final = 4 << 20
LINE_MOST: Final = 1 << 18
DEPTH_MOST: Final = 60
ALIASED_MOST: Final = 50_000  # nodes that aliases may add

_TAG: Final = "tag:yaml.org,2002:"
_RUN: Final = re.compile(r"(?:[\[{]\s*+){200}")
_COLLECTIONS: Final = frozenset((f"{_TAG}map", f"{_TAG}seq", "!", None))
_DECRYPT: Final = "Decrypt the value where the gateway is started, and name it by `{env: NAME}` or `{file: PATH}`."
# below these stands text that is passed on, whatever it looks like
_FREE: Final = frozenset(
    ("prompt", "prefix", "suffix", "message", "pattern", "instead", "request", "default", "set", "options", "tests", "redact")
)  # fmt: skip


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
    run = _RUN.search(text)
    if run is not None:  # what follows would be looked at once for each of them
        row, begin = text.count("\n", 0, run.start()) + 1, text.rfind("\n", 0, run.start()) + 1
        span = _at(path, row, run.start() - begin + 1)
        return None, [diagnose("too-deep", "Hundreds of brackets are opened here, one in the other.", span)]
    directive = _directive(path, text)
    if directive is not None:
        return None, [directive]
    try:
        loader = YAML(typ="safe", pure=True)
        loader.allow_duplicate_keys = True  # found below, at both places
        loader.composer.warn_double_anchors = False  # an anchor may be set anew; it is no matter for standard error
        nodes = list(loader.compose_all(text)) if "\n---" in text or "\n..." in text else [loader.compose(text)]
    except RecursionError:
        return None, [diagnose("too-deep", "The nesting is deeper than any configuration needs.", _at(path, 1, 1))]
    except MarkedYAMLError as error:
        return None, [explained(path, text, error)]
    except ReaderError as error:
        return None, [_unreadable(path, text, error)]
    except (AssertionError, KeyError):  # a version that the parser has never heard of, after a first document
        return None, [
            _directive(path, text, first=False) or diagnose("yaml-syntax", "It cannot be read.", _at(path, 1, 1))
        ]
    except (YAMLError, ValueError, OverflowError) as error:
        return None, [diagnose("yaml-syntax", f"{_first_line(error)}.", _at(path, 1, 1))]
    nodes = [node for node in nodes if node is not None and not _nothing(node)]
    if not nodes:
        detail = "A configuration has at least `version: 1`, a provider and a model."
        return None, [diagnose("empty-file", detail, _at(path, 1, 1))]
    if len(nodes) > 1:
        detail = "Only one document is read. Remove the `---` or `...` before this, or put the second into a file of its own."
        return None, [diagnose("several-documents", detail, _span(path, nodes[1]))]
    if not isinstance(nodes[0], MappingNode):
        return None, [_no_mapping(path, nodes[0])]
    builder = _Builder(path, text)
    try:
        builder.tree.value = builder.plain((), None, nodes[0], 0)
    except _TooMuch as stop:
        return None, [*builder.found, stop.diagnostic]
    return builder.tree, builder.found


def _nothing(node: Node) -> bool:
    """Whether a document holds nothing, as one that is its marks alone."""
    return isinstance(node, ScalarNode) and node.style is None and not node.value


def _directive(path: str, text: str, *, first: bool = True) -> Diagnostic | None:
    """A `%YAML` line that asks for another version than the one that is read; `first`: before the first document."""
    for row, line in enumerate(text.split("\n"), 1):
        if line.startswith("%YAML") and line.split("#")[0].split() != ["%YAML", "1.2"]:
            detail = "Every file is read as YAML 1.2, where `yes` and `on` are text and 010 is ten. Remove this line."
            span = Span(path, row, 1, row, len(line.split("#")[0].rstrip()) + 1)
            return diagnose("yaml-syntax", detail, span, fixes=(Fix(span, ""),))
        if first and line.strip() and not line.startswith(("#", "%")):
            return None
    return None


def _unreadable(path: str, text: str, error: ReaderError) -> Diagnostic:
    """A character that no YAML file has, such as NUL."""
    at = max(0, min(error.position, len(text) - 1))
    line, begin = text.count("\n", 0, at) + 1, text.rfind("\n", 0, at) + 1
    what = f"U+{ord(text[at]):04X}" if text else "it"
    detail = f"Here stands {what}, a control character that no text has. Is this a text file?"
    return diagnose("yaml-syntax", detail, _at(path, line, at - begin + 1))


def _no_mapping(path: str, node: Node) -> Diagnostic:
    """A whole file that is a text or a list: often it is of another kind."""
    span = _span(path, node)
    top = "At its top a configuration is a mapping: `version: 1`, `providers: …`, `models: …`."
    if isinstance(node, SequenceNode):
        items = [item for item in node.value if isinstance(item, MappingNode)]
        help_ = "remove the dashes: these are keys, not items" if items else None
        return diagnose("not-a-mapping", f"It is a list. {top}", span, "", help_)
    text = node.value if isinstance(node, ScalarNode) else ""
    glued = re.match(r"(version|gateway|providers|models|include):(\S+)", text)
    if glued is not None:
        gap = Span(path, span.line, span.column + len(glued[1]) + 1, span.line, span.column + len(glued[1]) + 1)
        word = Span(path, span.line, span.column, span.line, span.column + len(glued[0]))
        detail = f"YAML reads `{glued[0]}` as one word: after the colon of a key stands a space."
        return diagnose("missing-space", detail, word, "", f"write `{glued[1]}: {glued[2]}`", (), (Fix(gap, " "),))
    if re.match(r"(export\s+)?[A-Z_][A-Z0-9_]*=", text):
        help_ = "variables are set where the gateway is started; here they are named by `{env: NAME}`"
        return diagnose("not-a-mapping", f"It sets environment variables. {top}", span, "", help_)
    if re.match(r"\w+\s*=", text):
        return diagnose("not-a-mapping", f"It is written as TOML or INI are. {top}", span, "", "write `key: value`")
    return diagnose("not-a-mapping", f"It is a single text. {top}" if text else top, span)


def _text(path: str, data: bytes) -> tuple[str | None, list[Diagnostic]]:
    if len(data) > SIZE_MOST:
        return None, [
            diagnose("too-large", f"It has more than {SIZE_MOST:,} bytes, which are read at most.", _at(path, 1, 1))
        ]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        begin = data.rfind(b"\n", 0, error.start) + 1
        column = len(data[begin : error.start].decode("utf-8", "replace")) + 1
        what = encoding(data)
        if what is not None:
            return None, [diagnose("not-utf8", f"It is {what}; a configuration is text in UTF-8.", _at(path, 1, 1))]
        detail = (
            f"The byte 0x{data[error.start]:02x} is not UTF-8.{single_byte(data, error.start)} Save the file in UTF-8."
        )
        return None, [diagnose("not-utf8", detail, _at(path, line, column))]
    what = encoding(data)
    if what is not None:
        return None, [diagnose("not-utf8", f"It is {what}; a configuration is text in UTF-8.", _at(path, 1, 1))]
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


def _is_template(outer: MappingNode, inner: MappingNode) -> bool:
    """Whether this is `{{ … }}`."""
    start, end = outer.start_mark, inner.start_mark
    return bool(outer.flow_style and inner.flow_style and len(outer.value) == 1) and start.index + 1 == end.index


class _TooMuch(Exception):  # noqa: N818 - it ends the reading, and carries why
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class _Builder:
    """Nodes → plain values, with what is wrong on the way."""

    def __init__(self, path: str, text: str) -> None:
        self.tree = Tree(path)
        self.text = text
        self.found: list[Diagnostic] = []
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._aliased = 0

    def plain(self, path: Path, key: Node | None, node: Node, depth: int) -> Any:
        self.tree.put(path, key, node)
        if isinstance(node, ScalarNode):
            return self.scalar(path, node)
        if node.tag not in _COLLECTIONS and id(node) not in self._seen:
            self.tagged(path, node, "")
        identity = id(node)
        if depth > DEPTH_MOST:
            detail = f"More than {DEPTH_MOST} levels are nested here."
            raise _TooMuch(diagnose("too-deep", detail, self.expanding(path, node)))
        if identity in self._open:
            detail = "An alias leads back to the anchor that it stands in."
            raise _TooMuch(diagnose("too-many-aliases", detail, _span(self.tree.path, node)))
        if identity in self._seen:
            self._aliased += len(node.value)
            if self._aliased > ALIASED_MOST:
                detail = f"Aliases add more than {ALIASED_MOST:,} values. Write fewer, or use defaults."
                raise _TooMuch(diagnose("too-many-aliases", detail, self.expanding(path, node)))
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

    def expanding(self, path: Path, node: Node) -> Span:
        """Where a node is written; for one that an alias brings here, the key at the top that it is brought to."""
        return (self.tree.key_span(path[:1]) if id(node) in self._seen else None) or _span(self.tree.path, node)

    def mapping(self, path: Path, node: MappingNode, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        places: dict[str, tuple[Node, Node]] = {}
        merges: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge" and key_node.value == "<<":
                merges.append(value_node)
                continue
            if not isinstance(key_node, ScalarNode):
                if isinstance(key_node, MappingNode) and _is_template(node, key_node):
                    detail = "This is a template: the file is read as it is, nothing is filled in."
                    help_ = "render it first, and give the gateway the result; single values may be `{env: NAME}`"
                    found = diagnose(
                        "template-left", detail, _span(self.tree.path, node), ".".join(map(str, path)), help_
                    )
                    self.found.append(found)
                    continue
                detail = "Keys are text. Put it in quotes if it is meant as one."
                self.found.append(diagnose("non-string-key", detail, _span(self.tree.path, key_node)))
                continue
            key = self.lettered(("key",), key_node)
            if key_node.style is None and key_node.value[:1].isspace():
                raise _TooMuch(self.found.pop())  # the indentation itself is in doubt
            if key in places:
                self._duplicate(path, key, (key_node, value_node), places[key])
                continue
            places[key] = (key_node, value_node)
            value[key] = self.plain((*path, key), key_node, value_node, depth + 1)
        for first, merged in enumerate(merges):
            self._merge(path, value, merged, depth, first * ALIASED_MOST)
        return value

    def _merge(self, path: Path, value: dict[str, Any], merged: Node, depth: int, first: int) -> None:
        sources = merged.value if isinstance(merged, SequenceNode) else [merged]
        for index, source in enumerate(sources, first):
            if not isinstance(source, MappingNode):
                detail = "`<<` takes a mapping, or a list of mappings."
                help_ = "mark a mapping with `&name` where it is written first, and write `<<: *name`"
                dotted = ".".join(map(str, path))
                self.found.append(diagnose("wrong-type", detail, _span(self.tree.path, source), dotted, help_))
                continue
            self._aliased += len(source.value)
            if depth > DEPTH_MOST or self._aliased > ALIASED_MOST:
                detail = "Merged mappings add too much. Write fewer, or use defaults."
                raise _TooMuch(diagnose("too-many-aliases", detail, self.expanding(path, source)))
            within = (*path, "<<", index)
            for key, inner in self.plain(within, None, source, depth + 1).items():
                if key not in value:
                    value[key] = inner
                    self.tree.lead((*path, key), (*within, key))

    def _duplicate(self, path: Path, key: str, again: tuple[Node, Node], first: tuple[Node, Node]) -> None:
        same = self._written(*again) == self._written(*first)
        detail = f"{key!r} stands here already, in line {first[0].start_mark.line + 1}. Keep one of the two."
        if same:
            detail = (
                f"{key!r} stands here already, in line {first[0].start_mark.line + 1}, with the same value. Remove one."
            )
        self.found.append(
            diagnose(
                "duplicate-key",
                detail,
                _span(self.tree.path, again[0]),
                ".".join(map(str, (*path, key))),
                related=(Related("first here", _span(self.tree.path, first[0])),),
                fixes=self._removal(*again) if same else (),
            )
        )

    def _written(self, key: Node, value: Node) -> str:
        """An entry as it is written, from its key to the end of its value."""
        return str(self.text[key.start_mark.index : value.end_mark.index]).rstrip()

    def _removal(self, key: Node, value: Node) -> tuple[Fix, ...]:
        """The removal of an entry that has lines of its own, with no comment in them."""
        begin = self.text.rfind("\n", 0, key.start_mark.index) + 1
        written = self._written(key, value)
        last = key.start_mark.index + len(written)
        end = self.text.find("\n", last)
        rest = self.text[last:] if end < 0 else self.text[last:end]
        if self.text[begin : key.start_mark.index].strip() or rest.strip() or "#" in written or begin == 0:
            return ()
        line = key.start_mark.line + 1
        below = line + written.count("\n") + 1
        if end >= 0:
            return (Fix(Span(self.tree.path, line, 1, below, 1), ""),)
        above = len(self.text[: begin - 1].rpartition("\n")[2]) + 1
        return (Fix(Span(self.tree.path, line - 1, above, below - 1, len(self.text.rpartition("\n")[2]) + 1), ""),)

    def scalar(self, path: Path, node: ScalarNode) -> Any:
        tag, text = node.tag, self.lettered(path, node)
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
        return self.tagged(path, node, text)

    def tagged(self, path: Path, node: Node, text: str) -> Any:
        """A value with a tag that has no meaning here; one for a variable is read as the reference that it stands for."""
        tag = str(node.tag).removeprefix(_TAG)
        span = _span(self.tree.path, node)
        dotted = ".".join(map(str, path))
        name = text.strip().strip("${}")
        if tag.lower() in ("!env", "!env_var", "!envvar", "!environment") and re.fullmatch(r"\w+", name):
            detail = f"{tag!r} has no meaning here: a variable is named by a reference."
            fixes = (Fix(span, f"{{env: {name}}}"),) if span.line == span.end_line else ()
            self.found.append(diagnose("unknown-tag", detail, span, dotted, f"write {{env: {name}}}", (), fixes))
            return {"env": name}
        secret = tag.lower() in ("!vault", "!secret", "!sops", "!encrypted")
        detail = f"{tag!r} has no meaning here. {_DECRYPT if secret else 'Remove the tag.'}"
        self.found.append(diagnose("unknown-tag", detail, span, dotted))
        return text

    def lettered(self, path: Path, node: ScalarNode) -> str:
        """The text of a scalar, as it was meant: what is odd in its letters is found here."""
        text: str = node.value
        span = _span(self.tree.path, node)
        dotted = ".".join(map(str, path))
        if node.style is None and not text.isascii():
            odd = odd_scalar(text)
            if odd is not None:
                start, end, what, meant = odd
                one_line = span.line == span.end_line and span.end_column - span.column == len(text)
                where = (
                    Span(span.path, span.line, span.column + start, span.line, span.column + end) if one_line else span
                )
                fixes = (Fix(span, meant),) if one_line else ()
                self.found.append(diagnose("odd-character", what, where, dotted, None, (), fixes))
                return meant.strip("\"' ")
        if "$" in text or "{" in text or "<%" in text or "os.environ" in text:
            left = None if _FREE & set(path) else template_in(text)
            if left is not None:
                self.found.append(self._template(text, left, span, path))
        return text

    def _template(self, text: str, left: tuple[int, int], span: Span, path: Path) -> Diagnostic:
        name = variable(text)
        help_ = (
            f"write {{env: {name}}}" if name is not None else "render it first, or make the whole value `{env: NAME}`"
        )
        fixes = (Fix(span, f"{{env: {name}}}"),) if name is not None and span.line == span.end_line else ()
        detail = f"Nothing is filled into a text: `{text[left[0] : left[1]][:60]}` stays as it is."
        return diagnose("template-left", detail, span, ".".join(map(str, path)), help_, (), fixes)
