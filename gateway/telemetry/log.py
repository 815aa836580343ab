"""The log: one line per event, as text for people or JSON for machines. No content, no secrets, no header values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec

from gateway.events import BudgetReached, Changed, Event, Finished, Flagged, Mirrored, Reloaded, Tripped, Unpriced

_LOSSES_MOST: Final = 1000
LEVELS: Final = ("debug", "info", "warning", "error")
# outcome of a change → level, words
_CHANGES: Final[dict[str, tuple[str, str]]] = {
    "reloaded": ("info", "reloaded"),
    "rejected": ("error", "reload rejected, the last good configuration keeps serving"),
    "canary-began": ("info", "a new revision serves some sessions"),
    "canary-aborted": ("error", "the new revision was taken back, the old one serves all; the file is as it was"),
    "canary-promoted": ("info", "the new revision serves all"),
    "rolled-back": ("warning", "rolled back: what runs is not what the file says"),
    "rollback-refused": ("error", "there was no rollback"),
}


class Log:
    """Writes lines of at least `level` to `stream`. `wall` is seconds since the epoch.

    What translations lose is a warning once for each route, model and set of fields.
    """

    def __init__(self, level: str, format_: str, wall: Callable[[], float], stream: TextIO | None = None) -> None:
        self._least = LEVELS.index(level)
        self._json = format_ == "json"
        self._wall = wall
        self._losses: set[tuple[str, str | None, tuple[str, ...]]] = set()
        self._stream = stream if stream is not None else sys.stderr

    def __call__(self, event: Event) -> None:
        """Takes one event in: requests that failed or lost something and opened breakers always, others at debug."""
        if isinstance(event, Finished):
            bad = event.status >= 500 or event.kind == "interrupted" or self._new_loss(event)
            level = "warning" if bad else "debug"
            if LEVELS.index(level) >= self._least:
                fields: dict[str, Any] = msgspec.structs.asdict(event)
                usage = fields.pop("usage")
                del fields["record"]
                fields["usage"] = msgspec.structs.asdict(usage) if usage is not None else None
                fields["cost"] = event.cost / 1e9 if event.cost is not None else None  # USD, as people read it
                self.line(level, "request", **fields)
        elif isinstance(event, Mirrored):
            copied: dict[str, Any] = msgspec.structs.asdict(event)
            used = copied.pop("usage")
            self.line("info", "mirrored", **copied, usage=msgspec.structs.asdict(used) if used is not None else None)
        elif isinstance(event, Tripped):
            self.line("warning", "breaker opened", **msgspec.structs.asdict(event))
        elif isinstance(event, Flagged):
            self.line("warning", "guardrail flagged", **msgspec.structs.asdict(event))
        elif isinstance(event, BudgetReached):
            self.line(
                "warning",
                "budget reached",
                budget=event.budget,
                of=event.whose or None,
                share=f"{event.share:.0%}",
                used_usd=event.used / 1e9,
                limit_usd=event.limit / 1e9,
            )
        elif isinstance(event, Unpriced):
            self.line("warning", "price unknown, counted as nothing", **msgspec.structs.asdict(event))
        elif isinstance(event, Changed):
            level, what = _CHANGES[event.outcome]
            short = {"old": event.old[:12] or None, "new": event.new[:12] or None}
            self.line(level, what, outcome=event.outcome, who=event.who, **short, why=event.why, plan=event.plan)
        elif isinstance(event, Reloaded):
            self.line("debug", "configuration in force", **msgspec.structs.asdict(event))

    def _new_loss(self, event: Finished) -> bool:
        """Whether a translation lost something that it had not lost before on this route and model."""
        seen = (event.route, event.model, event.lossy)
        if not event.lossy or seen in self._losses:
            return False
        if len(self._losses) >= _LOSSES_MOST:
            self._losses.clear()
        self._losses.add(seen)
        return True

    def line(self, level: str, message: str, **fields: object) -> None:
        """One line. Values are strings, numbers, booleans, None or lists of them."""
        if LEVELS.index(level) < self._least:
            return
        moment = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._json:
            text = msgspec.json.encode({"time": moment, "level": level, "message": message, **fields}).decode()
        else:
            rest = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value is not None)
            text = f"{moment} {level:<7} {message}" + (f"  {rest}" if rest else "")
        self._stream.write(text + "\n")
        self._stream.flush()


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)
