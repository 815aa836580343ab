"""A short run of the fuzzing, and what longer ones have found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.fuzz import examine, failures

HEAD = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\n"
MODELS = "models: {m: {provider: sandbox}, n: {provider: sandbox}}\n"

# Each raised, hung, or was said of another place, once.
FOUND = {
    "an include of the root": HEAD + MODELS + "include: ['/']\n",
    "an include of nothing": HEAD + MODELS + "include: ['.', '']\n",
    "an include of a NUL": HEAD + MODELS + 'include: ["a\\0b"]\n',
    "an include of the whole disk": HEAD + MODELS + "include: ['/**/*.yaml']\n",
    "a reference to a list": HEAD.replace("open", "{env: [x]}") + MODELS,
    "a secret in a file whose name has a NUL": HEAD + 'models: {m: {provider: sandbox, supports: [{file: "a\\0b"}]}}\n',
    "tokens beyond all numbers": HEAD + f"models: {{m: {{provider: sandbox, context: {'9' * 400}k}}}}\n",
    "bytes beyond all numbers": HEAD + f"cache: {{exact: {{ttl: 1m}}, size: {'9' * 400}GB}}\n",
    "money beyond all numbers": HEAD + MODELS + f"budgets: {{b: {{limit: {'9' * 400} USD, per: day}}}}\n",
    "an acceptance in a line of an old Mac": HEAD + MODELS.replace("\n", "\r") + "# accept: nothing\r",
    "an empty mapping": "{}",
    "a version of YAML that never was": "%YAML 1.99999999999999999999\n---\n" + HEAD + MODELS,
    "a combo whose name ends with an @": HEAD + MODELS + "combos: {m@: [m, n]}\n",
    "a version of YAML that never was, later": "a: 1\n%YAML 1.0\n---\nb: 2\n",
    "two empty entries and what is below neither": HEAD + "models:\n  m:\n  provider:\n  context: 8k\n",
    "an alias that is marked later": HEAD.replace("{auth: open}", "*z") + "models: {m: &z {provider: sandbox}}\n",
    "digits of another script": HEAD + "models: {m: {provider: sandbox, price: {input: \u0663}, context: \u0663k}}\n",
    "a tag that takes the brace with it": HEAD + "models: {m: {provider: !!set, id: x}, n: {provider: !x}}\n",
    "a version of YAML that never was, with a null": "a: 1\n---\n%YAML 0.1\n---\n",
    "a version of YAML before the first": "--- 1\n...\n%YAML 0.1\n---\nb: 2\n",
    "a pattern with a number of 5,000 digits": HEAD + MODELS + "guardrails: {g: {pattern: '(a{" + "9" * 5000 + "}', do: flag}}\npolicies: [{name: p, do: {redact: [{pattern: 'a{" + "9" * 5000 + "}'}]}}]\n",
    "one anchor for two": HEAD + "models: {m: &a {provider: sandbox}, n: &a {provider: sandbox}}\n",
    "merges of merges": HEAD + "models:\n  m0: &m0 {provider: sandbox}\n" + "".join(f"  m{i}: &m{i} {{<<: *m{i - 1}}}\n" for i in range(1, 55)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    examine(FOUND[name].encode(), tmp_path, again=True)
    assert capfd.readouterr() == ("", "")


def test_two_thousand_broken_files() -> None:
    assert [(number, how) for number, _, how in failures(20, range(2_000))] == []


def test_the_same_is_said_in_every_process() -> None:
    """Nothing depends on the order of a set."""
    said = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.config.fuzz", "--files", "400", "--seed", "3", "--digest"]
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        said.add(subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout)
    assert len(said) == 1
