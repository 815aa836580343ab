"""Diagnostics as SARIF 2.1.0, which code scanning reads (docs.oasis-open.org/sarif/sarif/v2.1.0, and docs.github.com,
"SARIF support for code scanning").

A rule is a code; a result is a finding. A finding has a fingerprint that survives what is written above it: its code,
its path in the configuration and its words.

A rule carries the page about its code whole, as Markdown and as plain text (3.12.3: `text` is not formatted), since a
`helpUri` must be absolute (3.49.12) and the pages travel with the program. Braces are not doubled (3.11.5): no message
has arguments, and code scanning shows texts as they are.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity
from gateway.diagnostics.pages import explained, meaning, plain
from gateway.diagnostics.source import Span

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(found: Diagnostics, version: str) -> str:
    """One run. `version` is the gateway's."""
    rules = sorted({diagnostic.code for diagnostic in found})
    driver = {
        "name": "gateway",
        "semanticVersion": version,
        "rules": [_rule(code) for code in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, rules.index(diagnostic.code)) for diagnostic in found],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _rule(code: str) -> dict[str, Any]:
    summary, severity = CODES[code]
    page = explained(code) or summary
    return {
        "id": code,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": plain(meaning(page))},
        "help": {"text": plain(page), "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[Severity(severity)]},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    text = diagnostic.detail + (f" {diagnostic.suggestion}" if diagnostic.suggestion is not None else "")
    mark = sha256(f"{diagnostic.code}\0{diagnostic.path}\0{diagnostic.detail}".encode()).hexdigest()[:32]
    out: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": f"{diagnostic.summary}: {text}"},
        "partialFingerprints": {"gateway/v1": mark},
    }
    if diagnostic.span is not None:
        out["locations"] = [{"physicalLocation": _place(diagnostic.span)}]
    if diagnostic.accepted is not None:
        out["suppressions"] = [{"kind": "inSource", "justification": diagnostic.accepted}]
    if diagnostic.fixes:
        replacements = [
            {"deletedRegion": _place(fix.span)["region"], "insertedContent": {"text": fix.text}}
            for fix in diagnostic.fixes
        ]
        changes = [
            {"artifactLocation": {"uri": quote(diagnostic.fixes[0].span.path)}, "replacements": replacements},
        ]
        out["fixes"] = [
            {"description": {"text": diagnostic.suggestion or diagnostic.detail}, "artifactChanges": changes}
        ]
    if diagnostic.related:
        out["relatedLocations"] = [
            {"physicalLocation": _place(each.span), "message": {"text": each.label}} for each in diagnostic.related
        ]
    return out


def _place(span: Span) -> dict[str, Any]:
    return {
        "artifactLocation": {"uri": quote(span.path)},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }
