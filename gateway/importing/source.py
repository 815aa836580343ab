"""The text of a source → a plain tree: JSON, JSON with comments and trailing commas, or YAML.

JSON is read as JSON, so that tabs and long lines are no trouble; everything else goes through the reader of
router.yaml with its bounds on size, nesting and aliases. A key that is written twice is refused: which of the two the
other gateway takes is its secret. Text that YAML 1.1 calls true or false (`yes`, `off`) stays text; `truth` reads it.
"""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path as FilePath
from typing import Any, Final

from gateway.config.read import DEPTH_MOST, SIZE_MOST, read
from gateway.importing.imported import Path, Refused, written_path

# What the reader finds of router.yaml's own language, and other gateways' files are full of.
_OURS: Final = frozenset(("template-left", "odd-character", "foreign-file"))
_TRUE: Final = frozenset(("true", "yes", "on", "1"))
_FALSE: Final = frozenset(("false", "no", "off", "0"))


def tree_of(name: str, data: bytes) -> Any:
    """The plain value of a file: a mapping or a list. Raises `Refused`."""
    if len(data) > SIZE_MOST:
        raise Refused(f"{name} has {len(data):,} bytes; {SIZE_MOST:,} are read at most.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{name} is not UTF-8: byte {error.start:,} is 0x{data[error.start]:02x}.") from None
    flow = name.endswith((".yaml", ".yml"))  # YAML may begin like JSON
    value = _json(name, text) if text.lstrip()[:1] in ("{", "[", "/") and not flow else _yaml(name, data)
    _bounded(name, value)
    if not isinstance(value, dict | list) or not value:
        raise Refused(
            f"{name} holds no configuration: at its top is neither a mapping nor a list with something in it."
        )
    return value


def _json(name: str, text: str) -> Any:
    failure: json.JSONDecodeError | None = None
    for candidate in (text, _without_comments(text)):
        try:
            value = json.loads(candidate, object_pairs_hook=_object, parse_constant=_constant)
        except json.JSONDecodeError as error:
            failure = failure or error
            continue
        except (RecursionError, _TooDeep):
            raise Refused(f"{name} is nested deeper than any configuration needs.") from None
        except _Twice as twice:
            raise Refused(f"{name} has the key {twice.key!r} twice in one object. Keep one of the two.") from None
        except ValueError as error:
            raise Refused(f"{name} cannot be read: {str(error)[:200]}.") from None
        return value
    where = f"line {failure.lineno}, column {failure.colno}: {failure.msg}" if failure is not None else "no value"
    raise Refused(f"{name} is not valid JSON: {where}.")


class _Twice(Exception):  # noqa: N818
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class _TooDeep(Exception):  # noqa: N818
    """More nested than is read."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value")


def _bounded(name: str, value: Any) -> None:
    todo: list[tuple[Any, int]] = [(value, 0)]
    while todo:
        inner, depth = todo.pop()
        if depth > DEPTH_MOST:
            raise Refused(f"{name} is nested deeper than any configuration needs.")
        if isinstance(inner, str) and not inner.isascii():
            try:
                inner.encode()
            except UnicodeEncodeError:
                raise Refused(f"{name} holds half of a surrogate pair, which is no text.") from None
        if isinstance(inner, float) and not isfinite(inner):
            raise Refused(f"{name} holds a number that is not finite.")
        if isinstance(inner, dict):
            todo.extend((key, depth + 1) for key in inner)
            todo.extend((each, depth + 1) for each in inner.values())
        elif isinstance(inner, list):
            todo.extend((each, depth + 1) for each in inner)


def _without_comments(text: str) -> str:
    """JSON without `//` and `/* */` comments and without commas before a closing bracket; strings stay as they are."""
    out: list[str] = []
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        if char == '"':
            start = at
            at += 1
            while at < end and text[at] != '"':
                at += 2 if text[at] == "\\" else 1
            at += 1
            out.append(text[start:at])
            continue
        if text.startswith("//", at):
            newline = text.find("\n", at)
            at = end if newline < 0 else newline
            continue
        if text.startswith("/*", at):
            close = text.find("*/", at + 2)
            at = end if close < 0 else close + 2
            continue
        if char in "}]":
            back = len(out) - 1
            while back >= 0 and not out[back].strip():
                back -= 1
            if back >= 0 and out[back] == ",":
                out[back] = ""
        out.append(char)
        at += 1
    return "".join(out)


def _yaml(name: str, data: bytes) -> Any:
    tree, found = read(name, data)
    errors = [each for each in found if each.severity == "error" and each.code not in _OURS]
    if tree is None or errors:
        first = errors[0] if errors else found[0]
        where = f"line {first.span.line}, column {first.span.column}: " if first.span is not None else ""
        raise Refused(f"{name} cannot be read: {where}{first.summary}. {first.detail}")
    return tree.value


def truth(value: Any) -> bool | None:
    """What a switch says, in JSON's words or YAML 1.1's; None where it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int) and str(value).lower() in _TRUE:
        return True
    if isinstance(value, str | int) and str(value).lower() in _FALSE:
        return False
    return None


def number(value: Any) -> float | None:
    """A finite number, also one that is written as text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if -1e15 < found < 1e15 else None


def whole(value: Any) -> int | None:
    """A whole number of 0 or more; None where it is none."""
    found = number(value)
    return int(found) if found is not None and found >= 0 and found == int(found) else None


def mapping(value: Any) -> dict[str, Any]:
    """A mapping; an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """A list; an empty one where it is something else."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    """Text that is not empty; None where it is something else. Numbers are text too: names often are."""
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def at(tree: Any, path: Path) -> Any:
    """The value at a path. Raises KeyError with the path where there is none."""
    value = tree
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            raise KeyError(written_path(path)) from None
    return value


def stem(name: str) -> str:
    """A file's name without its directory."""
    return FilePath(name).name
