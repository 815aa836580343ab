"""Scorecards for people (text), for pull requests (Markdown) and for programs (JSON, version 1).

Seconds are virtual: those that would have passed with the file's own time-outs and cooldowns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.drill.judging import BACK_MOST, Card, Outcome
from gateway.drill.scenarios import SCENARIOS

VERSION: Final = 1
_HEAD: Final = ("scenario", "served", "what the others saw", "sends", "slowest", "back after", "grade", "verdict")


def text(cards: Sequence[Card], about: Mapping[str, Any]) -> str:
    """Tables, one for each route, and a line with the sum of them."""
    return "\n".join([*(_table(card) for card in cards), _sum(cards, about)]) + "\n"


def markdown(cards: Sequence[Card], about: Mapping[str, Any]) -> str:
    """One table of grades over all routes, then what was lost, for a comment on a pull request."""
    names = list(dict.fromkeys(outcome.scenario for card in cards for outcome in card.outcomes))
    lines = [f"| route | grade | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for card in cards:
        grades = {outcome.scenario: outcome.grade for outcome in card.outcomes}
        lines.append(f"| `{_cell(card.route)}` | **{card.grade}** | {' | '.join(grades.get(n, '–') for n in names)} |")
    lines.append("")
    for card in cards:
        if card.problem:
            lines.append(f"- `{card.route}`: not drilled: {card.problem}")
        lines += [
            f"- `{card.route}`, {SCENARIOS[outcome.scenario].title}: {_lost(outcome)}"
            for outcome in card.outcomes
            if outcome.verdict != "survives"
        ]
    return "\n".join([*lines, "", _sum(cards, about)]) + "\n"


def document(cards: Sequence[Card], about: Mapping[str, Any]) -> str:
    """JSON: `version`, what `about` says, and `routes`."""
    value = {"version": VERSION, **about, "routes": [msgspec.to_builtins(card) for card in cards]}
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _table(card: Card) -> str:
    shown = ", ".join(card.targets[:6]) + (f" and {len(card.targets) - 6} more" if len(card.targets) > 6 else "")
    head = f"{card.route}: {card.grade}  ({shown}; primary {card.primary or 'none'}, {card.healthy:g} s when well)"
    if card.problem:
        return f"{head}\n  not drilled: {card.problem}\n"
    rows = [_HEAD, *(_row(outcome) for outcome in card.outcomes)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    lines = ["  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([head, *(line.rstrip() for line in lines)]) + "\n"


def _row(outcome: Outcome) -> tuple[str, ...]:
    saw = ", ".join(f"{count} × {words}" for words, count in outcome.saw.items())
    return (
        outcome.scenario,
        f"{outcome.whole}/{outcome.requests}",
        saw or "–",
        str(outcome.sends),
        f"{outcome.slowest:.1f} s",
        _back(outcome),
        outcome.grade,
        outcome.verdict,
    )


def _back(outcome: Outcome) -> str:
    if outcome.back is None:
        return "rests" if SCENARIOS[outcome.scenario].rests else f"not in {BACK_MOST:g} s"
    return "at once" if outcome.back == 0 else f"{outcome.back:g} s"


def _lost(outcome: Outcome) -> str:
    """What a scenario cost, in words."""
    saw = ", ".join(f"{count} × {words}" for words, count in outcome.saw.items())
    parts = [f"**{outcome.verdict}** ({outcome.grade})", f"{outcome.whole} of {outcome.requests} served"]
    parts += [saw] if saw else []
    parts += [f"the slowest took {outcome.slowest:.1f} s"]
    parts += [f"traffic back: {_back(outcome)}"]
    return "; ".join(parts)


def _sum(cards: Sequence[Card], about: Mapping[str, Any]) -> str:
    total = sum(len(card.outcomes) for card in cards)
    survived = sum(card.survived for card in cards)
    routes = f"{len(cards)} route{'s' if len(cards) != 1 else ''}"
    return (
        f"{routes}, {survived} of {total} scenarios survived; revision {about['revision'][:12]}, "
        f"{about['requests']} requests each, seed {about['seed']}, virtual seconds"
    )


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
