"""All meters of a process, and the one conversation that they have with the store.

`take` is all or nothing. Where every meter has enough nothing is awaited; else the asks that wait, the units that go
back and the holders to renew travel together, one exchange at a time: a burst of 200 asks is one or two exchanges. With
a store in this process (`Memory`) nothing is ever awaited, and everything is exact.

A graceful end gives back what was leased (`close`). A process that is killed does not: its lots, at most one a meter,
stay counted until their window is over, and units that it held until their `ttl` is.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from gateway.state.meter import Direct, Leased, Meter, Standing
from gateway.store.contract import Fixed, Held, Sliding, Store, StoreDown, Want, Window
from gateway.store.memory import Memory

__all__ = ["Fixed", "Held", "Meter", "Meters", "Short", "Sliding", "Standing", "StoreDown", "Window"]

TICK: Final = 1.0  # seconds between looks at what lapsed, while anything is leased
IDLE: Final = 10.0  # seconds after which a lot of which nothing is taken goes back


class Short(msgspec.Struct, frozen=True):
    """Why nothing was taken. `retry_after`: seconds until there may be enough; inf: never, as it is now."""

    meter: Meter
    retry_after: float
    left: int


class _Waiter:
    """Asks that need the store: what could be taken at once is `taken`, the rest is `lacking`."""

    __slots__ = ("future", "lacking", "taken")

    def __init__(self, asks: Sequence[tuple[Meter, int]], future: asyncio.Future[Short | None]) -> None:
        self.future = future
        self.taken: list[tuple[Leased, int]] = []
        self.lacking = [(meter, amount) for meter, amount in asks if isinstance(meter, Leased)]
        self._take()

    def _take(self) -> None:
        asks, self.lacking = self.lacking, []
        for meter, amount in asks:
            (self.taken if meter.take(amount) else self.lacking).append((meter, amount))

    def served(self) -> bool:
        """Whether what is here by now is enough."""
        self._take()
        if self.lacking or self.future.done():
            return False
        self.future.set_result(None)
        return True

    def give_up(self) -> None:
        for meter, amount in self.taken:
            meter.give(amount, 0.0)
        self.taken.clear()

    def finish(self) -> None:
        for meter, amount in self.lacking:
            if not meter.spend(amount):
                self.give_up()
                self.future.set_result(Short(meter, meter.retry, meter.standing().left))
                return
            self.taken.append((meter, amount))
        self.future.set_result(None)


class Meters:
    """See the module. `clock`: this process's own, monotonic; the store's rules all windows."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        holder: str | None = None,
    ) -> None:
        self._store = store
        self._direct = store if isinstance(store, Memory) else None
        self.clock = clock
        self.time = clock if self._direct is None else self._direct.clock  # what `Meter.span` and ages go by
        self._sleep = sleep
        self._holder = holder or uuid.uuid4().hex
        self._meters: WeakValueDictionary[tuple[str, int], Meter] = WeakValueDictionary()
        self._busy: set[Leased] = set()  # what the store's units are here
        self._owing: set[Leased] = set()  # of them, those that have to tell it something
        self._waiting: list[_Waiter] = []
        self._ahead: float | None = None  # the store's clock less ours
        self._urgent = False
        self._exchanging: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._renewed = 0.0
        self._renewing: list[Leased] = []
        self.exchanges = 0

    def meter(self, key: str, limit: int, window: Callable[[float], Window]) -> Meter:
        """The meter of a key: the same object for the same key and limit, as long as anybody holds it.

        `window` is asked with the store's time and gives the window that runs then: always Sliding of the same seconds,
        or always Held (its holder may be "": it is this process), or Fixed of any name and end. Whoever counts the same
        thing in two windows makes two keys of it.
        """
        meter = self._meters.get((key, limit))
        if meter is None:
            if self._direct is not None:
                meter = Direct(key, limit, window, self._direct)
            else:
                meter = Leased(key, limit, window, self.clock, self._holder, self._changed)
            meter = self._meters.setdefault((key, limit), meter)
        return meter

    def take_now(self, asks: Sequence[tuple[Meter, int]]) -> bool:
        """Takes all, from what is here, or nothing."""
        for index, (meter, amount) in enumerate(asks):
            if not meter.take(amount):
                for other, units in asks[:index]:
                    other.give(units, 0.0)
                return False
        return True

    def give(self, meters: Sequence[tuple[Meter, int]], age: float) -> None:
        """As `Meter.give`, of several; a number below zero was used beyond what was taken, and is charged."""
        for meter, amount in meters:
            if amount < 0:
                meter.charge(-amount)
            else:
                meter.give(amount, age)

    async def take(self, asks: Sequence[tuple[Meter, int]]) -> Short | None:
        """Takes all, or nothing and says of which meter there was too little. Asks the store once at most, and not
        where what is here suffices. Raises StoreDown where it had to be asked and could not."""
        if self.take_now(asks):
            return None
        if self._direct is not None:
            return _lacking(asks)
        waiter = _Waiter(asks, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._exchange_soon()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.give_up()  # it was served in the moment in which its asker left
            raise

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        """As `Store.visit`. Raises StoreDown."""
        return await self._store.visit(key, member, ttl, limit)

    async def first(self, key: str, ttl: float) -> bool:
        """Whether nobody has said this within `ttl` seconds, here or in another worker; True where nobody can tell."""
        try:
            return await self._store.add(key, b"", ttl)
        except StoreDown:
            return True

    async def now(self) -> float:
        """Seconds since the epoch, by the clock that rules windows. Raises StoreDown."""
        return await self._store.now()

    async def used(self, meters: Sequence[tuple[str, Callable[[float], Window]]]) -> list[int]:
        """What is used or leased of counters now, by the store: by key and window, as in `meter`. Raises StoreDown."""
        now = await self._store.now()
        return await self._store.used([(key, window(now)) for key, window in meters])

    async def forget(self, key: str) -> None:
        """A counter starts anew. What other processes have leased of it they still have. Raises StoreDown."""
        await self._store.forget(key)

    async def tick(self) -> None:
        """Brings to the store what lapsed or is owed, and renews what is held; done by itself while there is any."""
        now = self.clock()
        for meter in list(self._busy):
            meter.roll(now, now + (self._ahead or 0.0), IDLE)
        since = now - self._renewed
        self._renewing = [meter for meter in self._busy if since >= meter.renews]
        if self._renewing or self._owing:
            self._exchange_soon(urgent=True)
            while self._exchanging is not None:
                await asyncio.shield(self._exchanging)
        for meter in [meter for meter in self._busy if not meter.busy]:
            self._busy.discard(meter)

    async def close(self) -> None:
        """Gives back everything that was leased. A store that is down raises nothing: what it has stays counted."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            self._ticking = None
        while self._exchanging is not None:
            await asyncio.gather(self._exchanging, return_exceptions=True)
        for meter in list(self._busy):
            meter.let_go()
        returns = [back for meter in self._busy for back in meter.returns()]
        self._busy.clear()
        self._owing.clear()
        if returns:
            try:
                await self._store.lease((), returns)
            except StoreDown:
                return

    def _changed(self, meter: Leased, urgent: bool) -> None:
        self._busy.add(meter)
        self._owing.add(meter)
        self._tick_soon()
        if urgent:
            self._exchange_soon(urgent=True)

    def _exchange_soon(self, urgent: bool = False) -> None:
        self._urgent = self._urgent or urgent
        if self._exchanging is None:
            self._exchanging = asyncio.get_running_loop().create_task(self._exchange_all())

    def _tick_soon(self) -> None:
        if self._ticking is None:
            self._ticking = asyncio.get_running_loop().create_task(self._tick_while_busy())

    async def _tick_while_busy(self) -> None:
        try:
            while self._busy:
                await self._sleep(TICK)
                await self.tick()
        finally:
            self._ticking = None

    async def _exchange_all(self) -> None:
        try:
            while self._waiting or self._urgent:
                # The last exchange may have brought enough for those who came during it. To ask for them once more
                # would empty the lot of a slice, and then those who come meanwhile wait, and so on.
                waiting, self._waiting = [waiter for waiter in self._waiting if not waiter.served()], []
                if not waiting and not self._urgent:
                    return
                self._urgent = False
                try:
                    await self._exchange([waiter for waiter in waiting if not waiter.future.cancelled()])
                except StoreDown as error:
                    self._fail(waiting, error)  # what is owed waits for the next tick
                except Exception as error:
                    self._fail([*waiting, *self._waiting], error)
                    self._waiting.clear()
                    raise
                finally:
                    for waiter in waiting:  # whoever left meanwhile keeps nothing
                        if waiter.future.cancelled():
                            waiter.give_up()
        finally:
            self._exchanging = None

    def _fail(self, waiting: Sequence[_Waiter], error: Exception) -> None:
        for waiter in waiting:
            if not waiter.future.done():
                waiter.give_up()
                waiter.future.set_exception(error)

    async def _exchange(self, waiting: Sequence[_Waiter]) -> None:
        """One conversation: returns, wants and renewals there, grants back, and the asks that wait served in order."""
        if self._ahead is None:
            before = self.clock()
            self._ahead = await self._store.now() - before
        asked_at = self.clock()
        store_now = asked_at + self._ahead
        needs: dict[Leased, list[int]] = {}
        for waiter in waiting:
            for meter, amount in waiter.lacking:
                needs.setdefault(meter, []).append(amount)
        renewing, self._renewing = self._renewing, []
        for meter in renewing:
            needs.setdefault(meter, [])
        for meter in {*needs, *self._owing}:
            meter.roll(asked_at, store_now, IDLE)
        wants: list[tuple[Leased, Want]] = [(meter, meter.want(amounts)) for meter, amounts in needs.items()]
        owing, self._owing = self._owing, set()
        owed = {meter: meter.owed for meter in owing if meter.owed}
        returns = [back for meter in owing for back in meter.returns()]
        if not wants and not returns:
            return
        self.exchanges += 1
        try:
            grants = await self._store.lease([want for _, want in wants], returns)
        except BaseException:
            for meter, amount in owed.items():
                meter.unpaid(amount)
                self._owing.add(meter)
            for meter, _ in wants:
                meter.failed()
            raise
        if renewing:
            self._renewed = asked_at
        now = self.clock()
        for (meter, want), grant in zip(wants, grants, strict=True):
            meter.filled(want, grant, asked_at, now)
            self._ahead = grant.at - now  # late by the way of the answer: a window begins no sooner than it does
            if meter.busy:
                self._busy.add(meter)
        for waiter in waiting:
            if not waiter.future.done():
                waiter.finish()
        if self._busy:
            self._tick_soon()


def _lacking(asks: Sequence[tuple[Meter, int]]) -> Short:
    """Which of the meters has too little for its ask, or for several of them together."""
    needs: dict[Meter, int] = {}
    for meter, amount in asks:
        needs[meter] = needs.get(meter, 0) + amount
    waits = [(meter.retry(amount), meter) for meter, amount in needs.items() if isinstance(meter, Direct)]
    retry, meter = max(waits, key=lambda wait: wait[0])
    return Short(meter, retry, meter.standing().left)
