"""A plan for people: one line a change as Terraform writes them, `+` added, `~` changed, `-` removed, `→` renamed.

Below a section and its entry stand what is different, from what to what, the risk and its reason, and where it is
written. Colours are asked for by the caller; without them the text says the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from gateway.engine.planning.plan import Change, Plan

SIGNS: Final = {"add": "+", "change": "~", "remove": "-", "rename": "→"}
_COLOURS: Final = {"add": "32", "change": "33", "remove": "31", "rename": "36"}
_RISKS: Final = {"none": "2", "low": "2", "medium": "33", "high": "1;31"}
_NAMES_MOST: Final = 6
_TOLD_MOST: Final = 3
_TEXT_MOST: Final = 100


def render(plan: Plan, *, colour: bool = False) -> str:
    """The whole text, with a newline at its end."""

    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour else text

    lines = [f"{_side(plan.old.label, plan.old.revision)} → {_side(plan.new.label, plan.new.revision)}", ""]
    if plan.empty:
        lines.append("No changes. Every request is treated as before.")
        return "\n".join(lines) + "\n"
    section = ""
    for change in plan.changes:
        if change.path[0] != section:
            section = change.path[0]
            lines.append(paint("1", section))
        lines += _change(change, paint)
    for title, changes in (("what keys reach", plan.reach), ("worst case of one request", plan.worst)):
        if changes:
            lines += ["", paint("1", title)]
            lines += (line for change in changes for line in _change(change, paint))
    lines += ["", f"Plan: {counts(plan)}. Risk: {paint(_RISKS[plan.risk], plan.risk)}."]
    return "\n".join(lines) + "\n"


def _side(label: str, revision: str) -> str:
    return f"{label} ({revision[:12]})"


def counts(plan: Plan) -> str:
    """How much there is of what."""
    told = [f"{plan.count('add')} to add", f"{plan.count('change')} to change", f"{plan.count('remove')} to remove"]
    return ", ".join([*told, *([f"{plan.count('rename')} to rename"] if plan.count("rename") else [])])


def line(plan: Plan) -> str:
    """A plan in one line, for a log: how much, how risky, and the first changes."""
    told = [f"{change.path[0]} {what(change)}{f' {said(change)}' if said(change) else ''}" for change in plan.changes]
    more = [f"and {len(told) - _TOLD_MOST} more"] if len(told) > _TOLD_MOST else []
    return f"{plan.summary()}{': ' if told else ''}{'; '.join(told[:_TOLD_MOST] + more)}"


def _change(change: Change, paint: Any) -> Iterator[str]:
    sign = paint(_COLOURS[change.kind], SIGNS[change.kind])
    value = said(change)
    yield f"  {sign} {what(change)}{f'  {value}' if value else ''}"
    risk = paint(_RISKS[change.risk], change.risk)
    at = f"  {paint('2', change.at)}" if change.at is not None else ""
    yield f"      {risk}: {change.reason}{at}"


def what(change: Change) -> str:
    """The entry, or entries, and the field."""
    names = change.names
    told = ", ".join(names[:_NAMES_MOST]) + (
        f" and {len(names) - _NAMES_MOST} more" if len(names) > _NAMES_MOST else ""
    )
    if change.kind == "rename":
        return f"{change.before} → {change.after}"
    field = " ".join(change.field) or ("" if names else change.path[-1])
    return f"{told} {field}".strip()


def said(change: Change) -> str:
    """What was and what is, in one line."""
    if change.kind == "rename":
        return ""
    if change.path[0] == "reach":
        return "; ".join(f"{word}: {brief(names)}" for word, names in _reached(change))
    if change.kind in ("add", "remove"):
        value = change.after if change.kind == "add" else change.before
        return f"leads to {value['to']}" if change.path[0] == "aliases" else brief(value)
    if change.path[-1] == "order":
        return f"{brief(change.before)} → {brief(change.after)}"
    before, after = change.before, change.after
    if isinstance(before, list) and isinstance(after, list) and all(isinstance(each, str) for each in before + after):
        parts = [f"+{each}" for each in after if each not in before] + [
            f"-{each}" for each in before if each not in after
        ]
        return " ".join(parts) or f"{brief(before)} → {brief(after)}"
    if isinstance(before, dict) and isinstance(after, dict):
        return ", ".join(_parts(before, after))
    return f"{brief(before)} → {brief(after)}"


def _parts(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What differs between two mappings that are one value."""
    for name in dict.fromkeys((*after, *before)):
        if name not in before:
            yield f"+{name} {brief(after[name])}"
        elif name not in after:
            yield f"-{name} {brief(before[name])}"
        elif before[name] != after[name]:
            yield f"{name} {brief(before[name])} → {brief(after[name])}"


def _reached(change: Change) -> Iterator[tuple[str, list[str]]]:
    value = change.after if change.kind == "add" else change.before
    more = "more" if change.kind == "add" else "fewer"
    for word in ("names", "targets"):
        if word in value:
            yield f"{more} {word}", value[word]


def brief(value: Any) -> str:
    """A value in one line; an entry by its fields."""
    if isinstance(value, dict):
        text = ", ".join(
            f"{name} {brief(inner)}" for name, inner in value.items() if name not in _LEFT_OUT and inner != ""
        )
        return f"({text})" if text else ""
    if isinstance(value, list):
        return _cut(", ".join(map(_item, value))) if value else "nothing"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return _cut(str(value))


def _item(each: Any) -> str:
    """One of a list: a rule of fallbacks, a target, or a value."""
    if isinstance(each, dict) and "on" in each and "to" in each:
        return f"on {' or '.join(each['on'])} to {' then '.join(each['to'])}"
    return str(each["to"]) if isinstance(each, dict) and "to" in each else brief(each)


# Of an entry that is new or gone, what is seldom why somebody looks.
_LEFT_OUT: Final = ("timeouts", "retries", "breaker", "wire", "on_lossy", "to")


def _cut(text: str) -> str:
    text = text.replace("\n", "⏎")
    return text if len(text) <= _TEXT_MOST else text[: _TEXT_MOST - 1] + "…"
