"""A shared store that may be had elsewhere from now on: another password, another host.

`move` names where. The former store serves until the new one has answered once, so a password that is not valid yet
stops nobody. What was leased goes back to where it was leased: where both are one store under two addresses, to it;
else to the former, for `LINGER` seconds and in the background, and what it does not hear of stays counted there. What
is used beyond a lease, and what holders hold, the new one counts.

Lots of a store that is another than the first one begin with "^", a number and "^", so that they say where they belong.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from gateway.store.contract import Fixed, Grant, Return, Sliding, Store, StoreDown, Want, Window

PROBE: Final = 1.0  # seconds between two looks whether the new one answers
LINGER: Final = 900.0  # seconds: requests that began before a move end, and say what they did not use
_MARKED: Final = 60.0  # seconds that a mark is kept by which one store is known in the other
_MARK: Final = "^"

News: TypeAlias = Literal["waits", "same", "another"]


class Moving:
    """See the module. `say(news, why)` is told that the new one does not answer yet (`waits`), or that it serves and is
    the `same` one or `another`."""

    up = True  # whether it is, is known by who asks: see `guarded.py`

    def __init__(
        self,
        store: Store,
        say: Callable[[News, str], None] = lambda news, why: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._say = say
        self._sleep = sleep
        self._number = 0
        self._former: dict[str, Store] = {}  # by the beginning of their lots
        self._wanted: Store | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._leaving: dict[asyncio.Task[None], Store] = {}
        self._returning: set[asyncio.Task[None]] = set()

    @property
    def waits(self) -> bool:
        """Whether what is named has not answered yet."""
        return self._wanted is not None

    async def move(self, store: Store, near: bool) -> None:
        """Serves from another store once that answers; asks it once before it returns. `near`: it has the same address,
        which decides where no mark can be left in the former."""
        await self._stop_waiting()
        self._wanted = store
        try:
            await store.now()
        except StoreDown as error:
            self._say("waits", str(error))
            self._waiting = asyncio.get_running_loop().create_task(self._wait(store, near))
        else:
            await self._change(store, near)

    async def _wait(self, store: Store, near: bool) -> None:
        while True:
            await self._sleep(PROBE)
            try:
                await store.now()
            except StoreDown:
                continue
            await self._change(store, near)
            return

    async def _change(self, store: Store, near: bool) -> None:
        same = await self._knows(store, near)
        former, self._store, self._wanted = self._store, store, None
        if not same:
            self._former[self._tag] = former
            self._number += 1
        task = asyncio.get_running_loop().create_task(self._leave(former, PROBE if same else LINGER))
        self._leaving[task] = former
        task.add_done_callback(self._leaving.pop)
        self._say("same" if same else "another", "")

    async def _knows(self, store: Store, near: bool) -> bool:
        """Whether another store has the values of this one."""
        key = f"moved:{uuid.uuid4().hex}"
        try:
            await self._store.put(key, b"", _MARKED)
            return await store.get(key) is not None
        except StoreDown:
            return near

    async def _leave(self, former: Store, seconds: float) -> None:
        await self._sleep(seconds)  # at least until what it was asked is answered
        self._former = {tag: store for tag, store in self._former.items() if store is not former}
        await _closed(former)

    async def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
            self._waiting = None
        if self._wanted is not None:
            await _closed(self._wanted)
            self._wanted = None

    @property
    def _tag(self) -> str:
        return f"{_MARK}{self._number}{_MARK}" if self._number else ""

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        store, tag = self._store, self._tag
        if self._number:
            returns = self._routed(returns, tag)
            if not wants and not returns:
                return []
        grants = await store.lease(wants, returns)
        if not tag:
            return grants
        return [
            msgspec.structs.replace(grant, lot=tag + grant.lot) if isinstance(want.window, Fixed | Sliding) else grant
            for want, grant in zip(wants, grants, strict=True)
        ]

    def _routed(self, returns: Sequence[Return], here: str) -> list[Return]:
        """What goes to the store of now; the rest is sent to where it came from."""
        mine: list[Return] = []
        others: dict[str, list[Return]] = {}
        for back in returns:
            tag, lot = _split(back.lot)
            if tag == here or back.amount < 0 or not isinstance(back.window, Fixed | Sliding):
                mine.append(msgspec.structs.replace(back, lot=lot))
            else:
                others.setdefault(tag, []).append(msgspec.structs.replace(back, lot=lot))
        for tag, backs in others.items():
            if tag in self._former:
                task = asyncio.get_running_loop().create_task(_given_back(self._former[tag], backs))
                self._returning.add(task)
                task.add_done_callback(self._returning.discard)
        return mine

    async def now(self) -> float:
        return await self._store.now()

    async def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        return await self._store.used(keys)

    async def forget(self, key: str) -> None:
        await self._store.forget(key)

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        return await self._store.visit(key, member, ttl, limit)

    async def get(self, key: str) -> bytes | None:
        return await self._store.get(key)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self._store.put(key, value, ttl)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return await self._store.add(key, value, ttl)

    async def delete(self, key: str) -> None:
        await self._store.delete(key)

    async def weigh(self, prefix: str) -> tuple[int, int]:
        return await self._store.weigh(prefix)

    async def clear(self, prefix: str) -> int:
        return await self._store.clear(prefix)

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        await self._store.note(table, field, value, ttl)

    async def table(self, table: str) -> Mapping[str, bytes]:
        return await self._store.table(table)

    async def bound(self, size: int) -> None:
        await self._store.bound(size)

    async def close(self) -> None:
        """Lets go of all of them; what goes back to a former store is there first."""
        await self._stop_waiting()
        await asyncio.gather(*self._returning)
        leaving = dict(self._leaving)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        for former in leaving.values():
            await _closed(former)
        await self._store.close()


def _split(lot: str) -> tuple[str, str]:
    """A lot's beginning, and what its store calls it."""
    if not lot.startswith(_MARK):
        return "", lot
    end = lot.index(_MARK, 1) + 1
    return lot[:end], lot[end:]


async def _given_back(store: Store, backs: Sequence[Return]) -> None:
    try:
        await store.lease((), backs)
    except StoreDown:
        return  # it stays counted where nobody looks


async def _closed(store: Store) -> None:
    try:
        await store.close()
    except StoreDown:
        return
