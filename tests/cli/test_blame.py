"""`gateway blame`: rows of a ledger, a file with a history, and what is said where one of them is missing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.engine.known import KNOWN
from gateway.events import Finished, Record, Skipped, Trial
from gateway.store.ledger.book import Book
from gateway.telemetry.ledger import Recorder

FIRST = """\
version: 1
gateway: {auth: open, ledger: sqlite:///ledger.db}
providers: {sandbox: {}}
models:
  small: {provider: sandbox}
  large: {provider: sandbox, visibility: internal}
  house: {provider: sandbox}
aliases: {gpt-4: smart}
combos:
  smart: [small, large]
fallbacks:
  smart:
    - {on: [overloaded], to: [house]}
policies:
  - {name: eu only, when: {has: [images]}, require: {models: [small, house]}}
"""
SECOND = FIRST.replace("[small, large]", "[large, small]")


def git(where: Path, *words: str) -> None:
    who = ["-c", "user.name=Anna", "-c", "user.email=anna@example.com"]
    subprocess.run(["git", *who, *words], cwd=where, check=True, capture_output=True)


def revision(file: Path) -> str:
    return load([file], known=KNOWN, environ={}).revision[:12]


def note(where: Path, id_: str, revision: str, **more: Any) -> None:
    """A row of a request, written as the gateway does."""
    book = Book(f"sqlite:///{where}/ledger.db")
    book.prepare()
    recorder = Recorder(book, node="n", flush=0.01, keep=None, tell=lambda *_, **__: None)
    recorder.start()
    record = Record(
        at=more.pop("wall", 2e9),
        asked="gpt-4",
        trials=[Trial("small", "none", "overloaded", 529, 0.1), Trial("house", "none", None, 200, 0.1)],
        skipped=[Skipped("large", "the policy 'eu only' requires another model")],
        policies=["eu only"],
    )
    recorder(
        Finished(
            request_id=id_,
            operation="chat",
            route="gpt-4",
            provider="sandbox",
            model="house",
            key=None,
            revision=revision,
            status=200,
            kind=None,
            stream=False,
            attempts=2,
            seconds=0.2,
            first_content=None,
            usage=None,
            record=record,
        )
    )
    recorder.close(5.0)
    book.close()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits of a file."""
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    for text, message in ((FIRST, "Smart begins small"), (SECOND, "Large goes first")):
        (tmp_path / "router.yaml").write_text(text)
        git(tmp_path, "add", "router.yaml")
        git(tmp_path, "commit", "-qm", message)
    return tmp_path


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["blame", *words])


def lines(output: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip().split("  ") if cell.strip()] for line in output.splitlines()[1:]]


def test_the_lines_of_the_running_revision(repository: Path) -> None:
    note(repository, "r-1", revision(repository / "router.yaml"))
    result = run("r-1")
    assert result.exit_code == 0, result.output
    assert "the file as it is" in result.output.splitlines()[0]
    told = lines(result.output)
    assert [each[:3] for each in told] == [
        ["alias gpt-4", "was asked for", "router.yaml:8:11"],
        ["policy 'eu only'", "held", "router.yaml:15:5"],
        ["target large", "was skipped: the policy 'eu only' requires another model", "router.yaml:10:11"],
        ["policy 'eu only'", "keeps it from there", "router.yaml:15:44"],
        ["target small", "overloaded (529)", "router.yaml:10:18"],
        ["target house", "answered (200), by the fallback rule of smart", "router.yaml:13:31"],
    ]
    assert told[0][3].endswith("Anna: Smart begins small")
    assert told[2][3].endswith("Anna: Large goes first")


def test_an_older_revision_is_found_in_git(repository: Path) -> None:
    (repository / "old.yaml").write_text(FIRST)
    old = (repository / "old.yaml").rename(repository / "sub.yaml").with_name("router.yaml")
    old.write_text(FIRST)
    note(repository, "r-2", revision(old))
    old.write_text(SECOND)
    result = run("r-2", "--format", "json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert (told["sure"], len(told["commit"]), told["version"]) == (True, 40, 1)
    small = next(each for each in told["lines"] if each["what"] == "target small")
    assert small["where"] == "router.yaml:10:11"
    assert small["commit"]["summary"] == "Smart begins small"


def test_where_no_version_has_the_revision(repository: Path) -> None:
    note(repository, "r-3", "0" * 12)
    result = run("r-3")
    assert result.exit_code == 0, result.output
    assert "No version here has this revision, for which secrets count too." in result.output
    note(repository, "r-4", "0" * 12, wall=1.0)  # before the first commit
    result = run("r-4")
    assert (result.exit_code, "no commit of it before the request is here" in result.output) == (1, True)


def test_a_line_that_is_not_committed_says_so(repository: Path) -> None:
    (repository / "router.yaml").write_text(SECOND.replace("[large, small]", "[large, small, house]"))
    note(repository, "r-5", revision(repository / "router.yaml"))
    told = lines(run("r-5").output)
    assert next(each for each in told if each[0] == "target small")[3] == "not committed yet"


def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "router.yaml").write_text(FIRST)
    result = run("r-1")
    assert (result.exit_code, result.output) == (1, "gateway: There is no ledger ledger.db.\n")
    note(tmp_path, "r-1", revision(tmp_path / "router.yaml"))
    assert run("r-1").exit_code == 0  # the file is the revision; nobody knows who wrote it
    assert run("nobody").output == "gateway: The ledger has no request 'nobody'.\n"
    note(tmp_path, "r-2", "0" * 12)
    result = run("r-2")
    assert (result.exit_code, "its history is not here" in result.output) == (1, True)
    (tmp_path / "router.yaml").write_text(FIRST.replace(", ledger: sqlite:///ledger.db", ""))
    assert run("r-1").exit_code == 2
    assert run("r-1", "--ledger", "sqlite:///ledger.db").exit_code == 1
    (tmp_path / "router.yaml").write_text(FIRST.replace("sqlite:///ledger.db", "{url: {env: LEDGER_URL}}"))
    result = run("r-1")
    assert (result.exit_code, "LEDGER_URL, which is not here" in result.output) == (2, True)
    (tmp_path / "router.yaml").write_text("version: 2\n")
    assert run("r-1").exit_code == 1
