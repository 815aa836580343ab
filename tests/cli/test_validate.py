"""`gateway validate` as people and CI run it; and every configuration that we show is good."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.config.load import load
from gateway.engine.build import build
from gateway.engine.known import KNOWN

ROOT = Path(__file__).parents[2]
GOOD = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n"
BAD = GOOD.replace("provider: sandbox", "provider: sandbx")
WARNS = GOOD.replace("models: {m: {provider: sandbox}}\n", "models: {}\n")
ENV = {
    "OPENAI_API_KEY": "x" * 20,
    "CI_KEY": "y" * 20,
    "ANTHROPIC_API_KEY": "a" * 20,
    "OPENAI_SPARE_KEY": "z" * 20,
    "AWS_BEARER_TOKEN_BEDROCK": "b" * 20,
    "GOOGLE_SERVICE_ACCOUNT": '{"type": "service_account"}',
    "AZURE_KEY": "a" * 20,
    "HOUSE_KEY": "h" * 20,
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, text in (("good", GOOD), ("bad", BAD), ("warns", WARNS)):
        found[name] = tmp_path / f"{name}.yaml"
        found[name].write_text(text)
    return found


def test_exit_codes(files: dict[str, Path]) -> None:
    for arguments, code in (
        ((files["good"],), 0),
        ((files["good"], "--strict"), 0),
        ((files["warns"],), 0),
        ((files["warns"], "--strict"), 3),
        ((files["bad"],), 1),
        ((files["bad"], "--strict"), 1),
        ((files["good"], files["bad"]), 1),
        ((files["good"].parent / "none.yaml",), 1),
        ((files["good"], "--config", files["bad"]), 2),
        ((files["good"], "--format", "xml"), 2),
    ):
        assert run("validate", *arguments).exit_code == code, arguments


def test_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(GOOD.replace("{sandbox: {}}", "{sandbox: {api_key: {env: NOT_SET_ANYWHERE}}}"))
    assert run("validate", file).exit_code == 1
    assert run("validate", "--without-secrets", file).exit_code == 0
    file.write_text(file.read_text().replace("provider: sandbox", "provider: sandbx"))
    assert run("validate", "--without-secrets", file).exit_code == 1, "it hides nothing else"


def test_text(files: dict[str, Path]) -> None:
    shown = run("validate", files["good"], files["bad"]).stdout
    assert re.search(r"good\.yaml: good, revision [0-9a-f]{12}\n", shown)
    assert f" --> {files['bad']}:4:24\n" in shown
    assert "did you mean 'sandbox'?" in shown


def test_json(files: dict[str, Path]) -> None:
    document = json.loads(run("validate", files["bad"], "--format", "json").stdout)
    assert document["version"] == 1
    assert document["summary"] == {"errors": 1, "warnings": 1, "infos": 0}
    (found,) = [each for each in document["diagnostics"] if each["severity"] == "error"]
    assert found["code"] == "unknown-provider"
    assert found["path"] == "models.m.provider"
    assert {key: found["place"][key] for key in ("line", "column", "end_line", "end_column")} == {
        "line": 4,
        "column": 24,
        "end_line": 4,
        "end_column": 30,
    }


def test_github(files: dict[str, Path]) -> None:
    lines = run("validate", files["bad"], "--format", "github").stdout.splitlines()
    assert lines[1] == (
        f"::error file={files['bad']},line=4,col=24,endLine=4,endColumn=30,title=Unknown provider (unknown-provider)"
        "::'sandbx' is not declared under `providers:`.%0Adid you mean 'sandbox'?"
    )


def test_several_files_of_one_configuration(files: dict[str, Path], tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("aliases: {a: m}\n")
    assert run("validate", "--config", files["good"], "--config", more).exit_code == 0
    assert run("validate", more).exit_code == 1, "by itself it is no configuration"


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema").stdout)["title"] == "router.yaml"


def test_a_wire_that_the_sandbox_does_not_speak() -> None:
    assert run("sandbox", "--wire", "morse").exit_code == 2


@pytest.mark.parametrize(
    "path", [ROOT / "router.yaml", *sorted((ROOT / "examples").glob("*.yaml"))], ids=lambda p: p.name
)
def test_every_example_is_good(path: Path) -> None:
    loaded = load([path], known=KNOWN, environ=ENV)
    assert [diagnostic.detail for diagnostic in loaded.diagnostics] == []
    assert loaded.config is not None
    engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
    assert engine.routes


@pytest.mark.parametrize("page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))])
def test_every_configuration_on_a_page_is_good(page: str, tmp_path: Path) -> None:
    for index, fence in enumerate(re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.S)):
        if "version:" not in fence:
            fence = f"version: 1\ngateway: {{auth: open}}\nproviders: {{sandbox: {{}}}}\n{fence}"
        if "models:" not in fence:
            fence += "\nmodels: {small: {provider: sandbox, id: s}, smart: {provider: sandbox, id: t}}\n"
        file = tmp_path / f"{index}.yaml"
        file.write_text(fence)
        loaded = load([file], known=KNOWN, environ=ENV)
        standing = [found for found in loaded.diagnostics if found.accepted is None]
        assert [found.detail for found in standing if found.severity != "info"] == []


def test_what_the_readme_shows_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.search(r"```\n(error\[unknown-provider\].*?)```", (ROOT / "README.md").read_text(), re.S)
    assert shown is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "router.yaml").write_text(
        (ROOT / "router.yaml").read_text().replace("small: {provider: sandbox", "small: {provider: sandobx")
    )
    assert shown[1].strip() in run("validate").stdout


def test_the_worst_case_of_each_route(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    models = "".join(
        f"  m{index}: {{provider: sandbox, context: 1k, price: {{input: {index}}}}}\n" for index in range(30)
    )
    file.write_text(
        GOOD.replace("models: {m: {provider: sandbox}}\n", f"models:\n{models}  unknown: {{provider: up}}\n")
    )
    file.write_text(file.read_text().replace("{sandbox: {}}", "{sandbox: {}, up: {preset: vllm}}"))
    lines = run("validate", file).stdout.splitlines()
    assert lines[1].split() == ["worst", "case", "of", "one", "request", "sends", "seconds", "USD"]
    assert lines[2].split() == ["unknown", "3", "600", "unknown:", "unknown"]
    assert lines[3].split() == ["m29", "3", "600", "0.0870"]
    assert lines[-1].strip() == "and 11 more: --format json has all"
    rows = json.loads(run("validate", file, "--format", "json").stdout)["worst"]
    assert len(rows) == 31
    assert rows[29] == {
        "route": "m29", "attempts": 3, "sends": 3, "seconds": 600.0, "usd": "0.087", "unknown": [],
    }  # fmt: skip
