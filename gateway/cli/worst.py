"""The table of worst cases that `gateway validate` shows: for each route sends, seconds and dollars of one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.engine.worst import Worst

MOST: Final = 20  # rows that a person is shown
_HEAD: Final = ("worst case of one request", "sends", "seconds", "USD")


def table(rows: Sequence[Worst]) -> str:
    """The dearest routes first, those whose cost nobody knows before them; "" where there are none."""
    if not rows:
        return ""
    ordered = sorted(rows, key=lambda row: (row.cost is not None, -(row.cost or 0)))
    cells = [_HEAD, *(_cells(row) for row in ordered[:MOST])]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}" for a, b, c, d in cells]
    if len(rows) > MOST:
        lines.append(f"  and {len(rows) - MOST} more: --format json has all")
    return "\n".join(lines) + "\n"


def _cells(row: Worst) -> tuple[str, str, str, str]:
    sends = str(row.attempts) if row.attempts == row.sends else f"{row.attempts} of {row.sends}"
    if row.cost is None:
        shown = f"unknown: {', '.join(row.unknown[:3])}{', …' if len(row.unknown) > 3 else ''}"
    else:
        shown = f"{-(-row.cost // 10**5) / 10**4:.4f}"  # a bound is rounded up
    return row.route, sends, "no bound" if row.seconds is None else f"{row.seconds:g}", shown
