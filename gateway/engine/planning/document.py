"""A plan for programs (JSON, versioned) and for a pull request's comment (Markdown). Both say what the text says.

The document: `format` (this is 1; a field that is added does not change it), `old` and `new` with `label`, `revision`
and `digest`, `risk`, `counts` by kind, and three lists of changes: `changes`, `reach`, `worst`, and `replay` where
requests were replayed. A change has `path`, `names`, `kind` (add, change, remove, rename), `before`, `after`, `at`
(`file:line:column` or null), `risk` (none, low, medium, high) and `reason`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from gateway.engine.planning.plan import KINDS, Change, Plan
from gateway.engine.planning.text import SIGNS, counts, said, what

FORMAT: Final = 1
_MARKS: Final = {"none": "none", "low": "low", "medium": "**medium**", "high": "**high** ⚠️"}


def document(plan: Plan, replay: dict[str, Any] | None = None) -> dict[str, Any]:
    """The document as plain values."""
    told = {
        "format": FORMAT,
        "old": msgspec.to_builtins(plan.old),
        "new": msgspec.to_builtins(plan.new),
        "risk": plan.risk,
        "counts": {kind: plan.count(kind) for kind in KINDS},
        "changes": [msgspec.to_builtins(change) for change in plan.changes],
        "reach": [msgspec.to_builtins(change) for change in plan.reach],
        "worst": [msgspec.to_builtins(change) for change in plan.worst],
    }
    return told if replay is None else {**told, "replay": replay}


def json_text(plan: Plan, replay: dict[str, Any] | None = None) -> str:
    """The document as text, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(document(plan, replay)), indent=2).decode() + "\n"


def markdown(plan: Plan) -> str:
    """A comment: a heading that says how much and how risky, and tables."""
    if plan.empty:
        return f"### Routing plan: no changes\n\n{_sides(plan)}\n"
    lines = [f"### Routing plan: {counts(plan)} · risk {_MARKS[plan.risk]}", "", _sides(plan)]
    if plan.changes:
        lines += ["", *_table(plan.changes, with_section=True)]
    for title, changes in (("What keys reach", plan.reach), ("Worst case of one request", plan.worst)):
        if changes:
            lines += ["", f"<details><summary>{title}: {len(changes)}</summary>", ""]
            lines += [*_table(changes, with_section=False), "", "</details>"]
    return "\n".join(lines) + "\n"


def _sides(plan: Plan) -> str:
    return f"`{plan.old.label}` ({plan.old.revision[:12]}) → `{plan.new.label}` ({plan.new.revision[:12]})"


def _table(changes: Iterable[Change], *, with_section: bool) -> Iterator[str]:
    yield "| | what | change | risk | where |"
    yield "|---|---|---|---|---|"
    for change in changes:
        name = f"{change.path[0]} {what(change)}" if with_section else what(change)
        risk = f"{_MARKS[change.risk]}: {change.reason}"
        at = f"`{change.at}`" if change.at is not None else ""
        yield f"| `{SIGNS[change.kind]}` | {_cell(name)} | {_cell(said(change))} | {_cell(risk)} | {at} |"


def _cell(text: str) -> str:
    """Text inside a table: nothing of it is markup but what is put there."""
    for mark in ("\\", "|", "<", "`", "[", "_"):
        text = text.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return text.replace("\n", " ")
