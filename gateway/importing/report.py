"""The report of an import: for people, for a pull request, and for programs.

Text shows what needs an eye first: manual, unsupported, approximate, then what is exact. JSON has `version: 1` and
every row in the order of the source. Values of the source are never shown, only where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.importing.imported import Finding, Imported, Verdict, written_path

_FIRST: Final = (Verdict.MANUAL, Verdict.UNSUPPORTED, Verdict.APPROXIMATE, Verdict.EXACT)
_TITLES: Final = {
    Verdict.MANUAL: "to be done by hand",
    Verdict.UNSUPPORTED: "not imported",
    Verdict.APPROXIMATE: "imported, with a difference",
    Verdict.EXACT: "imported as it is",
}


def summary(imported: Imported) -> str:
    """`12 exact, 3 approximate, 1 manual, 0 unsupported`."""
    return ", ".join(f"{imported.count(verdict)} {verdict.value}" for verdict in Verdict)


def grouped(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings that say the same together: one of them, and all."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.reason, "" if finding.reason else written_path(finding.path))
        found.setdefault(key, []).append(finding)
    return [(rows[0], rows) for rows in found.values()]


def text(imported: Imported) -> str:
    """The report for a terminal."""
    out = [f"{summary(imported)}\n"]
    for verdict in _FIRST:
        rows = [finding for finding in imported.findings if finding.verdict is verdict]
        if not rows:
            continue
        out.append(f"\n{verdict.value}: {_TITLES[verdict]}\n")
        for first, same in grouped(rows):
            for finding in same:
                goes = f" -> {written_path(finding.place)}" if finding.place else ""
                out.append(f"  {written_path(finding.path)}{goes}\n")
            if first.reason:
                out.append(f"      {first.reason}\n")
    if imported.differences:
        out.append("\nleft unsaid by the source, and not the same by default\n")
        out.extend(f"  {each.subject}: there {each.theirs}; here {each.ours}\n" for each in imported.differences)
    return "".join(out)


def markdown(imported: Imported) -> str:
    """The report for a pull request: a table of each verdict, those that need an eye open."""
    out = [f"**Imported from {imported.system}**: {summary(imported)}\n"]
    for verdict in _FIRST:
        rows = [finding for finding in imported.findings if finding.verdict is verdict]
        if not rows:
            continue
        is_open = " open" if verdict is not Verdict.EXACT else ""
        out.append(f"\n<details{is_open}><summary>{len(rows)} {verdict.value}: {_TITLES[verdict]}</summary>\n\n")
        out.append("| source | router.yaml | |\n|---|---|---|\n")
        for finding in rows:
            place = f"`{_cell(written_path(finding.place))}`" if finding.place else ""
            out.append(f"| `{_cell(written_path(finding.path))}` | {place} | {_cell(finding.reason)} |\n")
        out.append("\n</details>\n")
    if imported.differences:
        out.append("\n| left unsaid by the source | there | here |\n|---|---|---|\n")
        out.extend(
            f"| {_cell(each.subject)} | {_cell(each.theirs)} | {_cell(each.ours)} |\n" for each in imported.differences
        )
    return "".join(out)


def as_json(imported: Imported) -> str:
    """The report for programs."""
    return msgspec.json.format(msgspec.json.encode(_plain(imported)), indent=2).decode() + "\n"


def _plain(imported: Imported) -> dict[str, Any]:
    return {
        "version": 1,
        "system": imported.system,
        "count": {verdict.value: imported.count(verdict) for verdict in Verdict},
        "findings": [
            {
                "path": written_path(finding.path),
                "verdict": finding.verdict.value,
                "reason": finding.reason,
                "place": written_path(finding.place) if finding.place else None,
            }
            for finding in imported.findings
        ],
        "differences": [msgspec.to_builtins(each) for each in imported.differences],
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
