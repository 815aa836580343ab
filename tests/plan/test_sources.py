"""Where configurations come from: files, compositions, revisions of git; exit codes; and the forms of a plan."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.engine.planning.document import json_text, markdown
from gateway.engine.planning.plan import Plan, Stand, plan
from gateway.engine.planning.text import render
from tests.plan.desk import BASE, CASES, parted, side

GOOD = """version: 1
include: [more/**/*.yaml, one.yaml]
gateway: {auth: open}
providers: {sandbox: {}}
models: {m: {provider: sandbox}}
"""
SHOWN = ("weight-shift", "several", "model-renamed")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *(str(argument) for argument in arguments)])


def git(*arguments: str) -> None:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", *arguments], check=True, capture_output=True, env={**os.environ, **who})


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose configuration stands in a directory of it, with what it includes."""
    place = tmp_path / "deploy"
    (place / "more/deep").mkdir(parents=True)
    (place / "router.yaml").write_text(GOOD)
    (place / "one.yaml").write_text("aliases: {one: m}\n")
    (place / "more/deep/two.yaml").write_text("aliases: {two: m}\n")
    (place / "prod.yaml").write_text("aliases: {prod: m}\n")
    (place / "more/deep/stays.yaml").write_text("teams: {t: {}}\n")
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    monkeypatch.chdir(place)
    return place


def test_the_working_tree_against_the_last_commit(repository: Path) -> None:
    assert run().exit_code == 0, run().output
    (repository / "more/deep/two.yaml").unlink()
    (repository / "one.yaml").write_text("aliases: {three: m, one: m}\n")
    told = run()
    assert told.exit_code == 2
    assert "→ two → three" in told.output
    assert "git:HEAD:router.yaml (" in told.output
    assert "one.yaml:1:11" in told.output
    git("commit", "-qam", "second")
    assert run().exit_code == 0
    assert run("git:HEAD~1").exit_code == 2
    assert run("git:HEAD~1", "git:HEAD").exit_code == 2
    assert run("git:HEAD~1:router.yaml", "git:HEAD~1").exit_code == 0


def test_several_files(repository: Path) -> None:
    assert run("git:HEAD", "--config", "router.yaml", "--config", "prod.yaml").exit_code == 0
    (repository / "prod.yaml").write_text("aliases: {prod: one}\n")
    assert run("git:HEAD", "--config", "router.yaml", "--config", "prod.yaml").exit_code == 0, "it means the same"
    told = run("git:HEAD:router.yaml", "router.yaml,prod.yaml")
    assert (told.exit_code, "+ prod  leads to m" in told.output) == (2, True)


def test_what_cannot_be_compared(repository: Path, tmp_path: Path) -> None:
    for arguments, why in (
        (("git:nothing",), "there is no revision 'nothing'"),
        (("git:HEAD:none.yaml",), "deploy/none.yaml is not in git at HEAD"),
        (("none.yaml", "router.yaml"), "none.yaml has errors"),
        (("http://127.0.0.1:9",), "cannot be reached"),
        (("router.yaml", "router.yaml", "--config", "router.yaml"), "not both"),
    ):
        told = run(*arguments)
        assert told.exit_code == 1, arguments
        assert why in told.output, told.output
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "router.yaml").write_text(GOOD)
    assert "not a git repository" in run("git:HEAD", outside / "router.yaml").output


def test_a_secret_that_is_not_here_fails_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    text = GOOD.replace("include: [more/**/*.yaml, one.yaml]\n", "") + "keys: {k: {from: {env: NOT_SET_A}}}\n"
    first.write_text(text)
    second.write_text(text.replace("NOT_SET_A", "NOT_SET_B"))
    told = run(first, second)
    assert told.exit_code == 2
    assert "secret  env:NOT_SET_A → env:NOT_SET_B" in told.output


@pytest.mark.parametrize("name", SHOWN)
def test_the_forms_of_a_plan(name: str) -> None:
    """The same as JSON and as Markdown; `PLANS=write` writes them anew."""
    case = next(each for each in CASES if each.stem == name)
    found = plan(side(BASE, "old.yaml"), side(parted(case)[1], "new.yaml"))
    assert json.loads(json_text(found))["new"]["digest"] == found.new.digest
    nobody = Stand("", "", "")  # revisions and digests are no golden's affair
    found = Plan(nobody, nobody, found.changes, found.reach, found.worst)
    for suffix, told in ((".json", json_text(found)), (".md", markdown(found))):
        golden = case.with_suffix(suffix)
        if os.environ.get("PLANS") == "write":
            golden.write_text(told)
        assert golden.read_text() == told


def test_colours_say_nothing_by_themselves() -> None:
    import re

    found = plan(side(BASE, "old.yaml"), side(BASE.replace("weight: 80", "weight: 60"), "new.yaml"))
    coloured = render(found, colour=True)
    assert "\x1b[33m~\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(found)
