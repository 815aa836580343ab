"""Every file in cases/ yields exactly the findings that it states, on the lines that state them.

`# ERROR: code[, code]`, `# WARN: code` and `# INFO: code` stand on the guilty line. Beside them, in __snapshots__, is what a person
sees; read it by eye when it changes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from syrupy.assertion import SnapshotAssertion

from gateway.config.load import Loaded, load
from gateway.config.read import read
from gateway.config.schema import published
from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Severity
from gateway.diagnostics.text import render
from gateway.engine.build import build
from gateway.engine.known import KNOWN

CASES = Path(__file__).parent / "cases"
ENV = {
    "CASE_KEY": "a-secret-of-twenty-letters",
    "CASE_SHORT": "short",
    "CASE_URL": "http://127.0.0.1:9/v1",
    "CASE_LEDGER": "postgresql://gateway:hunter2@db/ledger",
    "CASE_REDIS": "rediss://gateway:hunter2@state:6380/2",
}
MARK = re.compile(r"#.*?\b(ERROR|WARN|INFO): ([a-z0-9, -]+)")

# Codes whose files cannot carry a mark, or that need more than one file; each has a test of its own.
ELSEWHERE = {
    "unreadable-file", "not-utf8", "empty-file", "tab-indentation", "too-large", "too-deep", "declared-twice",
    "needs-restart", "test-failed",
}  # fmt: skip

FILES = sorted(CASES.rglob("*.yaml"))


def name(path: Path) -> str:
    return path.relative_to(CASES).as_posix()


def loaded(path: Path) -> Loaded:
    return load([path], known=KNOWN, environ=ENV)


def expected(path: Path) -> set[tuple[int, str, str]]:
    found = set()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for kind, codes in MARK.findall(line):
            found |= {(number, kind, code.strip()) for code in codes.split(",")}
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_case_yields_what_it_states(path: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    result = loaded(path.relative_to(CASES))
    kinds = {Severity.ERROR: "ERROR", Severity.WARNING: "WARN", Severity.INFO: "INFO"}
    actual = {
        (d.span.line if d.span else 0, kinds[d.severity], d.code) for d in result.diagnostics if d.accepted is None
    }
    # what an error in one part causes in another, such as a provider that no model uses any more, is not repeated
    stated = expected(path)
    assert {each for each in actual if each[1] == "ERROR" or path.parent.name != "bad"} == stated
    assert result.diagnostics.has_errors is (path.parent.name == "bad")
    if path.parent.name == "bad":
        assert stated, "a bad case says what is wrong with it"
    else:
        assert result.config is not None
        build(result.config, result.secrets, revision=result.revision)
    text = render(result.diagnostics, result.sources, colour=False)
    if text:
        assert text == snapshot


def test_every_code_has_a_case() -> None:
    stated = {code for path in FILES for _, _, code in expected(path)}
    assert stated | ELSEWHERE == set(CODES)


def test_every_check_has_a_bad_case() -> None:
    assert len([path for path in FILES if path.parent.name == "bad"]) >= 60


SCHEMA = Draft202012Validator(published())


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_published_schema_agrees(path: Path) -> None:
    """What the schema refuses, loading refuses; what loading finds no fault with, the schema accepts."""
    tree, _ = read(str(path), path.read_bytes())
    if tree is None:
        return
    accepts = SCHEMA.is_valid(tree.value)
    shape = {"unknown-key", "missing-key", "wrong-type", "unknown-word", "out-of-range", "missing-unit", "bad-unit"}
    codes = {diagnostic.code for diagnostic in loaded(path).diagnostics.errors}
    if not codes:
        assert accepts, [error.message for error in SCHEMA.iter_errors(tree.value)]
    if codes & shape and path.stem not in ("range-backwards", "merge-of-text", "model-without-a-provider"):
        assert not accepts, codes
