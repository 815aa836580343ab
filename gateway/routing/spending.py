"""Budgets bound to their counters: which of them a send is under, what it reserves, and the words of a 402.

Which budgets can match is known by key and target; of those, users and tags are asked of each request. Reservations
are at the target's dearest rates, so what is settled is less, but for what `demand.py` cannot see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from gateway.failure import Failure, Kind
from gateway.ir.cost import usd
from gateway.routing.allowances import Budget, Rules, counter
from gateway.routing.facts import Facts
from gateway.routing.limiting import span
from gateway.routing.node import Target
from gateway.state.calendars import name_of, rolling
from gateway.state.meters import Meter, Meters, Window

KEPT: Final = 4096  # pairs of key and target, and shares of budgets, that a worker remembers
SOON: Final = 60.0  # seconds: of a window that begins anew within these, the client is told to come back

Purse: TypeAlias = tuple[Budget, str, Meter]  # a budget, whose share of it ("" for everybody's), its counter


class Spending:
    """The budgets of one Engine in one worker."""

    def __init__(self, rules: Rules, meters: Meters) -> None:
        self.rules = rules
        self.meters = meters
        self._windows = {budget.name: rolling(budget.calendar) for budget in rules.budgets}
        self._purses: dict[tuple[str, str], Purse] = {}
        self._candidates: dict[tuple[str | None, str], tuple[tuple[Budget, Purse | None], ...]] = {}

    def purses(self, facts: Facts, target: Target) -> list[Purse]:
        """The budgets that a request is under at a target, each share of one once."""
        found: list[Purse] = []
        for budget, purse in self._known(facts, target):
            if purse is not None:
                found.append(purse)
            elif _asked(budget, facts):
                found += [self.purse(budget, whose) for whose in dict.fromkeys(self._whose(budget, facts, target))]
        return found

    def varies(self, facts: Facts, target: Target) -> bool:
        """Whether that depends on more than the key."""
        return any(purse is None for _, purse in self._known(facts, target))

    def _known(self, facts: Facts, target: Target) -> tuple[tuple[Budget, Purse | None], ...]:
        name = (facts.key, target.name)
        known = self._candidates.get(name)
        if known is None:
            if len(self._candidates) >= KEPT:
                self._candidates.clear()
            known = self._candidates[name] = tuple(self._matching(facts, target))
        return known

    def _matching(self, facts: Facts, target: Target) -> Iterator[tuple[Budget, Purse | None]]:
        """The budgets that a key can be under at a target; with the counter where nothing else is to be asked."""
        for budget in self.rules.budgets:
            if not (
                (budget.keys is None or facts.key in budget.keys)
                and (budget.teams is None or facts.team in budget.teams)
                and (budget.models is None or not budget.models.isdisjoint((target.model, target.name)))
                and (budget.providers is None or target.provider in budget.providers)
            ):
                continue
            if budget.users is not None or budget.tags is not None or budget.each in ("user", "tag"):
                yield budget, None
            else:
                for whose in self._whose(budget, facts, target):
                    yield budget, self.purse(budget, whose)

    def _whose(self, budget: Budget, facts: Facts, target: Target | None) -> Iterable[str]:
        """Whose shares a request uses. Users who do not say who they are, of keys that believe them, share one."""
        match budget.each:
            case None:
                return ("",)
            case "key":
                return (facts.key or "",)
            case "team":
                return (facts.team,) if facts.team is not None else ()
            case "model":
                return (target.model,) if target is not None else ()
            case "provider":
                return (target.provider,) if target is not None else ()
            case "tag":
                return [tag for tag in facts.tags if budget.tags is None or tag in budget.tags]
            case "user":
                return (facts.user or "",) if facts.key in self.rules.trusting else ()

    def window(self, budget: Budget, wall: float) -> str:
        """The name of the window of a budget that runs now; a rolling one has a new name when it is over."""
        calendar = budget.calendar
        if calendar.per == "rolling":
            return str(int(wall // calendar.seconds))
        return name_of(self._windows[budget.name](wall))

    def key(self, budget: Budget, whose: str) -> str:
        """The key of the counter of a budget, or of one's share of it."""
        return counter(f"budget:{budget.name}:%" if budget.each else f"budget:{budget.name}", whose)

    def purse(self, budget: Budget, whose: str) -> Purse:
        """A budget, or one's share of it, with its counter."""
        known = self._purses.get((budget.name, whose))
        if known is None:
            if len(self._purses) >= KEPT:
                self._purses.clear()
            meter = self.meters.meter(self.key(budget, whose), budget.limit, self._windows[budget.name])
            known = self._purses[budget.name, whose] = (budget, whose, meter)
        return known

    async def forget(self, budget: Budget, whose: str) -> None:
        """A budget, or one's share of it, begins anew. Raises StoreDown."""
        await self.meters.forget(self.key(budget, whose))

    def running(self, budget: Budget, now: float) -> Window:
        """The window of a budget that runs at an instant, seconds since the epoch."""
        return self._windows[budget.name](now)

    async def used(self, shares: Sequence[tuple[Budget, str]]) -> list[int]:
        """Nano-dollars that are used or reserved of budgets, or of one's shares of them. Raises StoreDown."""
        return await self.meters.used([(self.key(*share), self._windows[share[0].name]) for share in shares])

    def binding(self, facts: Facts) -> list[tuple[Budget, str]]:
        """The budgets that a caller is under whatever it asks for, and whose share is its."""
        found: list[tuple[Budget, str]] = []
        for budget in self.rules.budgets:
            if budget.models is not None or budget.providers is not None or budget.each in ("model", "provider"):
                continue
            if (
                (budget.keys is None or facts.key in budget.keys)
                and (budget.teams is None or facts.team in budget.teams)
                and _asked(budget, facts)
            ):
                found += [(budget, whose) for whose in self._whose(budget, facts, None)]
        return found


def _asked(budget: Budget, facts: Facts) -> bool:
    return (budget.users is None or facts.user in budget.users) and (
        budget.tags is None or not budget.tags.isdisjoint(facts.tags)
    )


def named(budget: Budget, whose: str) -> str:
    """A budget as people read it."""
    return f"'{budget.name}' ({budget.words}{f', for {budget.each} {whose!r}' if whose else ''})"


def exhausted(purse: Purse, target: Target, amount: int, left: int, retry: float, wall: float) -> Failure:
    """What a send is told that has no room in a budget. `left`, `amount`: nano-dollars; `wall`: now."""
    budget, whose, _ = purse
    message = f"The budget {named(budget, whose)} has {dollars(max(left, 0))} left"
    if amount > budget.limit:
        message += (
            f", and one request to {target.name!r} may cost {dollars(amount)}, more than all of it. "
            "Bound its output (max_tokens), or shorten it."
        )
    else:
        message += f"; this request may cost {dollars(amount)} at {target.name!r}. {resets(budget, retry, wall)}"
    return Failure(
        kind=Kind.BUDGET,
        message=message,
        retry_after=retry if retry <= SOON and amount <= budget.limit else None,
        sent=False,
        ours=True,
        instead=budget.route,
    )


def unpriced(target: Target) -> Failure:
    """What a send is told whose price nobody knows, where the file says `price_unknown: fail`."""
    message = (
        f"Nobody knows what {target.name!r} costs, a budget applies, and the configuration says 'price_unknown: fail'. "
        f"Its operator can state 'models.{target.model}.price'."
    )
    return Failure(kind=Kind.BUDGET, message=message, sent=False, ours=True)


def resets(budget: Budget, seconds: float, wall: float) -> str:
    """When there is money again, in words."""
    match budget.calendar.per:
        case "total":
            return "It never begins anew by itself."
        case "rolling":
            return f"Enough of it is free again in {span(seconds)}."
    moment = datetime.fromtimestamp(wall + seconds + 0.5, ZoneInfo(budget.calendar.zone))
    return f"It begins anew on {moment:%Y-%m-%d at %H:%M} ({budget.calendar.zone})."


def dollars(nano: int) -> str:
    """Money in a message: cents, or as many digits as say something."""
    if nano == 0 or nano >= 10**9:
        return f"{nano / 10**9:.2f} USD"
    step = 10 ** max(0, len(str(nano)) - 3)
    return f"{usd(round(nano / step) * step)} USD"
