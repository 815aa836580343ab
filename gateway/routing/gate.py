"""What stands between a decision to send and the send: limits of the target and its credential, and money.

`Gate.enter` says what one send needs (`Reserved`), or why it may not be sent. Who has taken it owes exactly one of
`settle` (an answer came; its usage, None where the client left before there was any) and `release` (there was none).
All limits and budgets of a send are taken together or not at all. A failure of the gate is no failure of the target:
nobody's health is judged by it, and the walk goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from typing import Protocol as Interface

from gateway.events import Unpriced
from gateway.failure import Failure, Kind
from gateway.ir.cost import cost, dearest
from gateway.ir.usage import Usage
from gateway.routing.allowances import Budget
from gateway.routing.demand import counted, demand_of, output_of
from gateway.routing.limiting import Full, Limits, Tab, Taking, too_many
from gateway.routing.spending import Purse, Spending, exhausted, unpriced
from gateway.routing.watching import Watch
from gateway.state.meters import Meter, StoreDown

if TYPE_CHECKING:
    from gateway.routing.node import Target
    from gateway.routing.run import Tools
    from gateway.routing.runtime import Lane
    from gateway.routing.sending import Job


class Hold(Interface):
    """See the module. `asked`: the provider may have seen the request, so it counts as one."""

    def settle(self, usage: Usage | None) -> None: ...

    def release(self, *, asked: bool) -> None: ...


class Nothing:
    """The hold on nothing."""

    __slots__ = ()

    def settle(self, usage: Usage | None) -> None:
        """Nothing was held."""

    def release(self, *, asked: bool) -> None:
        """Nothing was held."""


NOTHING: Final = Nothing()
_UNCOUNTED: Final = Failure(
    kind=Kind.OVERLOADED,
    code="store_unavailable",
    message="Limits and budgets cannot be counted now: the store of the gateway's state cannot be reached.",
    retry_after=5.0,
    sent=False,
    ours=True,
)


class Reserved(Taking):
    """A send's part of limits and budgets. `bound`: tokens of the answer at most, where money wants it bounded."""

    __slots__ = ("_amount", "_gate", "_job", "_purses", "_target", "_tools", "bound")

    def __init__(
        self,
        gate: Gate,
        target: Target,
        tools: Tools,
        job: Job,
        tab: Tab | None,
        tokens: int,
        money: Sequence[tuple[Meter, int]] = (),
        purses: Sequence[Purse] = (),
        amount: int = 0,
        bound: int | None = None,
    ) -> None:
        super().__init__(gate.limits, tab, tokens, money)
        self.bound = bound
        self._job = job
        self._gate = gate
        self._target = target
        self._tools = tools
        self._purses = purses
        self._amount = amount

    async def taken(self) -> Failure | None:
        """Takes everything, or says why it may not be sent."""
        try:
            lacks = await self.take(self._job, self._tools)
        except StoreDown:
            return _UNCOUNTED
        if lacks is None:
            return None
        if isinstance(lacks, Full):
            return Failure(
                kind=Kind.RATE_LIMIT, message=too_many(lacks), retry_after=lacks.retry_after, sent=False, ours=True
            )
        purse = next(purse for purse in self._purses if purse[2].key == lacks.meter.key)
        wall = self._tools.wall()
        return exhausted(purse, self._target, self._amount, lacks.left, lacks.retry_after, wall)

    def settle(self, usage: Usage | None) -> None:
        """An answer came, or what was sent may be billed."""
        if usage is None:
            usage = counted(self._job, None, 0)
        price = self._target.price
        self._end(usage.input + usage.output, cost(usage, price) if price is not None and self._purses else 0)

    def release(self, *, asked: bool) -> None:
        """No answer came."""
        self._end(0, 0, asked=asked)

    def _end(self, tokens: int, money: int, *, asked: bool = True) -> None:
        self.end(tokens, money, self._tools.clock(), asked=asked)
        for budget, whose, meter in self._purses:
            if money and not (self._amount and budget.exhausted != "warn") and not meter.take(money):
                meter.charge(money)
            if budget.warn_at or budget.exhausted == "warn":
                self._gate.look(budget, whose, meter, self._tools)


class Gate:
    """The gate of one Engine in one worker."""

    def __init__(self, limits: Limits) -> None:
        self.watch = Watch(limits.meters)
        self.limits = limits
        self.spending = Spending(limits.rules, limits.meters)
        self._unpriced: set[str] = set()
        # nano-dollars of a budget of which the log hears first
        self._watched = {each.name: min(each.watched) * each.limit for each in limits.rules.budgets if each.watched}

    def look(self, budget: Budget, whose: str, meter: Meter, tools: Tools) -> None:
        """Says how far a budget is used, where that is news."""
        if meter.used() < self._watched[budget.name]:
            return
        standing = meter.standing()
        used = standing.limit - standing.left
        reached = max((share for share in budget.watched if used >= share * standing.limit), default=None)
        if reached is not None:
            window = self.spending.window(budget, tools.wall())
            self.watch.say(budget, whose, meter.key, window, reached, standing, tools)

    def room(self, target: Target, lane: Lane) -> float | None:
        """The share that is left of the limit that is nearest to its end, None where nothing limits a send."""
        tab = self.limits.of_things((*target.limits, lane.limits) if lane.limits else target.limits)
        stands = [meter.standing() for meter in (*tab.rates, *tab.held)] if tab is not None else []
        return min((max(0.0, each.left / each.limit) for each in stands), default=None)

    def enter(self, target: Target, lane: Lane, job: Job, tools: Tools) -> Reserved | Failure | None:
        """What a send needs; None where nothing limits it."""
        limits = self.limits
        tab = limits.of_things((*target.limits, lane.limits) if lane.limits else target.limits)
        purses = self.spending.purses(job.facts, target) if limits.rules.budgets else ()
        if tab is None and not purses:
            return None
        if not purses:
            return Reserved(self, target, tools, job, tab, _tokens(tab, job, target))
        return self._priced(target, tab, purses, job, tools)

    async def hold(self, target: Target, lane: Lane, job: Job, tools: Tools) -> Hold | Failure:
        """What `enter` says, taken."""
        passed = self.enter(target, lane, job, tools)
        if not isinstance(passed, Reserved):
            return passed or NOTHING
        return passed if passed.take_now(job, tools.clock()) else await passed.taken() or passed

    def _priced(
        self, target: Target, tab: Tab | None, purses: Sequence[Purse], job: Job, tools: Tools
    ) -> Reserved | Failure:
        price = target.price
        amount = tokens = 0
        bound: int | None = None
        money: list[tuple[Meter, int]] = []
        if price is None:
            if self.limits.rules.price_unknown == "fail":
                return unpriced(target)
            if self.limits.rules.price_unknown == "warn" and target.lanes not in self._unpriced:
                self._unpriced.add(target.lanes)
                tools.emit(Unpriced(target.provider, target.model))
            tokens = _tokens(tab, job, target)
        else:
            demand = job.demand or demand_of(job)
            most, said = output_of(demand, target)
            amount = dearest(price, demand.input, most * demand.n)
            tokens = demand.input + most * demand.n
            if amount:
                for budget, _, meter in purses:
                    if budget.exhausted != "warn":
                        money.append((meter, amount))
                if money and not said:
                    bound = most
        return Reserved(self, target, tools, job, tab, tokens, money, purses, amount, bound)


def _tokens(tab: Tab | None, job: Job, target: Target) -> int:
    """What a send may use at most, where somebody wants to know."""
    if tab is None or not tab.tokens:
        return 0
    demand = demand_of(job)
    return demand.input + output_of(demand, target)[0] * demand.n
