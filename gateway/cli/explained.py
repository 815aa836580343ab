"""An explanation for people: lines in columns, what was decided on the left, where it is written on the right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Any, Final, TypeAlias

from gateway.engine.explanation import Bound, Candidate, Explanation, Place

Row: TypeAlias = tuple[str, ...]

_MARKS: Final = {"answers": "✓", "failed": "✗", "cancelled": "✗", "skipped": "–", "next": "·", "only_after": "·"}
_COLOURS: Final = {"✓": "\x1b[32m", "✗": "\x1b[31m", "–": "\x1b[33m", "·": "\x1b[2m"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_WIDE, _LONG = 60, 90  # characters of a line, of names and of what is said


def text(found: Explanation, *, colour: bool) -> str:
    """All of it. Sections that have nothing to say are left out."""
    blocks = [_head(found)]
    for title, rows in _sections(found):
        lines = _columns(rows)
        if lines:
            blocks.append([f"{_BOLD}{title}{_PLAIN}" if colour else title, *(f"  {line}" for line in lines)])
    blocks.append([_end(found)])
    out = "\n\n".join("\n".join(_painted(line) if colour else line for line in block) for block in blocks)
    return out + "\n"


def _head(found: Explanation) -> list[str]:
    said = [f"{found.asked}, asked by {_caller(found)}", found.protocol, found.at]
    if found.stream:
        said.append("streamed")
    if found.tokens is not None:
        said.append(f"about {found.tokens:,} tokens")
    if found.session:
        said.append(f"session {found.session}")
    if found.tags:
        said.append(f"tagged {' '.join(found.tags)}")
    return [", ".join((*said, f"seed {found.seed}"))]


def _caller(found: Explanation) -> str:
    if found.caller == "anonymous":
        return "anybody"
    return f"key {found.caller}" + (f" (team {found.team})" if found.team is not None else "")


def _sections(found: Explanation) -> Iterator[tuple[str, list[Row]]]:
    yield "route", list(_route(found))
    yield "policies", list(_policies(found))
    yield "order", [("", *_bound(each)) for each in found.orders]
    yield "guardrails", [("", *_bound(each)) for each in found.guardrails]
    yield "limits of the caller", [("", *_bound(each)) for each in found.limits]
    yield "bounds over all that is done for it", [("", *_bound(each)) for each in found.caps]
    yield "caches", [("", *_bound(each)) for each in found.caches]
    yield "targets, in the order in which they are come to", [row for each in found.candidates for row in _target(each)]
    first = next((each.target for each in found.candidates if each.verdict in ("answers", "failed", "cancelled")), "")
    yield f"where failures of {first} lead", list(_leads(found))
    yield "limits and budgets of targets", list(_shared(found))
    yield "settings that the file says", list(_settings(found))


def _route(found: Explanation) -> Iterator[Row]:
    resolved = found.resolved
    if resolved is None:
        return
    names = " → ".join((resolved.name, *resolved.through))
    yield "", f"{resolved.what} {names}", "", _where(resolved.place)
    if resolved.policy is not None:
        yield "", f"→ {resolved.route}", f"led there by the policy {resolved.policy!r}", ""
    if resolved.also:
        yield "", f"→ {', '.join(resolved.also)}", "after it, as the request's hints say", ""


def _policies(found: Explanation) -> Iterator[Row]:
    for each in found.policies:
        said = [_flow(each.does)[1:-1]] if each.does else []
        if each.requires:
            said.append(f"require: {_flow(each.requires)}")
        if not each.holds:
            said = [f"does not hold: {_flow(each.when)}"]
        yield "✓" if each.holds else "·", each.name, "; ".join(said), _where(each.place)


def _bound(each: Bound) -> Row:
    return each.of, each.says, _where(each.place)


def _target(each: Candidate) -> Iterator[Row]:
    yield _MARKS[each.verdict], each.target, _said(each), _where(each.place)
    if each.rule is not None:
        yield "", "", f"by {each.rule.path}", each.rule.where or ""
    if each.rejects and each.verdict != "failed":
        yield "", "", each.rejects, ""
    if each.lossy:
        yield "", "", f"loses {', '.join(lost.field for lost in each.lossy)} on {each.protocol}", ""


def _said(each: Candidate) -> str:
    price = "" if each.usd is None else f", about {each.usd} USD"
    if each.usd != each.usd_worst:
        price += f", at most {each.usd_worst}"
    sends = [happened for happened in each.happened if happened.did != "skipped"]
    tries = f", {len(sends)} sends" if len(sends) > 1 else ""
    match each.verdict:
        case "answers":
            failed = [happened.kind for happened in sends if happened.kind is not None]
            return "answers" + (f" after {', '.join(failed)}" if failed else "") + tries + price
        case "failed":
            kinds = dict.fromkeys(happened.kind for happened in sends if happened.kind is not None)
            return f"fails: {', '.join(kinds)}{tries}"
        case "cancelled":
            return "is asked, and another is faster"
        case "skipped":
            return f"skipped: {each.why}"
        case "next":
            return f"would be next{price}"
    return f"{each.why}{price}"


def _leads(found: Explanation) -> Iterator[Row]:
    for each in found.leads:
        to = " → ".join(each.path)
        if each.target is None:
            to = f"{to + ' → ' if to else ''}error {each.status}"
        yield "", ", ".join(each.kinds), f"→ {to}", _where(each.by)
    if found.breaks_off:
        told = "the next target goes on with it" if found.breaks_off == "resume" else "the client is told in the stream"
        yield "", "interrupted, once its answer has begun", told, ""


def _shared(found: Explanation) -> Iterator[Row]:
    """Each limit and budget once, with the targets that are under it."""
    under: dict[Bound, list[str]] = {}
    for each in found.candidates:
        for bound in (*each.limits, *each.budgets):
            under.setdefault(bound, []).append(each.target)
    for bound, names in under.items():
        whose = "all of them" if len(names) == len(found.candidates) > 1 else ", ".join(names)
        yield "", bound.of, f"{bound.says} ({whose})", _where(bound.place)


def _settings(found: Explanation) -> Iterator[Row]:
    """What the file says, each place once, with the targets that it holds for."""
    holds: dict[tuple[str, str, Place], list[str]] = {}
    for each in found.candidates:
        for said in each.settings:
            if said.place is not None:
                holds.setdefault((said.name, said.value, said.place), []).append(each.target)
    for (name, value, place), names in holds.items():
        whose = "all of them" if len(names) == len(found.candidates) > 1 else ", ".join(names)
        yield "", f"{name} {value}", f"{place.path.removesuffix('.' + name)} ({whose})", _where(place)


def _end(found: Explanation) -> str:
    outcome, worst = found.outcome, found.worst
    sends = f"{outcome.attempts} send{'' if outcome.attempts == 1 else 's'}"
    if outcome.target is not None:
        said = f"✓ {outcome.target} answers, {sends}"
    else:
        said = f"✗ {outcome.status} {outcome.code}: {outcome.message} ({sends})"
    if outcome.instead is not None:
        said += f", by route {outcome.instead}, where an exhausted budget leads"
    if outcome.copies:
        said += f", copied to {', '.join(outcome.copies)}"
    if worst is not None:
        seconds = "no bound in time" if worst.seconds is None else f"{worst.seconds:g} s"
        money = f"{worst.usd} USD" if worst.usd is not None else f"USD unknown ({', '.join(worst.unknown)})"
        said += f"\nat worst {worst.attempts} sends, {seconds}, {money}"
    return said


def _where(place: Place | None) -> str:
    return "" if place is None else place.where or f"({place.path})"


def _flow(value: Any) -> str:
    """A value on one line, as the file writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _columns(rows: Sequence[Row]) -> list[str]:
    """Rows of a mark, a name, what is said, and where; every column as wide as it has to be, what is long on several
    lines."""
    lines = [line for row in rows for line in _wrapped(row)]
    widths = [max((len(line[at]) for line in lines), default=0) for at in range(3)]
    return ["  ".join(_cells(line, widths)).rstrip() for line in lines]


def _wrapped(row: Row) -> Iterator[Row]:
    mark, name, said, where = row
    names, parts = (wrap(text, width) or [""] for text, width in ((name, _WIDE), (said, _LONG)))
    for at, (left, right) in enumerate(zip_longest(names, parts, fillvalue="")):
        yield (mark, left, right, where) if at == 0 else ("", left, right, "")


def _cells(row: Row, widths: Iterable[int]) -> Iterator[str]:
    for cell, width in zip(row, (*widths, 0), strict=True):
        if width or cell:
            yield cell.ljust(width)


def _painted(line: str) -> str:
    for mark, paint in _COLOURS.items():
        if line.lstrip().startswith(mark):
            return f"{paint}{line}{_PLAIN}"
    return line
