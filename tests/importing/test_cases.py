"""Every directory in cases/ is a source as its system writes it, and what `gateway import SOURCE --out router.yaml --report
markdown` makes of it: router.yaml, router.tests.yaml where there is something to state, and report.md, read by eye."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.diagnostics.diagnostic import Severity
from gateway.importing.imported import Imported, Verdict, leaves
from gateway.importing.proving import proven, written
from gateway.importing.report import markdown
from gateway.importing.source import at, tree_of
from gateway.importing.stating import stated, stated_text
from gateway.importing.systems import SYSTEMS, detected
from gateway.importing.writing import router_text

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())
SOURCES = {case.name: next(case.glob("source.*")) for case in CASES}
SECRET = "made-up"  # every credential of the cases has it


def imported(case: Path) -> tuple[object, Imported]:
    source = SOURCES[case.name]
    tree = tree_of(source.name, source.read_bytes())
    (system,) = detected(tree)
    return tree, SYSTEMS[system].read(tree)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_what_was_read_by_eye(case: Path) -> None:
    _, found = imported(case)
    text, _ = written(found.document, f"Imported from {SYSTEMS[found.system].title}.")
    assert text == (case / "router.yaml").read_text()
    assert markdown(found) == (case / "report.md").read_text()
    beside = case / "router.tests.yaml"
    assert stated_text(found.document, "What router.yaml was imported as.") == (
        beside.read_text() if beside.exists() else ""
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_loads_and_builds(case: Path) -> None:
    _, found = imported(case)
    wrong = [each for each in proven(found.document) if each.severity is Severity.ERROR]
    assert wrong == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_leaf_is_told_once_and_its_place_is_there(case: Path) -> None:
    tree, found = imported(case)
    assert [finding.path for finding in found.findings] == list(leaves(tree))
    for finding in found.findings:
        assert finding.reason or finding.verdict is Verdict.EXACT, finding
        assert finding.place == () or at(found.document, finding.place) is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_credential_leaves_the_source(case: Path) -> None:
    source = SOURCES[case.name].read_text()
    _, found = imported(case)
    told = router_text(found.document) + markdown(found) + stated_text(found.document)
    assert SECRET not in told
    assert "sk-" not in told.replace("prefix `sk-`", "")
    if SECRET in source:
        assert any(finding.verdict is Verdict.MANUAL for finding in found.findings)


def test_every_system_has_a_case() -> None:
    assert {imported(case)[1].system for case in CASES} == set(SYSTEMS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_stated_names_what_there_is(case: Path) -> None:
    _, found = imported(case)
    names = {*found.document.get("models", {}), *found.document.get("combos", {})}
    for test in stated(found.document):
        assert set(test.get("faults", {})) <= names
        assert set(test["expect"].get("path", ())) <= names
        assert test["expect"]["status"] == 200
