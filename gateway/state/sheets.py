"""What is taken together again and again, as one thing: a unit of some counters, so many tokens, so much money.

Most requests find every counter where the last one left it: in the same slice, with room. A `Sheet` knows until when
that holds (`Meter.span`), and then taking, and giving back, is an addition each. Everything else (a new slice, a lot
that is used up, a request that is larger than a limit) goes the long way of `Meters`, with the same outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TypeAlias

from gateway.state.meter import Meter
from gateway.state.meters import Meters

# When it was taken, by `Meters.time`; in which turn of the sheet, 0 the long way; tokens and money of each counter.
Taken: TypeAlias = tuple[float, int, int, int]


class Sheet:
    """One unit of each of `once` and `held`, of which `held` come back; of each of `tokens` and of `money` an amount.

    Of `tokens` never more than all of one is taken: a request that is larger than a limit is let in where nobody else
    is, and counts as a whole.
    """

    __slots__ = (
        "__weakref__", "_all", "_exact", "_meters", "_since", "_time", "_turn", "_until", "held", "money", "once",
        "ones", "tokens",
    )  # fmt: skip

    def __init__(
        self,
        meters: Meters,
        once: Sequence[Meter] = (),
        held: Sequence[Meter] = (),
        tokens: Sequence[Meter] = (),
        money: Sequence[Meter] = (),
    ) -> None:
        self.once, self.held, self.tokens, self.money = tuple(once), tuple(held), tuple(tokens), tuple(money)
        self.ones = self.once + self.held
        self._turn = 1  # whoever gives back in the turn in which he took gives to the same slices and lots
        self._meters = meters
        self._time = meters.time
        self._all = self.ones + self.tokens + self.money
        self._exact = all(meter.exact for meter in self._all)
        self._since, self._until = inf, -inf
        for meter in self._all:
            meter.watch(self)

    def look_again(self) -> None:
        """Something has changed that nobody could foresee."""
        self._until = -inf

    def look(self) -> None:
        """Brings every counter to now. A clock that stepped back changes no total."""
        now = self._time()
        if now >= self._until:
            self._renewed(now)

    def take(self, tokens: int, money: int) -> Taken | None:
        """Takes all of it from what is here, or nothing: None."""
        now = self._time()
        if not self._since <= now < self._until and not self._renewed(now):
            return self._take(now, tokens, money)
        for meter in self.ones:
            cell = meter.cell
            total = cell.total + 1
            if total > meter.most:
                return self._undone(meter, now, tokens, money)
            cell.total = total
        if tokens:
            for meter in self.tokens:
                cell = meter.cell
                total = cell.total + tokens
                if total > meter.most:
                    return self._undone(meter, now, tokens, money)
                cell.total = total
        if money:
            for meter in self.money:
                cell = meter.cell
                total = cell.total + money
                if total > meter.most:
                    return self._undone(meter, now, tokens, money)
                cell.total = total
        return now, self._turn, tokens, money

    def give(self, taken: Taken, used: int, paid: int, asked: bool = True) -> None:
        """Settles what was taken: `used` tokens and `paid` money are what it came to, which counts also beyond what was
        taken, but for money where none was. `asked` is False where it was no request: then `once` comes back too."""
        at, turn, tokens, money = taken
        now = self._time()
        if turn != self._turn or now >= self._until:
            self._meters.give(self._back(taken, used, paid, asked), now - at)
        elif self._exact:  # what was taken in this turn is there to be taken back, and more may be charged
            for meter in self.held if asked else self.ones:
                meter.cell.total -= 1
            tokens -= used
            for meter in self.tokens:
                meter.cell.total -= tokens
            if money:
                money -= paid
                for meter in self.money:
                    meter.cell.total -= money
        else:  # a lot may be too small for what is charged, and gives back what is too much for it
            for meter in self.held if asked else self.ones:
                cell = meter.cell
                total = cell.total - 1
                if total >= meter.least:
                    cell.total = total
                else:
                    meter.give(1, now - at)
            for meters, amount in ((self.tokens, tokens - used), (self.money, money and money - paid)):
                for meter in meters if amount else ():
                    cell = meter.cell
                    total = cell.total - amount
                    if meter.least <= total <= meter.most:
                        cell.total = total
                    else:
                        self._meters.give(((meter, amount),), now - at)

    def waited(self, tokens: int, money: int) -> Taken:
        """What `Meters.take` has just taken of what `asks` says."""
        return self._time(), 0, tokens, money

    def asks(self, tokens: int, money: int) -> list[tuple[Meter, int]]:
        """What is taken of each counter."""
        found = [(meter, 1) for meter in self.ones]
        found += [(meter, min(tokens, meter.limit)) for meter in self.tokens]
        if money:
            found += [(meter, money) for meter in self.money]
        return found

    def _back(self, taken: Taken, used: int, paid: int, asked: bool) -> list[tuple[Meter, int]]:
        """What comes back to each."""
        _, _, tokens, money = taken
        found = [(meter, 1) for meter in (self.held if asked else self.ones)]
        found += [(meter, min(tokens, meter.limit) - used) for meter in self.tokens]
        if money:
            found += [(meter, money - paid) for meter in self.money]
        return found

    def _take(self, now: float, tokens: int, money: int) -> Taken | None:
        """The long way."""
        return (now, 0, tokens, money) if self._meters.take_now(self.asks(tokens, money)) else None

    def _undone(self, last: Meter, now: float, tokens: int, money: int) -> Taken | None:
        """Puts back what was taken before one that had too little; a request that is larger than a limit goes the long
        way then."""
        for meter, amount in self.asks(tokens, money):
            if meter is last:
                break
            meter.cell.total -= amount
        return self._take(now, tokens, money) if any(tokens > meter.limit for meter in self.tokens) else None

    def _renewed(self, now: float) -> bool:
        """Brings every counter to now; whether they can be added to, which one that is here twice cannot."""
        since, until = -inf, inf if len(set(self._all)) == len(self._all) else -inf
        for meter in self._all:
            begins, ends = meter.span(now)
            since, until = max(since, begins), min(until, ends)
        self._since, self._until = since, until
        self._turn += 1
        return since <= now < until
