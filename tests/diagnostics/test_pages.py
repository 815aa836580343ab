"""The pages about codes: whole, in Markdown, and as the plain text that SARIF wants beside it."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostics, Fix, Related, diagnose
from gateway.diagnostics.pages import explained, meaning, pages, plain
from gateway.diagnostics.sarif import render
from gateway.diagnostics.source import Span

# What SARIF 2.1.0 says of the objects that are written: which properties there are, and which there must be.
TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}


def an(object_: dict[str, object], *must: str) -> dict[str, object]:
    return {"type": "object", "properties": object_, "required": list(must), "additionalProperties": False}


def some(items: object, least: int = 1) -> dict[str, object]:
    return {"type": "array", "items": items, "minItems": least}


MESSAGE = an({"text": TEXT, "markdown": TEXT}, "text")  # 3.11, 3.12
REGION = an({"startLine": COUNT, "startColumn": COUNT, "endLine": COUNT, "endColumn": COUNT})  # 3.30
ARTIFACT = an({"uri": {"type": "string", "pattern": "^[^ ]+$"}})  # 3.4
PLACE = an({"artifactLocation": ARTIFACT, "region": REGION})  # 3.29
LOCATION = an({"physicalLocation": PLACE, "message": MESSAGE})  # 3.28
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = an(  # 3.49
    {
        "id": {"enum": list(CODES)},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "defaultConfiguration": an({"level": LEVEL}),
    },
    "id", "shortDescription", "fullDescription", "help",  # all four are wanted by code scanning
)  # fmt: skip
REPLACEMENT = an({"deletedRegion": REGION, "insertedContent": an({"text": {"type": "string"}})}, "deletedRegion")
CHANGE = an({"artifactLocation": ARTIFACT, "replacements": some(REPLACEMENT)}, "artifactLocation", "replacements")
RESULT = an(  # 3.27
    {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
        "locations": some(LOCATION),
        "relatedLocations": some(LOCATION),
        "suppressions": some(an({"kind": {"enum": ["inSource", "external"]}, "justification": TEXT}, "kind")),
        "fixes": some(an({"description": MESSAGE, "artifactChanges": some(CHANGE)}, "artifactChanges")),
    },
    "message",
)
DRIVER = an({"name": TEXT, "semanticVersion": TEXT, "rules": some(RULE, 0)}, "name")
RUN = an(
    {
        "tool": an({"driver": DRIVER}, "driver"),
        "columnKind": {"enum": ["unicodeCodePoints"]},
        "results": some(RESULT, 0),
    },
    "tool",
)
LOG = an({"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": some(RUN)}, "version", "runs")


def test_sarif_is_as_its_specification_says() -> None:
    span = Span("a b/router.yaml", 1, 1, 1, 2)
    found = [diagnose(code, "What is wrong.", span, "models.a") for code in CODES]
    found.append(
        diagnose("declared-twice", "x", span, "m", "do", (Related("here", span),), (Fix(span, "text"), Fix(span, "")))
    )
    found.append(diagnose("unreadable-file", "x", None))
    log = json.loads(render(Diagnostics(found), "1.2.3"))
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(LOG).iter_errors(log)]
    assert errors == []
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert len(rules) == len(CODES)
    for rule in rules:
        assert rule["help"]["markdown"] == explained(rule["id"])
        assert "```" not in rule["help"]["text"] + rule["fullDescription"]["text"]
        assert rule["fullDescription"]["text"] in rule["help"]["text"]


def test_every_code_has_a_page() -> None:
    assert set(pages()) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_plain_page_says_the_same_words(code: str) -> None:
    page = explained(code)
    assert page is not None
    said = plain(page)
    marks = str.maketrans("", "", "`#")
    for line in page.splitlines():
        if not line.startswith("```"):
            assert line.translate(marks).strip() in said.translate(marks), line
    assert meaning(page).startswith(CODES[code][0])


def test_examples_keep_their_shape_and_their_marks() -> None:
    assert plain("## a-code\n\nWrite `x`.\n\n```yaml\n# `y`\n\n  b: 1\n```\n") == (
        "a-code\n\nWrite x.\n\n    # `y`\n\n      b: 1"
    )
    assert meaning("no page") == "no page"
