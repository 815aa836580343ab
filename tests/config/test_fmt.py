"""Formatting: same meaning, every comment kept, once is enough, the shorter form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.config.fmt import Unformattable, formatted
from gateway.config.load import load
from gateway.config.model import Config
from gateway.engine.known import KNOWN
from tests.config.test_cases import ENV

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [ROOT / "router.yaml", *(ROOT / "examples").glob("*.yaml"), *(ROOT / "tests/config/cases").rglob("*.yaml")]
)

BEFORE = """\
# yaml-language-server: $schema=schemas/router.schema.json
version:   1
gateway: { auth: open,   workers: 2 }   # here


# about providers
providers:
    sandbox: {}   # built in
    "openai":
        api_keys: {main: {key: {env: OPENAI_API_KEY}}, spare: {key: {env: SPARE}, tier: 1}}


models:
  m: {provider: sandbox, id: "x # no comment"}     # m
  # before n
  n:
    provider: sandbox   # c1
    context:  128k
combos:
  fast:
    strategy: priority
    targets:
    - {model: m}
    - model: n   # why n
    - group: [{model: m}, {model: n, weight: 2}]
      strategy: weighted
  plain: {strategy: priority, targets: [{model: m}, n]}
  told: {targets: [m, n], hold: 2}
fallbacks:
  m:
  - to: [n]
policies:
- name: x
  do: {set: {temperature: {always: 0}, max_tokens: {at_most: 5}}, system: {prefix: "hi"}}
  # tail comment
- name: long
  do:
    system:
      prefix: |
        Two

        # no comment
          lines@@@

  require: {tags: [eu]}
"""
AFTER = """\
# yaml-language-server: $schema=schemas/router.schema.json
version: 1
gateway: {auth: open, workers: 2}  # here

# about providers
providers:
  sandbox: {}  # built in
  "openai":
    api_keys: {main: {env: OPENAI_API_KEY}, spare: {key: {env: SPARE}, tier: 1}}

models:
  m: {provider: sandbox, id: "x # no comment"}  # m
  # before n
  n:
    provider: sandbox  # c1
    context: 128k
combos:
  fast:
    - m
    - model: n  # why n
    - group: [m, {model: n, weight: 2}]
      strategy: weighted
  plain: [m, n]
  told: {targets: [m, n], hold: 2}
fallbacks:
  m: [n]
policies:
  - name: x
    do: {set: {temperature: 0, max_tokens: {at_most: 5}}, system: {prefix: "hi"}}
  # tail comment
  - name: long
    do:
      system:
        prefix: |
          Two

          # no comment
            lines@@@

    require: {tags: [eu]}
"""


def meaning(path: Path, text: str) -> Config | list[tuple[str, str]]:
    loaded = load([path], known=KNOWN, environ=ENV, texts={path: text.encode()})
    return loaded.config or sorted((found.code, found.path) for found in loaded.diagnostics)


def test_the_canonical_form() -> None:
    before, after = (text.replace("@", " ") for text in (BEFORE, AFTER))  # spaces at the end of a line that count
    assert formatted(before) == after
    assert formatted(after) == after


CIRCLES = "yaml-alias-in-itself.yaml"  # the command sees that its meaning would change, and leaves it alone


@pytest.mark.parametrize("path", [path for path in FILES if path.name != CIRCLES], ids=lambda path: path.name)
def test_formatting_keeps_the_meaning_and_the_comments(path: Path) -> None:
    text = path.read_bytes().decode()
    try:
        new = formatted(text)
    except Unformattable:
        assert load([path], known=KNOWN, environ=ENV).diagnostics.has_errors
        return
    assert formatted(new) == new
    assert meaning(path, new) == meaning(path, text)
    assert sorted(re.findall(r"# .*?\S(?=\s*$)", new, re.M)) == sorted(re.findall(r"# .*?\S(?=\s*$)", text, re.M))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fmt", *map(str, arguments)])


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    text = "version:  1\nmodels:   {m: {provider: sandbox}}\nproviders: {sandbox: {}}\n"
    file.write_text(text)
    file.chmod(0o640)
    assert run(file, "--check").exit_code == 1
    shown = run(file, "--diff")
    assert shown.exit_code == 1
    assert "-version:  1\n" in shown.stdout
    assert "+version: 1\n" in shown.stdout
    assert file.read_text() == text, "neither writes"
    assert run(file).exit_code == 0
    assert file.read_text() == "version: 1\nmodels: {m: {provider: sandbox}}\nproviders: {sandbox: {}}\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert run(file, "--check").exit_code == 0
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_formatted_is_left_alone(tmp_path: Path) -> None:
    for text in ("a: [", "- 1\n", "a: 1\na: 2\n", "", "\x00"):
        file = tmp_path / "router.yaml"
        file.write_text(text)
        result = run(file)
        assert result.exit_code == 1, text
        assert "cannot be formatted" in result.stderr
        assert file.read_text() == text


def test_a_file_whose_meaning_would_change_is_left_alone(tmp_path: Path) -> None:
    (circles,) = (path for path in FILES if path.name == CIRCLES)
    file = tmp_path / "router.yaml"
    file.write_bytes(circles.read_bytes())
    assert run(file).exit_code == 1
    assert file.read_bytes() == circles.read_bytes()


def test_standard_input() -> None:
    result = CliRunner().invoke(app, ["fmt", "-"], input="version:   1\n")
    assert result.stdout == "version: 1\n"
