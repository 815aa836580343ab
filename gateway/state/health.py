"""Health that workers and nodes share, and that a restart remembers: breakers' openings and closings, in the store.

Nothing here is on a request's path. A task calls `tick` every second: it notes what turned here since the last one and
takes over what turned elsewhere, in one exchange where nothing turned. So all agree within a second or two. Failures
that are still being counted are each worker's own, and so is the probe of a rest that is over: each may send one.

Times in the store are seconds since the epoch by the store's clock. Of two notes of one breaker the later one holds. A
rest until the next reload is not taken over from before this process loaded its configuration: that was a reload.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from gateway.state.breaker import UNTIL_RELOAD, Breaker, Standing
from gateway.state.pool import Identity, StatePool
from gateway.store.contract import Store, StoreDown

TABLE: Final = "health"
TICK: Final = 1.0
_REMEMBERED: Final = 900.0  # seconds that an ended rest is told after: its streak doubles the next one
_CLOSED: Final = 60.0  # seconds that a closing is told for
_LONGEST: Final = 7 * 86400.0
_CLOCK_EVERY: Final = 60  # ticks between two looks at the store's clock
_UNTOLD: Final = -1  # turns that no breaker has


class Note(msgspec.Struct, frozen=True, array_like=True):
    """One turn of a breaker: `at` when, `until` the end of its rest, 0 where it closed; `by` the process."""

    at: float
    by: str
    until: float
    kind: str | None = None
    streak: int = 0
    banned: bool = False


_NOTE: Final = msgspec.msgpack.Decoder(Note)


class _Known:
    """What was last noted or taken over of a breaker: its turns then, and when."""

    __slots__ = ("at", "turns")

    def __init__(self) -> None:
        self.turns = 0
        self.at = 0.0


class Health:
    """One per worker. `clock` is monotonic seconds; `by` names this process and no other, past ones included. `up`:
    whether the store is there, where it hides that it is not."""

    def __init__(
        self,
        pool: StatePool,
        store: Store,
        *,
        by: str,
        clock: Callable[[], float],
        up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._pool = pool
        self._store = store
        self._by = by
        self._clock = clock
        self._up = up
        self._known: WeakKeyDictionary[Breaker, _Known] = WeakKeyDictionary()
        self._ahead = 0.0  # the store's clock less ours
        self._ticks = 0
        self._loaded: float | None = None  # when the configuration was, on our clock

    def reloaded(self) -> None:
        """A configuration has come into force."""
        self._loaded = self._clock()

    def moved(self) -> None:
        """The store is another one: what rests here is told to it, by its clock."""
        self._ticks = 0
        for _, breaker in self._pool.each():
            known = self._known.get(breaker)
            if known is not None and breaker.standing() is not None:
                known.turns = _UNTOLD

    async def tick(self) -> None:
        """Tells what turned here, and takes over what turned elsewhere. Raises `StoreDown`; nothing is forgotten."""
        await self._look_at_the_clock()
        breakers = {_field(identity): breaker for identity, breaker in self._pool.each()}
        for field, breaker in breakers.items():
            known = self._known.setdefault(breaker, _Known())
            turns = breaker.turns
            if turns != known.turns:
                note = self._note(breaker.standing())
                await self._write(field, note)
                known.turns, known.at = turns, note.at
        table = await self._store.table(TABLE)
        for field, data in table.items():
            found = breakers.get(field)
            note_there = _read(data)
            if found is None or note_there is None or note_there.by == self._by:
                continue
            known = self._known.setdefault(found, _Known())
            if note_there.at > known.at and found.turns == known.turns:
                known.at = note_there.at
                self._adopt(found, note_there)
                known.turns = found.turns

    async def reset(self, chosen: Callable[[Identity], bool]) -> int:
        """An operator says that these are well, here and everywhere; how many rested. While the store is away, others
        hear of it later."""
        resting: set[str] = set()
        breakers = {_field(identity): breaker for identity, breaker in self._pool.each() if chosen(identity)}
        for field, breaker in breakers.items():
            if breaker.standing() is not None:
                resting.add(field)
            breaker.reset()  # a turn, which the next tick tells
        with suppress(StoreDown):
            await self._look_at_the_clock()
            for field, data in (await self._store.table(TABLE)).items():
                note = _read(data)
                if note is None or not note.until or not chosen(_identity(field)):
                    continue
                resting.add(field)
                closing = self._note(None)
                await self._write(field, closing)
                if field in breakers:
                    self._known.setdefault(breakers[field], _Known()).at = closing.at
            await self.tick()
        return len(resting)

    def _note(self, standing: Standing | None) -> Note:
        at = self._clock() + self._ahead
        if standing is None:
            return Note(at, self._by, 0.0)
        until = standing.until if standing.until == UNTIL_RELOAD else standing.until + self._ahead
        return Note(at, self._by, max(until, at), standing.kind, standing.streak, standing.banned)

    async def _write(self, field: str, note: Note) -> None:
        rest = min(note.until - note.at, _LONGEST) + _REMEMBERED if note.until else _CLOSED
        await self._store.note(TABLE, field, msgspec.msgpack.encode(note), rest)
        self._there()

    def _there(self) -> None:
        if not self._up():
            raise StoreDown("the store is away")

    def _adopt(self, breaker: Breaker, note: Note) -> None:
        if note.until == 0.0:
            breaker.adopt(None)
        elif note.until != UNTIL_RELOAD:
            breaker.adopt(Standing(note.until - self._ahead, note.kind, note.streak, note.banned))
        elif self._loaded is None or note.at - self._ahead >= self._loaded:
            breaker.adopt(Standing(UNTIL_RELOAD, note.kind, note.streak, note.banned))

    async def _look_at_the_clock(self) -> None:
        self._there()
        if self._ticks % _CLOCK_EVERY == 0:
            self._ahead = await self._store.now() - self._clock()
        self._ticks += 1


def _field(identity: Identity) -> str:
    return msgspec.json.encode(identity).decode()


def _identity(field: str) -> Identity:
    return Identity(*msgspec.json.decode(field, type=tuple[str, str, str]))


def _read(data: bytes) -> Note | None:
    """A note; None for what another version of the gateway wrote."""
    try:
        return _NOTE.decode(data)
    except msgspec.MsgspecError:
        return None
