"""`gateway explain`: the page's own examples, what its flags make of a request, and what it exits with."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()
FILE = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0]
SHOWN = re.findall(r"```console\n\$ gateway (explain [^\n]*)\n(.*?)```", PAGE, re.S)
AT = ("--at", "2027-01-15T08:00:00Z")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's file, in a place where nothing of its environment is set."""
    for name in ("CI_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "router.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, data: str | None = None) -> Any:
    return CliRunner().invoke(app, ["explain", *words], input=data)


def told(*words: str, data: str | None = None) -> dict[str, Any]:
    result = run(*words, *AT, "--format", "json", data=data)
    assert result.exit_code in (0, 4), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {each["target"]: each["verdict"] for each in found["candidates"]}


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_is_printed(command: str, output: str) -> None:
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.output == output
    assert result.exit_code == (4 if "✗ 400" in output else 0)


def test_what_the_flags_make_of_a_request() -> None:
    found = told(
        "fast", "--tokens", "40k", "--stream", "--tools", "--session", "s1", "--protocol", "anthropic", "--seed", "1"
    )  # fmt: skip
    assert (found["protocol"], found["stream"], found["session"], found["seed"]) == ("anthropic", True, "s1", 1)
    assert 38_000 < found["tokens"] < 42_000
    assert found["breaks_off"] == "error"
    claude, _, house = found["candidates"]
    assert claude["forwards"] is True
    assert (house["verdict"], house["rule"]["path"]) == ("skipped", "models.house-llama.context")


def test_a_body_of_its_own(directory: Path) -> None:
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], "n": 2, "logit_bias": {"1": 2}}
    (directory / "request.json").write_text(json.dumps(body))
    found = told("--file", "request.json", "--seed", "1")
    assert (found["asked"], found["resolved"]["what"]) == ("gpt-4", "alias")
    assert {each["field"] for each in found["candidates"][0]["lossy"]} >= {"logit_bias"}
    assert told("house-llama", "--file", "-", data=json.dumps(body))["asked"] == "house-llama"
    gemini = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert told("fast", "--protocol", "gemini", "--file", "-", data=json.dumps(gemini))["tokens"] == 5


def test_what_is_assumed() -> None:
    assert verdicts(told("fast", "--seed", "1", "--down", "anthropic"))["claude-sonnet"] == "failed"
    twice = told("fast", "--seed", "1", "--fault", "claude-sonnet=connection,ok")
    assert [each["did"] for each in twice["candidates"][0]["happened"]] == ["failed", "answered"]
    assert verdicts(told("fast", "--seed", "1", "--resting", "claude-sonnet=auth"))["claude-sonnet"] == "skipped"
    spent = told("fast", "--key", "ci", "--spent", "platform=all")
    assert spent["outcome"] == {"status": 200, "attempts": 1, "target": "house-llama", "instead": "house-llama"}
    status = told("fast", "--seed", "1", "--fault", "claude-sonnet=529", "--fault", "gpt-4.1=503")
    assert [each["happened"][0]["kind"] for each in status["candidates"][:2]] == ["overloaded", "server_error"]
    assert status["outcome"]["target"] == "house-llama"


def test_who_asks() -> None:
    assert "limits" not in told("fast")
    assert told("fast")["needs_key"] is True
    assert run("fast").output.startswith("fast, asked by anybody, though a key is needed, openai-chat")
    ci = told("fast", "--key", "ci")
    assert (ci["caller"], ci["team"], ci["limits"][0]["says"]) == ("ci", "platform", "60 requests per minute")
    result = run("gpt-4.1", "--key", "anna")
    assert (result.exit_code, "403 model_not_allowed" in result.output) == (4, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fast", "--key", "anne"), "there is no key 'anne'; did you mean 'anna'?"),
        (("fast", "--fault", "claude=429"), "there is no target 'claude'"),
        (("fast", "--fault", "claude-sonet=429"), "did you mean 'claude-sonnet'?"),
        (("fast", "--fault", "gpt-4.1=rate_limits"), "'rate_limits' is no kind of failure; did you mean 'rate_limit'?"),
        (("fast", "--fault", "gpt-4.1=200"), "200 is no status of a failure"),
        (("fast", "--fault", "gpt-4.1=budget"), "'budget' cannot be what a send comes to"),
        (("fast", "--resting", "gpt-4.1=slow"), "'slow' is no kind of failure"),
        (("fast", "--spent", "daily=5"), "'daily=5' is not BUDGET=USD of one of: platform"),
        (("fast", "--spent", "platform=much"), "'much' is no amount of USD"),
        (("fast", "--at", "noon"), "--at: 'noon' is not a time such as 2027-01-31T09:30:00Z"),
        (("fast", "--tokens", "many"), "--tokens: 'many' is not a number of tokens"),
        (("fast", "--header", "nothing"), "--header: 'nothing' is not NAME: VALUE"),
        (("fast", "--protocol", "morse"), "'morse' is no wire that clients speak"),
        ((), "name what is asked for: gateway explain MODEL"),
        (("--file", "missing.json"), "missing.json cannot be read"),
        (("fast", "--file", "router.yaml"), "router.yaml is no JSON"),
    ],
)
def test_wrong_usage_says_what_is_wrong(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_a_file_with_errors(directory: Path) -> None:
    (directory / "router.yaml").write_text(FILE.replace("strategy: weighted", "strategy: weigted"))
    result = run("fast")
    assert (result.exit_code, "did you mean" in result.output) == (1, True)


def test_keys_that_do_not_work_any_more(directory: Path) -> None:
    (directory / "router.yaml").write_text(FILE.replace("ci: {", "ci: {expires: 2026-12-31, "))
    assert run("fast", "--key", "ci", "--at", "2026-12-31T12:00:00Z").exit_code == 0
    result = run("fast", "--key", "ci", *AT)
    assert (result.exit_code, result.output) == (4, "gateway: key 'ci': This API key expired on 2026-12-31.\n")
