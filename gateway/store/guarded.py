"""A shared store that may fail: what happens while it is away, and how it comes back.

The first call that fails finds out, and waits for the store's own time-out; from then on nobody asks it until a probe,
made in the background, has succeeded. Meanwhile, `local` counts in a memory store of this process alone, and `reject`
raises StoreDown wherever something would have to be counted; values are then simply not there. Either way no call
waits for a store that is known to be away.

What was used of a fixed window (a budget's month) is not lost: `local` begins with what was last known to be used,
and when the store is back it learns what was used meanwhile. Sliding windows and held units begin anew: so in a window
during which the store fails each worker may use the limit once by itself. Units that were leased from the local store
have lots that begin with "~"; they go back to where they count.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from gateway.store.contract import Fixed, Grant, Return, Sliding, Store, StoreDown, Want, Window
from gateway.store.memory import Memory

PROBE: Final = 1.0  # seconds between two looks whether it is back
SEEN: Final = 10_000  # fixed windows of which it is remembered what was used
_MARK: Final = "~"

Policy: TypeAlias = Literal["local", "reject"]
T = TypeVar("T")


class Guarded:
    """See the module. `say(up, why)` is called at each change; `clock`: seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        say: Callable[[bool, str], None] = lambda up, why: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self.policy = policy
        self.say = say
        self._clock = clock
        self._sleep = sleep
        self.up = True
        self.why = ""
        self._seen: OrderedDict[str, tuple[Fixed, int]] = OrderedDict()
        self._local = Memory(clock)
        self._begun: dict[tuple[str, str], int] = {}  # by key and window: with what the local store began
        self._later: dict[tuple[str, Fixed, str], int] = {}
        self._probing: asyncio.Task[None] | None = None

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        if not self.up:
            raise StoreDown(self.why)
        try:
            return await work()
        except StoreDown as error:
            self._lost(str(error))
            raise

    def _lost(self, why: str) -> None:
        if not self.up:
            return
        self.up, self.why = False, why
        self._local = Memory(self._clock)
        self._begun = {}
        if self.policy == "local":
            for key, (window, used) in self._seen.items():
                if window.ends > self._clock() and used > 0:
                    self._local.lease_now((), [Return(key, window, "", -used)])
                    self._begun[key, window.name] = used
        self._probing = asyncio.get_running_loop().create_task(self._probe())
        self.say(False, why)

    async def _probe(self) -> None:
        while not self.up:
            await self._sleep(PROBE)
            try:
                await self._store.now()
                while await self._tell():
                    pass  # what was used while it was told
            except Exception as error:
                # Whatever it is, whoever stopped to look would never see it come back.
                self.why = str(error)
                continue
            self.up, self.why = True, ""
            self.say(True, "")

    async def _tell(self) -> bool:
        """Tells the store, of fixed windows, what was used without it, and what was not used after all; False where
        there is nothing to tell. Where that fails, what was used is told again, and what was not used is not: rather
        too much is counted than too little."""
        returns = [Return(key, window, lot, amount) for (key, window, lot), amount in self._later.items()]
        self._later.clear()
        told: dict[tuple[str, str], int] = {}
        for key, window, used in self._local.fixed():
            more = used - self._begun.get((key, window.name), 0)
            if more > 0:
                returns.append(Return(key, window, "", -more))
                told[key, window.name] = used
        if not returns:
            return False
        await self._store.lease((), returns)
        self._begun.update(told)
        return True

    async def now(self) -> float:
        try:
            return await self._ask(self._store.now)
        except StoreDown:
            if self.policy == "reject":
                raise
            return self._clock()

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        try:
            known = [_known(back) for back in returns if not _is_stale(back)]
            grants = await self._ask(lambda: self._store.lease(wants, known))
        except StoreDown:
            if self.policy == "reject" and (wants or any(back.amount < 0 for back in returns)):
                raise
            return self._lease_here(wants, returns)
        for want, grant in zip(wants, grants, strict=True):
            if isinstance(want.window, Fixed):
                self._seen[want.key] = (want.window, want.limit - grant.left)
                self._seen.move_to_end(want.key)
                if len(self._seen) > SEEN:
                    self._seen.popitem(last=False)
        return grants

    def _lease_here(self, wants: Sequence[Want], returns: Sequence[Return]) -> list[Grant]:
        here: list[Return] = []
        for back in returns:
            if back.amount < 0 or not isinstance(back.window, Fixed | Sliding) or back.lot.startswith(_MARK):
                here.append(_known(back))
            elif isinstance(back.window, Fixed):
                place = (back.key, back.window, back.lot)
                self._later[place] = self._later.get(place, 0) + back.amount
        grants = self._local.lease_now(wants, here)
        return [
            msgspec.structs.replace(grant, lot=_MARK + grant.lot) if isinstance(want.window, Fixed | Sliding) else grant
            for want, grant in zip(wants, grants, strict=True)
        ]

    async def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        return await self._or_here(lambda store: store.used(keys))

    async def forget(self, key: str) -> None:
        """Raises StoreDown with either policy: an operator wants to know that it was not done."""
        await self._ask(lambda: self._store.forget(key))
        self._seen.pop(key, None)

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        return await self._or_here(lambda store: store.visit(key, member, ttl, limit))

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return await self._or_here(lambda store: store.add(key, value, ttl))

    async def get(self, key: str) -> bytes | None:
        return await self._or_not(lambda store: store.get(key), None)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self._or_not(lambda store: store.put(key, value, ttl), None)

    async def delete(self, key: str) -> None:
        await self._or_not(lambda store: store.delete(key), None)

    async def weigh(self, prefix: str) -> tuple[int, int]:
        return await self._or_not(lambda store: store.weigh(prefix), (0, 0))

    async def clear(self, prefix: str) -> int:
        """Raises StoreDown with either policy, as `forget`."""
        return await self._ask(lambda: self._store.clear(prefix))

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        await self._or_not(lambda store: store.note(table, field, value, ttl), None)

    async def table(self, table: str) -> Mapping[str, bytes]:
        nothing: Mapping[str, bytes] = {}
        return await self._or_not(lambda store: store.table(table), nothing)

    async def bound(self, size: int) -> None:
        """Raises StoreDown with either policy, as `forget`."""
        await self._ask(lambda: self._store.bound(size))

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._store.close()

    async def _or_here(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Of what counts: the local store, or StoreDown."""
        try:
            return await self._ask(lambda: work(self._store))
        except StoreDown:
            if self.policy == "reject":
                raise
            return await work(self._local)

    async def _or_not(self, work: Callable[[Store], Awaitable[T]], nothing: T) -> T:
        """Of what does not count: the local store, or nothing."""
        try:
            return await self._ask(lambda: work(self._store))
        except StoreDown:
            return nothing if self.policy == "reject" else await work(self._local)


def _known(back: Return) -> Return:
    """A return as a store knows it."""
    return msgspec.structs.replace(back, lot=back.lot.removeprefix(_MARK)) if back.lot.startswith(_MARK) else back


def _is_stale(back: Return) -> bool:
    """Units of a slice that was leased while the store was away: it never learned of them. Of a fixed window it did."""
    return back.lot.startswith(_MARK) and isinstance(back.window, Sliding) and back.amount > 0
