"""Diagnostics as JUnit XML, which every CI shows: a suite is a file, a finding a failed case of it.

A file without errors is one passed case, so that a report is never empty. Warnings and infos are written into the
output of a passed case. Form: github.com/testmoapp/junitxml, which states what CI systems read.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics, Severity


def render(found: Diagnostics, files: Sequence[str]) -> str:
    """One suite for each of `files`, and one for each further file that something was found in."""
    by_file: dict[str, list[Diagnostic]] = {file: [] for file in files}
    for diagnostic in (each for each in found if each.accepted is None):
        where = diagnostic.span.path if diagnostic.span is not None else files[0] if files else "configuration"
        by_file.setdefault(where, []).append(diagnostic)
    suites = [_suite(file, findings) for file, findings in by_file.items()]
    failed = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    tests = sum(max(1, _errors(findings)) for findings in by_file.values())
    head = f'<testsuites name="gateway validate" tests="{tests}" failures="{failed}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>", ""])


def _errors(findings: Sequence[Diagnostic]) -> int:
    return sum(diagnostic.severity is Severity.ERROR for diagnostic in findings)


def _suite(file: str, findings: Sequence[Diagnostic]) -> str:
    failed = _errors(findings)
    cases = [_case(file, each) for each in findings if each.severity is Severity.ERROR]
    others = [each for each in findings if each.severity is not Severity.ERROR]
    if not cases:
        said = "".join(f"{each.severity}: {_words(each)}\n" for each in others)
        output = f"<system-out>{escaped(said)}</system-out>" if said else ""
        cases = [f'    <testcase name="is a good configuration" classname={quoteattr(file)}>{output}</testcase>']
    head = f'  <testsuite name={quoteattr(file)} tests="{len(cases)}" failures="{failed}">'
    return "\n".join([head, *cases, "  </testsuite>"])


def _case(file: str, diagnostic: Diagnostic) -> str:
    name = f"{diagnostic.code} at {diagnostic.span.at if diagnostic.span is not None else file}"
    words = escaped(_words(diagnostic))
    return (
        f"    <testcase name={quoteattr(name)} classname={quoteattr(file)}><failure "
        f"message={quoteattr(diagnostic.summary)} type={quoteattr(diagnostic.code)}>{words}</failure></testcase>"
    )


def _words(diagnostic: Diagnostic) -> str:
    where = f"{diagnostic.span.at}: " if diagnostic.span is not None else ""
    help_ = f" ({diagnostic.suggestion})" if diagnostic.suggestion is not None else ""
    return f"{where}{diagnostic.detail}{help_}"


def escaped(words: str) -> str:
    """Text of an element; characters that XML 1.0 cannot hold are shown as what they are."""
    return escape(
        "".join(
            char if char in "\t\n" or " " <= char <= "\ud7ff" or char > "\ue000" else repr(char)[1:-1] for char in words
        )
    )
