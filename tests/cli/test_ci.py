"""examples/ci and .pre-commit-hooks.yaml: every command line in them runs, in a repository as a reader has one.

What is not ours (pip, gh, the actions of others) is a stand-in that writes down what it was told.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from tests.servers import missing

ROOT = Path(__file__).parents[2]
CI = ROOT / "examples" / "ci"
FILE = """\
version: 1
gateway: {auth: open}
providers:
  openai: {api_key: {env: OPENAI_API_KEY}}
  anthropic: {api_key: {env: ANTHROPIC_API_KEY}}
models:
  gpt: {provider: openai, id: gpt-4.1, visibility: internal}
  claude: {provider: anthropic, id: claude-sonnet-4-5, visibility: internal}
combos: {smart: [claude]}
tests:
  - name: Claude answers
    request: {model: smart}
    expect: {status: 200, path: [claude]}
"""
CHANGED = FILE.replace("{smart: [claude]}", "{smart: [claude, gpt]}")
BROKEN = FILE.replace("provider: openai,", "provider: openia,")


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


class Repository:
    """A git repository with a file, and a change of it that is not merged yet."""

    def __init__(self, place: Path, text: str) -> None:
        self.place = place / "repository"
        self.place.mkdir()
        tools = place / "bin"
        tools.mkdir()
        shim(tools / "gateway", f'exec {shlex.quote(sys.executable)} -m gateway "$@"')
        for name in ("pip", "gh"):
            shim(tools / name, f'echo "{name} $*" >> {shlex.quote(str(place / "told"))}')
        self.told = place / "told"
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self.environ = {**kept, "PYTHONPATH": str(ROOT), "PATH": f"{tools}:{os.environ['PATH']}"}
        self.git("init", "-q", "-b", "main")
        self.write(FILE)
        self.git("add", ".")
        self.git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "one")
        self.base = self.git("rev-parse", "HEAD").strip()
        self.write(text)

    def write(self, text: str) -> None:
        (self.place / "router.yaml").write_text(text)

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.place, env=self.environ, check=True, capture_output=True, text=True
        ).stdout

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """As a runner does it: bash, which stops where something fails."""
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.place, env=self.environ | environ, capture_output=True, text=True, timeout=100,
        )  # fmt: skip

    def text(self, name: str) -> str:
        return (self.place / name).read_text()


def shim(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture(autouse=True)
def _git() -> None:
    if shutil.which("git") is None:
        missing("git", "git")


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml(CI / "github-actions.yml")["jobs"]["router"]["steps"]
    return found


def github(repository: Repository) -> dict[str, subprocess.CompletedProcess[str]]:
    """The steps that are ours, in order, by name: `always()` ones also after a failure, the others not."""
    done: dict[str, subprocess.CompletedProcess[str]] = {}
    failed = False
    for step in steps():
        if "run" not in step or (failed and step.get("if") != "always()"):
            continue
        name = step.get("name", step["run"].split()[0])
        done[name] = repository.run(step["run"], BASE=repository.base, PULL="7", GATEWAY="gateway", GH_TOKEN="t")
        failed = failed or done[name].returncode != 0
    return done


def test_the_workflow_of_a_good_change(tmp_path: Path) -> None:
    repository = Repository(tmp_path, CHANGED)
    done = github(repository)
    assert {name: each.returncode for name, each in done.items()} == dict.fromkeys(done, 0), done
    assert len(done) == 7
    comment = repository.text("comment.md")
    assert "smart" in comment.split("| route | grade |")[0], "the plan"
    assert re.search(r"^\| `smart` \| \*\*[A-F]\*\* \|", comment, re.M), "the scorecard"
    assert json.loads(repository.text("gateway.sarif"))["version"] == "2.1.0"
    assert repository.told.read_text().splitlines() == [
        "pip install --quiet gateway",
        "gh pr comment 7 --edit-last --create-if-none --body-file comment.md",
    ]


def test_the_workflow_of_a_broken_change(tmp_path: Path) -> None:
    done = github(Repository(tmp_path, BROKEN))
    first, second = (each for name, each in done.items() if name.startswith("Findings"))
    assert first.returncode == 1 and "::error file=router.yaml,line=7," in first.stdout
    assert second.returncode == 0, "the SARIF is written all the same"
    assert list(done)[-1] == "Findings, for the security tab", "nothing comes after it"


def test_a_workflow_puts_no_expression_into_a_script() -> None:
    """What a stranger chose must not become part of a command line: it comes by the environment."""
    assert not any("${{" in step["run"] for step in steps() if "run" in step)
    workflow = yaml(CI / "github-actions.yml")
    assert set(workflow["permissions"]) == {"contents", "pull-requests", "security-events"}
    assert {"BASE", "PULL", "GH_TOKEN", "GATEWAY"} == set(workflow["env"])


def test_the_gitlab_job(tmp_path: Path) -> None:
    job = yaml(CI / "gitlab-ci.yml")["router"]
    for text, codes in ((CHANGED, [0, 0, 0, 0, 0]), (BROKEN, [1])):
        place = tmp_path / str(len(codes))
        place.mkdir()
        repository = Repository(place, text)
        found = []
        for line in [*job["before_script"], *job["script"]]:
            done = repository.run(line, CI_MERGE_REQUEST_DIFF_BASE_SHA=repository.base, GATEWAY="gateway")
            if "pip" not in line:
                found.append(done.returncode)
            if done.returncode:
                break
        assert found == codes, done.stderr
        for name in job["artifacts"]["reports"]["junit"][: len(codes)]:
            suites = ElementTree.fromstring(repository.text(name))
            assert suites.iter("testcase"), name
            assert bool(list(suites.iter("failure"))) is (text == BROKEN)
        if text == CHANGED:
            assert all(repository.text(name).strip() for name in job["artifacts"]["paths"])
            assert "smart" in repository.text("plan.md")


HOOKS: list[dict[str, Any]] = yaml(ROOT / ".pre-commit-hooks.yaml")


def hooked(repository: Repository, id_: str) -> subprocess.CompletedProcess[str]:
    """What pre-commit does with a hook: its entry, with the files that it is for."""
    (hook,) = [each for each in HOOKS if each["id"] == id_]
    files = [name for name in repository.git("ls-files").splitlines() if re.search(hook["files"], name)]
    assert files, "it would never run"
    return repository.run(f"{hook['entry']} {' '.join(files) if hook.get('pass_filenames', True) else ''}")


def test_the_pre_commit_hooks(tmp_path: Path) -> None:
    repository = Repository(tmp_path, CHANGED)
    assert {each["id"]: hooked(repository, each["id"]).returncode for each in HOOKS} == {
        "gateway-fmt": 0, "gateway-validate": 0, "gateway-test": 0,
    }  # fmt: skip
    repository.write(BROKEN)
    assert "unknown-provider" in hooked(repository, "gateway-validate").stdout
    assert hooked(repository, "gateway-validate").returncode == 1
    repository.write(CHANGED.replace("path: [claude]", "path: [gpt]"))
    assert hooked(repository, "gateway-test").returncode == 1
    repository.write(CHANGED.replace("combos: {", "combos:   {"))
    assert hooked(repository, "gateway-fmt").returncode == 0
    assert repository.text("router.yaml") == CHANGED, "the changed file is what pre-commit fails for"


def test_the_pre_commit_example_names_hooks_that_there_are() -> None:
    (repo,) = yaml(CI / "pre-commit-config.yaml")["repos"]
    assert [each["id"] for each in repo["hooks"]] == [each["id"] for each in HOOKS]
    assert all({"id", "name", "entry", "language", "files"} <= set(each) for each in HOOKS)


def test_the_page_names_what_there_is() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    for path in re.findall(r"\]\(\.\./([^)#]+)\)", page):
        assert (ROOT / path).exists(), path
    assert {f"examples/ci/{each.name}" for each in CI.iterdir()} <= set(re.findall(r"\]\(\.\./([^)#]+)\)", page))
