"""The canonical form of a router file: same meaning, comments kept, the shorter form where there are two.

- two spaces for each level, items of lists two further, one space around what flow style writes inside braces: none;
- a comment at the end of a line two spaces after it; at most one empty line between two others; one newline at the end;
- short forms (`fast: [a, b]`, a target as a bare name) where nothing is lost by them, comments included;
- the order, the quotes and the choice of block or flow style are the author's.

Formatting twice is formatting once, and what is loaded from both texts is the same; whoever formats a file checks that.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import CommentToken

_WIDE: Final = 1 << 16  # lines are never folded: where a value breaks is the author's


class Unformattable(Exception):  # noqa: N818 - it reads as what the text is
    """A text that is no YAML mapping: validating says what is wrong with it."""


def formatted(text: str) -> str:
    """The canonical form of a file's text. Raises `Unformattable`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    yaml = _yaml()
    try:
        tree = yaml.load(text)
        if not isinstance(tree, CommentedMap):
            raise Unformattable("at its top a configuration is a mapping")
        for shorten in SHORT_FORMS:
            shorten(tree)
        out = io.StringIO()
        yaml.dump(tree, out)
        return _spaced(out.getvalue())
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unformattable(str(error).split("\n", 1)[0]) from None


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.allow_duplicate_keys = False
    yaml.width = _WIDE
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _spaced(text: str) -> str:
    """Comments two spaces after what they follow, no trailing space, no two empty lines, outside of block texts."""
    lines = text.split("\n")
    comments = dict(_comments(text))
    held = _block_lines(text)
    out: list[str] = []
    for number, line in enumerate(lines):
        if number in held:
            out.append(line)
            continue
        at = comments.get(number)
        if at is not None and line[:at].strip():
            line = f"{line[:at].rstrip()}  {line[at:]}"
        line = line.rstrip()
        if line or (out and out[-1]):
            out.append(line)
    return "\n".join(out).strip("\n") + "\n"


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """(line, column) of each comment, counted from 0."""
    tree = _yaml().load(text)
    seen: set[int] = set()

    def tokens(value: Any) -> Iterator[CommentToken]:
        if isinstance(value, CommentToken):
            yield value
        elif isinstance(value, list | tuple):
            for each in value:
                yield from tokens(each)
        elif isinstance(value, CommentedMap | CommentedSeq):
            if id(value) in seen:
                return
            seen.add(id(value))
            yield from tokens(value.ca.comment)
            yield from tokens(list(value.ca.items.values()))
            yield from tokens(value.ca.end)
            yield from tokens(list(value.values()) if isinstance(value, CommentedMap) else list(value))

    for token in tokens(tree):
        if token.value.startswith("#"):
            yield token.start_mark.line, token.start_mark.column


_BLOCK: Final = re.compile(r"(?:^|[:\-]\s+|\s)[|>][+-]?\d?[+-]?\s*(?:#.*)?$")


def _block_lines(text: str) -> set[int]:
    """The numbers of lines inside block texts (`|` and `>`), whose spaces and empty lines belong to the value."""
    inside: set[int] = set()
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.lstrip().startswith("#") and _BLOCK.search(line):
            indent = len(line) - len(line.lstrip())
            number += 1
            while number < len(lines):
                content = lines[number]
                if content.strip() and len(content) - len(content.lstrip()) <= indent:
                    break
                inside.add(number)
                number += 1
            while number - 1 in inside and not lines[number - 1].strip():
                inside.discard(number - 1)  # empty lines after it
                number -= 1
            while number < len(lines) and not lines[number].strip():
                number += 1
            continue
        number += 1
    return inside


# Short forms. Each takes the whole tree and shortens in place.


def _bare(value: Any) -> bool:
    """Whether nothing but values would be lost with a node: no comment, no anchor."""
    return value.ca.comment is None and not value.ca.items and value.anchor.value is None


def _only(value: Any, key: str) -> bool:
    return isinstance(value, CommentedMap) and list(value) == [key] and _bare(value)


def _named(tree: CommentedMap, section: str) -> Iterator[tuple[CommentedMap, Any]]:
    """(the section, a name in it)."""
    found = tree.get(section)
    if isinstance(found, CommentedMap):
        for name in list(found):
            yield found, name


def _targets(tree: CommentedMap) -> None:
    """`{model: a}` is `a`."""

    def inside(targets: Any) -> None:
        for index, target in enumerate(targets if isinstance(targets, CommentedSeq) else ()):
            if _only(target, "model"):
                targets[index] = target["model"]
            elif isinstance(target, CommentedMap):
                inside(target.get("group"))

    for combos, name in _named(tree, "combos"):
        combo = combos[name]
        inside(combo.get("targets") if isinstance(combo, CommentedMap) else combo)


def _combos(tree: CommentedMap) -> None:
    """A combo of nothing but targets in order of priority is the list of them."""
    for combos, name in _named(tree, "combos"):
        combo = combos[name]
        if (
            not isinstance(combo, CommentedMap)
            or not _bare(combo)
            or not isinstance(combo.get("targets"), CommentedSeq)
        ):
            continue
        if set(combo) == {"targets"} or (set(combo) == {"targets", "strategy"} and combo["strategy"] == "priority"):
            combos[name] = combo["targets"]


def _rules(tree: CommentedMap) -> None:
    """A single fallback rule for every kind that falls by itself is the list of its names."""
    for fallbacks, name in _named(tree, "fallbacks"):
        rules = fallbacks[name]
        if isinstance(rules, CommentedSeq) and len(rules) == 1 and _bare(rules) and _only(rules[0], "to"):
            fallbacks[name] = rules[0]["to"] or rules


def _credentials(tree: CommentedMap) -> None:
    """`{key: {env: A}}` is `{env: A}`."""
    for providers, name in _named(tree, "providers"):
        provider = providers[name]
        keys = provider.get("api_keys") if isinstance(provider, CommentedMap) else None
        if isinstance(keys, CommentedMap):
            for each in list(keys):
                if _only(keys[each], "key"):
                    keys[each] = keys[each]["key"]


def _parameters(tree: CommentedMap) -> None:
    """`temperature: {always: 0}` in a policy is `temperature: 0`."""
    policies = tree.get("policies")
    for policy in policies if isinstance(policies, CommentedSeq) else ():
        do = policy.get("do") if isinstance(policy, CommentedMap) else None
        parameters = do.get("set") if isinstance(do, CommentedMap) else None
        if not isinstance(parameters, CommentedMap):
            continue
        for name in list(parameters):
            value = parameters[name]
            if _only(value, "always") and isinstance(value["always"], str | int | float | bool):
                parameters[name] = value["always"]


SHORT_FORMS: Final[tuple[Callable[[CommentedMap], None], ...]] = (_targets, _combos, _rules, _credentials, _parameters)
