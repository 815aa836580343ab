"""`gateway test`: what it says of tests that pass and of tests that fail, for people and for programs."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

ROOT = Path(__file__).parent.parent.parent
CONFIG = """\
version: 1
providers:
  anthropic: {api_key: {env: NO_SUCH_VARIABLE}}
  vllm: {protocol: openai-chat, base_url: {env: NO_SUCH_URL}, api_key: none}
models:
  claude: {provider: anthropic, id: claude-sonnet-4-5}
  house: {provider: vllm, context: 128k}
  spare: {provider: anthropic, id: claude-haiku-4-5}
combos:
  fast: [claude, house]
fallbacks:
  fast: [{on: [quota], to: [spare]}]
policies:
  - name: cap
    when: {key: ci}
    do: {set: {max_tokens: {at_most: 100}}}
  - name: never
    when: {headers: {x-app: none}}
    do: {no_cache: true}
keys: {ci: {from: {env: NO_SUCH_KEY}}}
"""
TESTS = """\
version: 1
tests:
  - name: a rate limit goes to the house
    request: {model: fast, key: ci}
    faults: {claude: [429]}
    expect: {path: [claude, house], status: 200}
  - name: both are down
    request: {model: fast, key: ci}
    faults: {claude: overloaded, house: quota}
    expect:
      path: [claude, house]
      status: 503
"""
FAILED = """\
ok    a rate limit goes to the house
FAIL  both are down
error[test-failed]: A test failed
 --> tests.yaml:11:13
    |
 11 |       path: [claude, house]
    |             ^^^^^^^^^^^^^^^
  path: expected [claude, house], got [claude, house, spare]

error[test-failed]: A test failed
 --> tests.yaml:12:15
    |
 12 |       status: 503
    |               ^^^
  status: expected 503, got 200
  POST /v1/chat/completions, model fast, key ci
    the policy 'cap' holds (router.yaml:14:5)
    sent to claude (router.yaml:10:10) with default: overloaded (529) after 0s
    sent to house (router.yaml:10:18) with none: quota (429) after 0s
    sent to spare (router.yaml:12:29) with default: answered after 0s
    200 after 0s

1 passed, 1 failed, 2 requests
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "router.yaml").write_text(CONFIG)
    (tmp_path / "tests.yaml").write_text(TESTS)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["test", *arguments])


def test_a_test_that_fails_points_at_its_line_and_tells_how_it_came(place: Path) -> None:
    result = run("tests.yaml")
    assert (result.stdout, result.exit_code) == (FAILED, 1)


def test_the_tests_that_pass(place: Path) -> None:
    result = run("tests.yaml", "--filter", "rate limit")
    assert (result.stdout, result.exit_code) == ("ok    a rate limit goes to the house\n1 passed, 1 request\n", 0)


def test_tests_of_the_file_itself_and_of_others(place: Path) -> None:
    own = TESTS.replace("version: 1\n", "").replace("a rate limit", "its own")
    (place / "router.yaml").write_text(CONFIG + own)
    assert "its own" in run().stdout
    result = run("tests.yaml")
    assert "its own" not in result.stdout
    assert "a rate limit" in result.stdout


def test_programs_read_json(place: Path) -> None:
    result = run("tests.yaml", "--format", "json", "--coverage")
    found = json.loads(result.stdout)
    assert (found["version"], found["passed"], found["failed"]) == (1, 1, 1)
    good, bad = found["tests"]
    assert (good["name"], good["at"], good["passed"]) == ("a rate limit goes to the house", "tests.yaml:3:5", True)
    assert bad["missed"][1] == {
        "at": "tests.yaml:12:15",
        "path": "tests.1.expect.status",
        "expected": "503",
        "actual": "200",
    }
    assert bad["seconds"] == 0.0
    assert [trial["target"] for trial in bad["steps"][0]["trials"]] == ["claude", "house", "spare"]
    assert found["coverage"] == {
        "touched": 8,
        "all": 9,
        "untouched": [{"kind": "policy", "name": "never", "at": "router.yaml:17:5"}],
    }


def test_junit(place: Path) -> None:
    root = ElementTree.fromstring(run("tests.yaml", "--format", "junit").stdout)
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    (suite,) = root
    assert suite.get("name") == "tests.yaml"
    good, bad = suite
    assert len(good) == 0
    (failure,) = bad
    assert failure.get("message") == "path: expected [claude, house], got [claude, house, spare]"
    assert "tests.yaml:12:15: status: expected 503, got 200" in (failure.text or "")


def test_coverage_says_what_no_test_touched(place: Path) -> None:
    result = run("tests.yaml", "--coverage", "--filter", "rate limit")
    assert result.stdout.endswith(
        "coverage: 67%, 6 of 9; no test touched\n"
        "  model spare  router.yaml:8:3\n"
        "  fallback fast on quota to spare  router.yaml:12:10\n"
        "  policy never  router.yaml:17:5\n"
    )
    assert result.exit_code == 0
    assert run("tests.yaml", "--coverage-min", "60%", "--filter", "rate limit").exit_code == 0
    assert run("tests.yaml", "--coverage-min", "70%", "--filter", "rate limit").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there are no tests"),
        (["tests.yaml", "--filter", "nobody"], "no test has such a name"),
        (["router.yaml"], "router.yaml has `providers:`, so it is a configuration: give it with --config"),
        (["tests.yaml", "--coverage-min", "0.8"], "--coverage-min takes a share such as 80%, not '0.8'"),
        (["nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["tests.yaml", "-c", "tests.yaml"], "Nobody may call"),
    ],
)
def test_what_cannot_be_tested(place: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_configuration_with_errors_is_not_tested(place: Path) -> None:
    (place / "tests.yaml").write_text(TESTS.replace("house: quota", "huose: quota"))
    result = run("tests.yaml")
    assert result.exit_code == 2
    assert "tests.yaml:9:34" in result.stderr
    assert "did you mean 'house'?" in result.stderr


def test_a_hundred_tests_of_a_hundred_models(place: Path) -> None:
    models = "".join(f"  m{n}: {{provider: vllm}}\n" for n in range(100))
    combos = "".join(f"  c{n}: [m{n}, m{(n + 1) % 100}]\n" for n in range(100))
    tests = "".join(
        f"  - {{name: t{n}, request: {{model: c{n}}}, faults: {{m{n}: 429}}, expect: {{path: [m{n}, m{(n + 1) % 100}]}}}}\n"
        for n in range(100)
    )
    head = "version: 1\ngateway: {auth: open}\nproviders:\n  vllm: {base_url: 'http://vllm.test/v1'}\n"
    (place / "router.yaml").write_text(f"{head}models:\n{models}combos:\n{combos}tests:\n{tests}")
    began = time.process_time()
    result = run()
    assert result.exit_code == 0, result.stdout
    assert result.stdout.endswith("100 passed, 100 requests\n")
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "file", sorted([*(ROOT / "examples").glob("*.yaml"), ROOT / "router.yaml"]), ids=lambda p: p.name
)
def test_the_examples_do_what_they_say(file: Path) -> None:
    result = run("-c", str(file), "--coverage-min", "80%")
    assert result.exit_code == 0, result.output
