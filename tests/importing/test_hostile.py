"""Whatever comes in: findings or a clear refusal, never another exception; and what comes out is never broken."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.fmt import formatted
from gateway.config.read import read
from gateway.diagnostics.diagnostic import Severity
from gateway.importing.imported import Refused, Verdict, leaves
from gateway.importing.proving import proven
from gateway.importing.report import as_json, markdown, text
from gateway.importing.source import at, tree_of
from gateway.importing.stating import stated_text
from gateway.importing.systems import SYSTEMS, detected
from gateway.importing.writing import router_text

SOURCES = sorted((Path(__file__).parent / "cases").glob("*/source.*"))
ROUNDS = 25  # mutated sources of each system

WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 3.5, 1e18, -0.0, "", "*", "**", "a*b*c", "x" * 300, "os.environ/", "os.environ/A B", "env.X",
    "env.", "$X", "${Y}", "sk-abcdefghijklmnopqrstuvwxyz", "Bearer abcdefgh", [], {}, [[]], {"": {}}, ["a", None, {"b": 1}],
    "http://", "https://user:pw@host/x?y=1", "http://h/ v1", "é\n", "\x00", "on", "null", "1/0", "a,b", "/", "//", "@",
    "nan", 10**40, "{", "[1", '{"a": 1}', "gpt-4o", "openai/gpt-4o", "anthropic/*", {"model": "x"}, {"env": "A"},
    {"env": "A", "default": 3}, {"file": "x"}, "-", "#x", ": y", "true", "0x10", "1e3", "~", "- a", "'", '"',
)  # fmt: skip
NAMES = ("name", "models", "api_key", "weight", "on", "", "*", "a.b", "x y", "é", "model", "provider", "key", "type")


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from paths(each, (*path, key))


def mutated(tree: Any, chance: random.Random) -> Any:
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        everywhere = list(paths(tree))
        path = chance.choice(everywhere)
        if not path:
            continue
        parent, key = at(tree, path[:-1]), path[-1]
        turn = chance.random()
        if turn < 0.5:
            parent[key] = copy.deepcopy(chance.choice(WRONG))
        elif turn < 0.6:
            del parent[key]
        elif turn < 0.75:
            parent[key] = copy.deepcopy(at(tree, chance.choice(everywhere)))
        elif isinstance(parent, dict):
            parent[chance.choice(NAMES)] = copy.deepcopy(chance.choice(WRONG))
        else:
            parent.append(copy.deepcopy(chance.choice(parent)))
    return tree


def reads_back(document: dict[str, Any]) -> None:
    """The text of a document says the same, in its short forms."""
    again, wrong = read("router.yaml", router_text(document).encode())
    expected, _ = read("router.yaml", formatted(json.dumps(document)).encode())
    assert again is not None
    assert expected is not None
    assert wrong == []
    assert again.value == expected.value


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.parent.name)
def test_mutated_sources(source: Path) -> None:
    tree = tree_of(source.name, source.read_bytes())
    (own,) = detected(tree)
    chance = random.Random(source.parent.name)
    for turn in range(ROUNDS):
        hostile = mutated(tree, chance)
        system = own if turn % 8 else chance.choice(list(SYSTEMS))
        detected(hostile)
        try:
            found = SYSTEMS[system].read(hostile)
        except Refused as refused:
            assert str(refused)
            continue
        assert [finding.path for finding in found.findings] == list(leaves(hostile))
        for finding in found.findings:
            assert finding.place == () or at(found.document, finding.place) is not None
        if turn % 5 == 0:
            reads_back(found.document)
        for told in (text(found), markdown(found), as_json(found), stated_text(found.document)):
            told.encode()
        if turn % 20 == 0:
            errors = [each for each in proven(found.document) if each.severity is Severity.ERROR]
            assert errors == [], (hostile, errors)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cannot be read"),
        (b"[]", "neither a mapping nor a list"),
        (b"null", "not a mapping"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"a: 1\na: 2\n", "line 2, column 1"),
        (b"[" * 5000, "nested deeper"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "not finite"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": }', "line 1, column 7"),
        (b"a: [1, 2\n", "cannot be read"),
        (b"a: &x [*x]\n", "cannot be read"),
    ],
)
def test_what_is_no_source_is_refused_with_its_reason(data: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        tree_of("source", data)


def test_yaml_that_begins_like_json() -> None:
    assert tree_of("source.yaml", b"{a: [b, c]}") == {"a": ["b", "c"]}


def test_comments_and_trailing_commas_in_json() -> None:
    data = b'{\n  // a comment\n  "a": "http://x/*no*/", /* another */ "b": [1, 2,],\n}'
    assert tree_of("source", data) == {"a": "http://x/*no*/", "b": [1, 2]}


@pytest.mark.parametrize("tree", [{}, [], {"a": 1}, ["a"], {"providers": 3}, {"data": [1]}, {"credentials": "x"}])
def test_foreign_trees_are_of_no_system(tree: Any) -> None:
    assert detected(tree) == {}


def test_what_nobody_speaks_of_is_unsupported() -> None:
    found = SYSTEMS["litellm"].read({"model_list": [], "somebody's_section": {"a": [1, {"b": None}]}})
    told = {finding.path: finding.verdict for finding in found.findings}
    assert told[("somebody's_section", "a", 0)] is Verdict.UNSUPPORTED
    assert told[("somebody's_section", "a", 1, "b")] is Verdict.UNSUPPORTED
