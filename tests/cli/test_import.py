"""`gateway import`: what is written where, what is said, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

CASES = Path(__file__).parent.parent / "importing" / "cases"


def run(*words: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, words)], input=stdin)


def test_to_a_file_with_its_tests(tmp_path: Path) -> None:
    out = tmp_path / "router.yaml"
    case = CASES / "litellm-fallbacks"
    result = run(case / "source.yaml", "--out", out, "--report", "markdown")
    assert result.exit_code == 0
    assert out.read_text() == (case / "router.yaml").read_text()
    assert (tmp_path / "router.tests.yaml").read_text() == (case / "router.tests.yaml").read_text()
    assert result.stdout == (case / "report.md").read_text()
    assert "is taken for LiteLLM's config.yaml: it has `model_list`" in result.stderr


def test_to_standard_output_with_the_report_beside() -> None:
    case = CASES / "portkey"
    result = run("-", stdin=(case / "source.json").read_text())
    assert result.exit_code == 0
    assert result.stdout == (case / "router.yaml").read_text()
    assert "manual: to be done by hand" in result.stderr


def test_a_report_for_programs(tmp_path: Path) -> None:
    result = run(CASES / "bifrost" / "source.json", "--report", "json", "--out", tmp_path / "r.yaml")
    report = json.loads(result.stdout)
    assert report["version"] == 1
    assert report["system"] == "bifrost"
    assert sum(report["count"].values()) == len(report["findings"])
    assert {"path", "verdict", "reason", "place"} == report["findings"][0].keys()


def test_nothing_is_overwritten_unless_it_is_said(tmp_path: Path) -> None:
    out = tmp_path / "router.yaml"
    out.write_text("mine")
    source = CASES / "one-api" / "source.json"
    result = run(source, "--out", out)
    assert result.exit_code == 2
    assert "--force replaces it" in result.stderr
    assert out.read_text() == "mine"
    assert run(source, "--out", out, "--force").exit_code == 0
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("content", "words", "code", "says"),
    [
        ('{"a": 1}', (), 2, "has the shape of none of the systems"),
        ('{"model_list": [], "providerConnections": []}', (), 2, "may be of several systems"),
        ('{"a": 1}', ("--from", "nobody"), 2, "is no system that can be imported"),
        ("{", (), 1, "not valid JSON"),
        ("[1]", ("--from", "portkey"), 1, "is an object"),
        ('{"model_list": [], "providerConnections": []}', ("--from", "litellm"), 0, ""),
    ],
)
def test_exit_codes(tmp_path: Path, content: str, words: tuple[str, ...], code: int, says: str) -> None:
    source = tmp_path / "source.json"
    source.write_text(content)
    result = run(source, *words)
    assert result.exit_code == code, result.stderr
    assert says in result.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = run(tmp_path / "nothing")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
