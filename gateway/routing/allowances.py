"""What may be used and spent, as frozen data: limits of callers and of what they reach, and budgets.

`engine/limits.py` compiles them from the file; `limiting.py` and `spending.py` bind them to counters. A `Limit` is one
counter in one window. An `Allowance` is all limits of one thing; limits of different things all apply. Keys of counters
say whose they are and nothing of how much, so a limit that is changed in the file goes on from where it stood.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal, TypeAlias

import msgspec

from gateway.state.calendars import Calendar

SESSION: Final = 900.0  # seconds of silence after which a session is over
UNBOUNDED: Final = 4096  # tokens of an answer that nothing bounds
ANYONE: Final = "anonymous"  # who calls where nobody needs a key

What: TypeAlias = Literal["requests", "tokens", "concurrent", "sessions"]


class Limit(msgspec.Struct, frozen=True):
    """`key` is its counter's, `%` in it whose it is where each has its own. `seconds`: of a rate's sliding window, 0
    for what is held. `per` is its word in the file."""

    key: str
    what: What
    most: int
    seconds: float = 0.0
    per: str = ""

    @property
    def words(self) -> str:
        """As in `60 requests per minute`."""
        what: str = "requests" if self.what == "concurrent" else self.what
        if self.most == 1:
            what = what[:-1]
        return f"{self.most:,} {what} {f'per {self.per}' if self.per else 'at one time'}"


class Allowance(msgspec.Struct, frozen=True):
    """The limits of one thing. `name` is what people read: `key 'ci'`. `queue`: how many may wait for a place in one
    worker, and for how many seconds each."""

    name: str
    limits: tuple[Limit, ...]
    queue: tuple[int, float] = (0, 0.0)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`limit` is nano-dollars. A scope of None is everybody's; `each` names what every one of has its own counter.

    `exhausted`: reject, warn, or route, which leads to `route`. `words` is `500 USD a month`.
    """

    name: str
    limit: int
    calendar: Calendar
    words: str
    keys: frozenset[str] | None = None
    teams: frozenset[str] | None = None
    users: frozenset[str] | None = None
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    each: Literal["key", "team", "user", "model", "provider", "tag"] | None = None
    warn_at: tuple[float, ...] = ()
    exhausted: Literal["reject", "warn", "route"] = "reject"
    route: str | None = None

    @property
    def enforces(self) -> bool:
        """Whether it ever keeps a request from a target."""
        return self.exhausted != "warn"

    @property
    def watched(self) -> tuple[float, ...]:
        """The parts at which something is said; of one that keeps nobody out, also all of it."""
        return self.warn_at if self.enforces else (*self.warn_at, 1.0)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the file says of limits and money.

    `callers`: by key, the key's own and its team's; `users`: by key, of each of its users. `things`: by the words of
    `Target.limits` and `Lane.limits`. `trusting`: keys whose users are believed.
    """

    callers: Mapping[str, tuple[Allowance, ...]] = {}
    users: Mapping[str, Allowance] = {}
    things: Mapping[str, Allowance] = {}
    budgets: tuple[Budget, ...] = ()
    trusting: frozenset[str] = frozenset()
    price_unknown: Literal["fail", "zero", "warn"] = "warn"

    @property
    def any(self) -> bool:
        """Whether anything is limited at all."""
        return bool(self.callers or self.users or self.things or self.budgets)


def counter(template: str, whose: str) -> str:
    """The key of one of a template's counters: what clients say is bounded, and free of control characters."""
    plain = whose if len(whose) <= 64 and whose.isprintable() else f"#{sha256(whose.encode()).hexdigest()[:32]}"
    return template.replace("%", plain)
