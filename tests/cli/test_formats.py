"""What `gateway validate` writes for programs, and how severities are graded."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

GOOD = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n"
WARNS = GOOD.replace("{sandbox: {}}", "{sandbox: {}, vllm: {}}")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def file(place: Path, text: str, name: str = "router.yaml") -> Path:
    path = place / name
    path.write_text(text)
    return path


def test_sarif(tmp_path: Path) -> None:
    path = file(tmp_path, WARNS.replace("provider: sandbox", "provider: sandbx"))
    document = json.loads(run(path, "--format", "sarif").stdout)
    assert document["version"] == "2.1.0"
    (only,) = document["runs"]
    rules = [rule["id"] for rule in only["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    for result in only["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    (error,) = [result for result in only["results"] if result["level"] == "error"]
    assert error["ruleId"] == "unknown-provider"
    place = error["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == str(path)
    assert place["region"] == {"startLine": 4, "startColumn": 24, "endLine": 4, "endColumn": 30}
    moved = file(tmp_path, "# a line above\n" + path.read_text(), "moved.yaml")
    again = json.loads(run(moved, "--format", "sarif").stdout)["runs"][0]["results"]
    marks = [result["partialFingerprints"] for result in only["results"]]
    assert [result["partialFingerprints"] for result in again] == marks, "a finding that moves stays the same finding"


def test_sarif_carries_fixes_and_the_page_about_a_code(tmp_path: Path) -> None:
    path = file(tmp_path, GOOD.replace("provider: sandbox", "provider: sandbx"))
    (only,) = json.loads(run(path, "--format", "sarif").stdout)["runs"]
    (rule,) = only["tool"]["driver"]["rules"]
    assert rule["help"]["markdown"].startswith("## unknown-provider\n")
    assert rule["help"]["text"].startswith("unknown-provider\n\n")
    assert "    version: 1\n" in rule["help"]["text"], "an example"
    assert rule["fullDescription"]["text"].startswith(f"{rule['shortDescription']['text']}. An error: ")
    (result,) = only["results"]
    ((change,),) = [each["artifactChanges"] for each in result["fixes"]]
    assert change["artifactLocation"]["uri"] == str(path)
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 4, "startColumn": 24, "endLine": 4, "endColumn": 30},
            "insertedContent": {"text": "sandbox"},
        }
    ]
    (found,) = json.loads(run(path, "--format", "json").stdout)["diagnostics"]
    assert [(fix["place"]["line"], fix["text"]) for fix in found["fixes"]] == [(4, "sandbox")]


def test_sarif_says_what_was_accepted_and_why(tmp_path: Path) -> None:
    path = file(tmp_path, WARNS.replace("vllm: {}}", "vllm: {}}  # accept: inert-provider (next week)"))
    (result,) = json.loads(run(path, "--format", "sarif").stdout)["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "next week"}]


def test_junit(tmp_path: Path) -> None:
    bad = file(tmp_path, GOOD.replace("provider: sandbox", 'provider: "a<b>&"'), "bad.yaml")
    good = file(tmp_path, WARNS, "good.yaml")
    root = ElementTree.fromstring(run(good, bad, "--format", "junit").stdout)
    assert root.attrib == {"name": "gateway validate", "tests": "2", "failures": "1"}
    suites = {suite.get("name"): suite for suite in root}
    assert suites[str(good)].find("testcase/failure") is None
    assert (suites[str(good)].findtext("testcase/system-out") or "").startswith(f"warning: {good}:3:")
    failure = suites[str(bad)].find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "unknown-provider"
    assert "a<b>&" in (failure.text or "")


def test_codes_are_promoted_and_demoted(tmp_path: Path) -> None:
    warns = file(tmp_path, WARNS)
    assert run(warns).exit_code == 0
    assert run(warns, "-E", "inert-provider").exit_code == 1
    assert run(warns, "-E", "all").exit_code == 1
    assert run(warns, "-E", "inert-model").exit_code == 0
    inert = file(tmp_path, GOOD + "combos: {c: {targets: [{model: m, weight: 2}]}}\n", "inert.yaml")
    assert run(inert).exit_code == 1
    demoted = run(inert, "-W", "inert-weight")
    assert demoted.exit_code == 0, demoted.stdout
    assert "warning[inert-weight]" in demoted.stdout
    assert run(inert, "-W", "inert-weight", "--strict").exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-E", "inert-provder"), "did you mean 'inert-provider'?"),
        (("-W", "unknown-provider"), "cannot be a warning"),
        (("-W", "all"), "-W takes codes"),
    ],
)
def test_what_cannot_be_graded(tmp_path: Path, arguments: tuple[str, str], says: str) -> None:
    result = run(file(tmp_path, GOOD), *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_an_accepted_warning_is_none(tmp_path: Path) -> None:
    path = file(tmp_path, WARNS.replace("vllm: {}}", "vllm: {}}  # accept: inert-provider (next week)"))
    result = run(path, "--strict")
    assert result.exit_code == 0
    assert "1 accepted" in result.stdout
    (found,) = json.loads(run(path, "--format", "json").stdout)["diagnostics"]
    assert found["accepted"] == "next week"
    assert run(path, "-E", "all").exit_code == 0, "what was accepted is not promoted with the rest"


PAGE = f"""# Title

```sh
version: 7
```

```yaml
version: 1
gateway: {{auth: open}}
providers: {{sandbox: {{}}}}
models: {{m: {{provider: sandbx}}}}
```

~~~yaml title="router.yaml"
{GOOD}~~~

```yaml
some: thing
```
"""


def test_the_fences_of_a_page_are_configurations(tmp_path: Path) -> None:
    page = file(tmp_path, PAGE, "page.md")
    result = run(page)
    assert result.exit_code == 1
    assert f"{page}:11:24" in result.stdout, "places are those of the page"
    assert result.stdout.count("good, revision") == 1
    assert run(file(tmp_path, PAGE.replace("sandbx", "sandbox"), "good.md")).exit_code == 0
    assert run(file(tmp_path, "# no fences\n", "none.md")).exit_code == 0
