"""What stands between a decision to send and the send: limits of the target and its credential, and money.

`Gate.enter` says what one send needs (`Reserved`), or why it may not be sent. Who has taken it owes exactly one of
`settle` (an answer came; its usage, None where the client left before there was any) and `release` (there was none).
All limits and budgets of a send are taken together or not at all. A failure of the gate is no failure of the target:
nobody's health is judged by it, and the walk goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from typing import Protocol as Interface

import msgspec

from gateway.events import Unpriced
from gateway.failure import Failure, Kind
from gateway.ir.cost import Price, cost, dearest
from gateway.ir.usage import Usage
from gateway.routing.demand import counted, demand_of, output_of
from gateway.routing.facts import Facts
from gateway.routing.limiting import KEPT, Full, Limits, Tab, too_many
from gateway.routing.spending import Purse, Spending, exhausted, unpriced
from gateway.routing.watching import Watch
from gateway.state.meters import Meters, StoreDown
from gateway.state.sheets import Sheet, Taken

if TYPE_CHECKING:
    from gateway.routing.node import Target
    from gateway.routing.run import Tools
    from gateway.routing.runtime import Lane
    from gateway.routing.sending import Job


class Hold(Interface):
    """See the module. `asked`: the provider may have seen the request, so it counts as one."""

    def settle(self, usage: Usage | None) -> int | None: ...

    def release(self, *, asked: bool) -> None: ...


class Nothing:
    """The hold on nothing."""

    __slots__ = ()

    def settle(self, usage: Usage | None) -> int | None:
        """Nothing was held."""
        return None

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


class Door:
    """What the sends of a key to a target with a credential pass: `tab`, the limits of things, and `purses`, taken
    together by `sheet`. `waits` is the tab, where it may wait. `warned` are the purses that keep nobody out, `watched`
    those of which the log is to hear: their counters, each with the nano-dollars from which on it is looked at."""

    __slots__ = ("free", "purses", "sheet", "tab", "waits", "warned", "watched")

    def __init__(self, meters: Meters, tab: Tab | None, purses: Sequence[Purse], watched: Mapping[str, float]) -> None:
        self.free = tab is None and not purses
        self.tab = tab
        self.waits = tab if tab is not None and tab.may_wait else None
        self.purses = tuple(purses)
        self.warned = tuple(purse for purse in purses if not purse[0].enforces)
        self.watched = tuple((purse[2], watched[purse[0].name], purse) for purse in purses if purse[0].name in watched)
        money = [meter for budget, _, meter in purses if budget.enforces]
        once, held, tokens = (tab.once, tab.held, tab.tokens) if tab is not None else ((), (), ())
        self.sheet = Sheet(meters, once, held, tokens, money)


class Reserved(msgspec.Struct):
    """A send's part of limits and budgets: `taken` of the door's sheet, with the tokens and the money that it may come
    to. `price`: the target's, where anybody has to know what it costs. `bound`: tokens of the answer at most, where
    money wants it bounded."""

    gate: Gate
    door: Door
    job: Job
    tools: Tools
    price: Price | None
    tokens: int
    money: int
    bound: int | None
    taken: Taken | None

    async def wait(self, target: Target) -> Failure | None:
        """Takes what could not be taken at once, or says why the target may not be asked."""
        door, sheet = self.door, self.door.sheet
        try:
            lacks = await self.gate.limits.take(door.tab, sheet.asks(self.tokens, self.money), self.job, self.tools)
        except StoreDown:
            return _UNCOUNTED
        if lacks is None:
            self.taken = sheet.waited(self.tokens, self.money)
            return None
        if isinstance(lacks, Full):
            return Failure(
                kind=Kind.RATE_LIMIT, message=too_many(lacks), retry_after=lacks.retry_after, sent=False, ours=True
            )
        purse = next(purse for purse in door.purses if purse[2].key == lacks.meter.key)
        return exhausted(purse, target, self.money, lacks.left, lacks.retry_after, self.tools.wall())

    def settle(self, usage: Usage | None) -> int | None:
        """An answer came, or what was sent may be billed: what it cost, where somebody had to know."""
        if usage is None:
            usage = counted(self.job, None, 0)
        door, price = self.door, self.price
        money = cost(usage, price) if price is not None else None
        if door.warned or not self.money:
            for _, _, meter in door.warned if self.money else door.purses:
                if money and not meter.take(money):
                    meter.charge(money)
        self._end(usage.input + usage.output, money or 0)
        return money

    def release(self, *, asked: bool) -> None:
        """No answer came."""
        self._end(0, 0, asked)

    def _end(self, used: int, paid: int, asked: bool = True) -> None:
        """Gives back what was not used, which only the first call does, and looks how far budgets are used now."""
        taken, door = self.taken, self.door
        if taken is not None:
            self.taken = None
            door.sheet.give(taken, used, paid, asked)
            if door.waits is not None:
                door.waits.line.nudge()
        for meter, least, purse in door.watched:
            if meter.cell.total + meter.others >= least:
                self.gate.look(purse, self.tools)


class Gate:
    """The gate of one Engine in one worker."""

    def __init__(self, limits: Limits) -> None:
        self.watch = Watch(limits.meters)
        self.limits = limits
        self.spending = Spending(limits.rules, limits.meters)
        self._unpriced: set[str] = set()
        self._doors: dict[tuple[object, ...], Door] = {}
        # nano-dollars of a budget of which the log hears first
        self._watched = {each.name: min(each.watched) * each.limit for each in limits.rules.budgets if each.watched}

    def look(self, purse: Purse, tools: Tools) -> None:
        """Says how far a budget is used, where that is news."""
        budget, whose, meter = purse
        standing = meter.standing()
        used = standing.limit - standing.left
        reached = max((share for share in budget.watched if used >= share * standing.limit), default=None)
        if reached is not None:
            window = self.spending.window(budget, tools.wall())
            self.watch.say(budget, whose, meter.key, window, reached, standing, tools)

    def room(self, target: Target, lane: Lane) -> float | None:
        """The share that is left of the limit that is nearest to its end, None where nothing limits a send."""
        tab = self.limits.of_things((*target.limits, lane.limits) if lane.limits else target.limits)
        stands = [meter.standing() for meter in (*tab.once, *tab.tokens, *tab.held)] if tab is not None else []
        return min((max(0.0, each.left / each.limit) for each in stands), default=None)

    def enter(self, target: Target, lane: Lane, job: Job, tools: Tools) -> Reserved | Failure | None:
        """What a send needs, which must `wait` where it is not `taken` yet; None where nothing limits it."""
        name: tuple[object, ...] = (job.facts.key, target.name, target.limits, lane.limits)
        door = self._doors.get(name) or self._door(name, target, lane, job.facts)
        if door.free:
            return None
        tokens = money = 0
        bound: int | None = None
        price = target.price if door.purses else None
        if price is None and door.purses:
            refused = self.unpriced(target, tools)
            if refused is not None:
                return refused
        if price is not None or door.sheet.tokens:
            demand = job.demand or demand_of(job)
            most, said = output_of(demand, target)
            written = most * demand.n
            if door.sheet.tokens:
                tokens = demand.input + written
            if price is not None:
                money = dearest(price, demand.input, written)
                if money and not said and door.sheet.money:
                    bound = most
        taken: Taken | None = None
        if door.waits is None or self.limits.may(door.waits, job, tools.clock()):
            taken = door.sheet.take(tokens, money)
        return Reserved(self, door, job, tools, price, tokens, money, bound, taken)

    async def hold(self, target: Target, lane: Lane, job: Job, tools: Tools) -> Hold | Failure:
        """What `enter` says, taken."""
        passed = self.enter(target, lane, job, tools)
        if not isinstance(passed, Reserved):
            return passed or NOTHING
        return passed if passed.taken is not None else await passed.wait(target) or passed

    def unpriced(self, target: Target, tools: Tools) -> Failure | None:
        """What the file says of a send whose price nobody knows."""
        match self.limits.rules.price_unknown:
            case "fail":
                return unpriced(target)
            case "warn" if target.lanes not in self._unpriced:
                self._unpriced.add(target.lanes)
                tools.emit(Unpriced(target.provider, target.model))
        return None

    def _door(self, name: tuple[object, ...], target: Target, lane: Lane, facts: Facts) -> Door:
        """The door of a send; it is made once for a key, or where budgets ask for more, for what they ask for."""
        purses = self.spending.purses(facts, target)
        varies = self.spending.varies(facts, target)
        if varies:
            name = (*name, *((budget.name, whose) for budget, whose, _ in purses))
            known = self._doors.get(name)
            if known is not None:
                return known
        tab = self.limits.of_things((*target.limits, lane.limits) if lane.limits else target.limits)
        if len(self._doors) >= KEPT:
            self._doors.clear()
        door = self._doors[name] = Door(self.limits.meters, tab, purses, self._watched)
        return door
