"""What is taken together again and again, as one thing: a unit of some counters, so many tokens, so much money.

Most requests find every counter where the last one left it: in the same slice, with room. A `Sheet` knows until when
that holds (`Meter.span`), and then taking, and giving back, is an addition each. Everything else (a new slice, a lot
that is used up, a request that is larger than a limit) goes the long way of `Meters`, with the same outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from gateway.state.meter import Meter
from gateway.state.meters import Meters

_ANY: Final = 1 << 62  # more than anybody takes


class Sheet:
    """One unit of each of `once` and `held`, of which `held` come back; of each of `tokens` and of `money` an amount.

    Of `tokens` never more than all of one is taken: a request that is larger than a limit is let in where nobody else
    is, and counts as a whole.
    """

    __slots__ = (
        "__weakref__", "_all", "_exact", "_largest", "_meters", "_since", "_time", "_until", "held", "money", "once",
        "ones", "tokens", "turn",
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
        self.turn = 1  # whoever gives back in the turn in which he took gives to the same slices and lots
        self._meters = meters
        self._time = meters.time
        self._all = self.ones + self.tokens + self.money
        self._exact = all(meter.exact for meter in self._all)
        self._largest = min((meter.limit for meter in self.tokens), default=_ANY) if self._distinct() else -1
        self._since, self._until = inf, -inf
        for meter in self._all:
            meter.watch(self)

    def look_again(self) -> None:
        """Something has changed that nobody could foresee."""
        self._until = -inf

    def look(self) -> None:
        """Brings every counter to now."""
        now = self._time()
        if not self._since <= now < self._until:
            self._renewed(now)

    def take(self, tokens: int, money: int) -> float | None:
        """Takes all of it from what is here: the time, as `Meters.time` says it; or nothing, None."""
        now = self._time()
        if (not self._since <= now < self._until and not self._renewed(now)) or tokens > self._largest:
            return now if self._meters.take_now(self.asks(tokens, money)) else None
        for meter in self.ones:
            cell = meter.cell
            total = cell.total + 1
            if total > meter.most:
                self._undo(meter, tokens, money)
                return None
            cell.total = total
        if tokens:
            for meter in self.tokens:
                cell = meter.cell
                total = cell.total + tokens
                if total > meter.most:
                    self._undo(meter, tokens, money)
                    return None
                cell.total = total
        if money:
            for meter in self.money:
                cell = meter.cell
                total = cell.total + money
                if total > meter.most:
                    self._undo(meter, tokens, money)
                    return None
                cell.total = total
        return now

    def give(self, taken: float, turn: int, tokens: int, used: int, money: int, *, asked: bool) -> None:
        """Settles what was `taken`, when and in which turn: `tokens` were, and `used` is what it came to; `money` comes
        back, or was used beyond, below 0. `asked` is False where it was no request: then `once` comes back too."""
        now = self._time()
        if turn != self.turn or now >= self._until or tokens > self._largest:
            self._meters.give(self._back(tokens, used, money, asked), now - taken)
            return
        tokens -= used
        if self._exact:  # what was taken in this turn is there to be taken back, and more may be charged
            for meter in self.held if asked else self.ones:
                meter.cell.total -= 1
            if tokens:
                for meter in self.tokens:
                    meter.cell.total -= tokens
            if money:
                for meter in self.money:
                    meter.cell.total -= money
            return
        for meters, amount in ((self.held if asked else self.ones, 1), (self.tokens, tokens), (self.money, money)):
            for meter in meters if amount else ():
                total = meter.cell.total - amount
                if meter.least <= total <= meter.most:
                    meter.cell.total = total
                else:
                    self._meters.give(((meter, amount),), now - taken)

    def asks(self, tokens: int, money: int) -> list[tuple[Meter, int]]:
        """What is taken of each counter."""
        found = [(meter, 1) for meter in self.ones]
        found += [(meter, min(tokens, meter.limit)) for meter in self.tokens]
        if money:
            found += [(meter, money) for meter in self.money]
        return found

    def _back(self, tokens: int, used: int, money: int, asked: bool) -> list[tuple[Meter, int]]:
        """What comes back to each."""
        found = [(meter, 1) for meter in (self.held if asked else self.ones)]
        found += [(meter, min(tokens, meter.limit) - used) for meter in self.tokens]
        if money:
            found += [(meter, money) for meter in self.money]
        return found

    def _undo(self, last: Meter, tokens: int, money: int) -> None:
        """Puts back what was taken before one that had too little."""
        for meter, amount in self.asks(tokens, money):
            if meter is last:
                return
            meter.cell.total -= amount

    def _renewed(self, now: float) -> bool:
        """Brings every counter to now; whether they can be added to."""
        since, until = -inf, inf
        for meter in self._all:
            begins, ends = meter.span(now)
            since, until = max(since, begins), min(until, ends)
        self._since, self._until = since, until
        self.turn += 1
        return since <= now < until

    def _distinct(self) -> bool:
        return len(set(self._all)) == len(self._all)
