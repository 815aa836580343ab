"""Edits of router files that leave everything else as it was written, to the byte: the one owner of writing them.

An edit is a splice into the text, at the places that the YAML parser gives: comments, order, quotes, indentation and
line ends outside of it stay. What comes out is read again, and is refused (`Unwritable`) unless it says exactly what
the old text said with the edit made; so a text that is too clever for a splice (anchors, merges) is left alone.

`changes` finds the file that owns an entry, includes among them. Whoever calls it loads the result (`load(texts=…)`)
before `write` puts it in place: in one step for each file, and only where the file is still what was read.
"""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path as File
from typing import Any, Final, TypeAlias

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.config.load import Loaded
from gateway.config.read import read


class Put(msgspec.Struct, frozen=True):
    """Sets the value at a path of keys, and makes it where there is none. `value`: text, numbers, booleans, lists and
    mappings of these."""

    path: tuple[str, ...]
    value: Any


class Remove(msgspec.Struct, frozen=True):
    """Removes a key with its value; comments above it stay."""

    path: tuple[str, ...]


Edit: TypeAlias = Put | Remove


class Change(msgspec.Struct, frozen=True):
    """What becomes of one file."""

    file: str
    before: bytes
    after: bytes

    def patch(self) -> str:
        """The change as a unified diff."""
        old, new = (data.decode("utf-8", "replace").splitlines(keepends=True) for data in (self.before, self.after))
        lines = unified_diff(old, new, self.file, self.file)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


class Unwritable(Exception):  # noqa: N818 - it says what the text is
    """An edit that cannot be made in this text without touching anything else; the message says why."""


class Changed(Exception):  # noqa: N818 - it says what happened
    """A file is not what it was when it was read; nothing was written."""


def changes(loaded: Loaded, edits: Sequence[Edit]) -> list[Change]:
    """What edits make of the files of a configuration, each file once. Paths begin with a section and a name in it.

    Raises `Unwritable`; KeyError where something is removed that there is not.
    """
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(loaded.owner(edit.path), []).append(edit)
    found = []
    for name, here in by_file.items():
        before = loaded.data(name)
        found.append(Change(name, before, edited(name, before, here)))
    return found


def edited(name: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """A file's bytes with edits made, one after the other. Raises as `changes` does."""
    tree, _ = read(name, data)
    if tree is None:
        raise Unwritable(f"{name} cannot be read: validating says what is wrong with it")
    mark = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
    text = data.decode("utf-8-sig")
    end = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    if "\r" in text or (end == "\r\n" and text.count("\n") != data.count(b"\r\n")):
        raise Unwritable(f"{name} mixes line ends")
    wanted = tree.value
    for edit in edits:
        wanted = _applied(wanted, edit)
        text = _spliced(text, edit)
        after, wrong = read(name, text.encode())
        if wrong or after is None or after.value != wanted:
            raise Unwritable(
                f"{'.'.join(edit.path)} cannot be changed without touching more of {name}: edit it by hand"
            )
    return f"{mark}{text}".replace("\n", end).encode()


def write(changes_: Sequence[Change]) -> None:
    """Puts changes in place, each file in one step and with the mode that it had; links stay links.

    Raises `Changed` before anything is written where a file is not what it was, and OSError.
    """
    for change in changes_:
        if File(change.file).read_bytes() != change.before:
            raise Changed(f"{change.file} was changed meanwhile")
    for change in changes_:
        file = File(change.file).resolve()
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        new = File(name)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(change.after)
                out.flush()
                os.fsync(out.fileno())
            new.chmod(file.stat().st_mode & 0o7777)
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def _applied(value: Any, edit: Edit) -> Any:
    """The plain value with an edit made: what the text must say afterwards. An emptied section is an empty mapping."""
    out = copy.deepcopy(value)
    at = out
    for step in edit.path[:-1]:
        if at.get(step) is None and isinstance(edit, Put):
            at[step] = {}
        at = at[step]
        if not isinstance(at, dict):
            raise Unwritable(f"{step} is no mapping")
    if isinstance(edit, Put):
        at[edit.path[-1]] = edit.value
    elif at.pop(edit.path[-1], edit) is edit:
        raise KeyError(".".join(edit.path))
    return out


# Splices. A position is an index into the text.


def _spliced(text: str, edit: Edit) -> str:
    root = _nodes(text)
    chain: list[tuple[Node, Node]] = []  # (key, value) of each step that is written
    at: Node = root
    for step in edit.path:
        pair = _pair(at, step)
        if pair is None:
            break
        chain.append(pair)
        at = pair[1]
    if isinstance(edit, Remove):
        if len(chain) < len(edit.path):
            raise KeyError(".".join(edit.path))
        parent = chain[-2][1] if len(chain) > 1 else root
        return _removed(text, parent, *chain[-1])
    if len(chain) == len(edit.path):
        return _replaced(text, *chain[-1], edit.value)
    value = edit.value
    for step in reversed(edit.path[len(chain) + 1 :]):
        value = {step: value}
    return _inserted(text, chain[-1] if chain else (None, root), edit.path[len(chain)], value, top=not chain)


def _nodes(text: str) -> MappingNode:
    loader = YAML(typ="safe", pure=True)
    loader.allow_duplicate_keys = True
    try:
        root = loader.compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unwritable(str(error).split("\n", 1)[0]) from None
    if not isinstance(root, MappingNode):
        raise Unwritable("at its top a configuration is a mapping")
    return root


def _pair(node: Node, key: str) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        for each, value in node.value:
            if isinstance(each, ScalarNode) and each.value == key:
                return each, value
    return None


def _replaced(text: str, key: Node, value: Node, new: Any) -> str:
    """A value by another, on the line of its key."""
    start, end = value.start_mark.index, _last(text, value)
    after_key = text.index(":", key.end_mark.index) + 1
    if _empty(value):
        return f"{text[:after_key]} {flow(new)}{text[after_key:]}"
    if text[after_key:start].strip(" "):  # a tag, an anchor, a comment or a line break: the value is a block
        first = len(text[:after_key]) + len(text[after_key:start]) - len(text[after_key:start].lstrip(" "))
        if text[first:start].strip("\n ") and not text[first:start].lstrip().startswith("#"):
            raise Unwritable(f"{_line(key)} has an anchor or a tag: edit it by hand")
        comment = text[after_key : text.index("\n", after_key)]
        return f"{text[:after_key]} {flow(new)}{comment.rstrip()}{text[end:]}"
    return text[:start] + flow(new) + text[end:]


def _inserted(text: str, parent: tuple[Node | None, Node], name: str, value: Any, *, top: bool) -> str:
    """A key that is new in a mapping, behind the others."""
    key, mapping = parent
    entry = f"{scalar(name)}: "
    if isinstance(mapping, MappingNode) and mapping.flow_style:
        end = mapping.end_mark.index - 1
        inside = text[mapping.start_mark.index + 1 : end]
        at = end - (len(inside) - len(inside.rstrip()))
        lead = "" if not mapping.value else " " if inside.rstrip().endswith(",") else ", "
        return f"{text[:at]}{lead}{entry}{flow(value)}{text[at:]}"
    if isinstance(mapping, MappingNode) and mapping.value:
        indent = mapping.value[0][0].start_mark.column
        at = _end_of_line(text, max(_last(text, each) for pair in mapping.value for each in pair))
        lines = _block(entry, value, indent, deep=top)
        return f"{_ended(text[:at])}{lines}{text[at:]}"
    if key is not None and _empty(mapping):
        indent = key.start_mark.column + 2
        at = _end_of_line(text, key.end_mark.index)
        return f"{_ended(text[:at])}{_block(entry, value, indent, deep=False)}{text[at:]}"
    raise Unwritable(f"{_line(mapping)} is no mapping")


def _block(entry: str, value: Any, indent: int, *, deep: bool) -> str:
    """The lines of a new entry: a section with a line for each of its names, everything else in one line."""
    if deep and isinstance(value, dict) and value:
        inner = "".join(f"{' ' * (indent + 2)}{scalar(name)}: {flow(each)}\n" for name, each in value.items())
        return f"{' ' * indent}{entry.rstrip()}\n{inner}"
    return f"{' ' * indent}{entry}{flow(value)}\n"


def _removed(text: str, parent: Node, key: Node, value: Node) -> str:
    """Without a key and its value; of its mapping `{}` stays where it was the only one."""
    if not isinstance(parent, MappingNode):
        raise Unwritable(f"{_line(parent)} is no mapping")
    start, end = key.start_mark.index, max(_last(text, value), text.index(":", key.end_mark.index) + 1)
    if parent.flow_style:
        before = text[:start].rstrip()
        after = text[end:]
        if after.lstrip().startswith(","):
            return f"{text[:start]}{after.lstrip()[1:].lstrip(' ')}"
        return (
            f"{before.removesuffix(',').rstrip()}{after.lstrip(' ')}"
            if before.endswith(",")
            else f"{text[:start]}{after}"
        )
    if len(parent.value) == 1:
        first = text.rfind("\n", 0, start) + 1
        head = text[:first].rstrip("\n")
        if "#" in head[head.rfind("\n") + 1 :] or not head.endswith(":"):
            raise Unwritable(f"{_line(key)} is the only entry, with a comment above it: edit it by hand")
        return f"{head} {{}}\n{text[_end_of_line(text, end) :]}"
    line = text.rfind("\n", 0, start) + 1
    if text[line:start].strip():
        raise Unwritable(f"{_line(key)} shares its line with something else: edit it by hand")
    return text[:line] + text[_end_of_line(text, end) :]


def _last(text: str, node: Node) -> int:
    """Where the written part of a node ends, 0 where nothing is. A block's own end is that of its last leaf: the
    parser's is further on."""
    if _empty(node):
        return 0
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style:
        end: int = node.end_mark.index
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            return len(text[:end].rstrip("\n"))
        return end
    inner: list[Node] = list(node.value) if isinstance(node, SequenceNode) else [n for pair in node.value for n in pair]
    return max((_last(text, each) for each in inner if each.start_mark.index >= node.start_mark.index), default=0)


def _empty(node: Node) -> bool:
    """Whether nothing is written where a value could be."""
    return isinstance(node, ScalarNode) and not node.value and node.style is None


def _end_of_line(text: str, index: int) -> int:
    """The index behind the line that an index is in, its comment and its end included."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _line(node: Node) -> str:
    return f"line {node.start_mark.line + 1}"


_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./@+-]*|\d{4}-\d\d-\d\d|\d+[a-z]+(?:/[a-z]+)?|\d+/[a-z]+")
_WORDS: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))


def scalar(value: Any) -> str:
    """A value as YAML writes it in a line: in quotes where it could be read as anything else."""
    if value is None or isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return msgspec.json.encode(text).decode()


def flow(value: Any) -> str:
    """A value in flow style, in one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)
