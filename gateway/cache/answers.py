"""The exact cache, and joining: the same request gets the same answer.

A request looks in turn for the same one in flight in this worker, for its answer in the store, for the answer to a like
one (near.py), and is worked on otherwise. Work that others may join runs in a `Flight`; so the many that come at once
ask the store, and a provider, once. Where the work fails before its commit point, requests of the same owner take the
failure, which was the end of a whole chain of attempts; those of others, who share the scope, go on by themselves,
since limits and budgets are their own.

A store that is down, and a value that cannot be read, is a miss. What is kept is written after the answer was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.cache.ask import Ask, Outcome
from gateway.cache.flight import After, Flight, Work
from gateway.cache.kept import Kept, encode, kept_of, replay_of
from gateway.cache.near import Nearness
from gateway.failure import Failed, Failure, Refused
from gateway.protocols.endings import complete
from gateway.routing.attempt import Answer
from gateway.routing.run import Tools, interrupted
from gateway.store.contract import Store, StoreDown

PREFIX: Final = "answers/"


class Answers:
    """One per worker. `store` gives the store in force, None where there is none."""

    def __init__(self, store: Callable[[], Store | None], tools: Tools) -> None:
        self.store = store
        self.tools = tools
        self.near = Nearness(store, tools)
        self._flights: dict[bytes, tuple[Flight, Ask]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, ask: Ask, work: Work) -> Answer:
        """The answer to a request: an old one, another's, or what `work` gives. Raises what `work` raises."""
        key = ask.key
        if key is None or not (ask.looks or ask.keeps):
            ask.outcome = Outcome.BYPASS
            return await work()
        joins = ask.exact is not None and ask.exact.join and ask.looks
        if joins:
            found = self._flights.get(key)
            if found is not None and found[0].joinable:
                if found[1].job.constraints == ask.job.constraints:
                    return await self._join(*found, ask, work)
                joins = False  # what that one gets may be forbidden to this one
        flight = Flight(ask.owner, key, lambda flight, body: self._over(ask, flight, body), self.broke, self.later)
        if joins:
            self._flights[key] = (flight, ask)
        self.began(flight.start(lambda: self._find(ask, work)))
        return await flight.join()

    async def _join(self, flight: Flight, first: Ask, ask: Ask, work: Work) -> Answer:
        try:
            answer = await flight.join()
        except (Failed, Refused):
            if flight.owner == ask.owner:
                ask.outcome = Outcome.JOINED
                raise
            ask.outcome = Outcome.MISS
            return await work()
        ask.follow(first)
        return answer

    async def _find(self, ask: Ask, work: Work) -> Answer:
        """An old answer, or a new one."""
        if ask.looks and (found := await self._look(ask)) is not None:
            return found
        ask.outcome = Outcome.MISS if ask.looks else Outcome.BYPASS
        return await work()

    async def _look(self, ask: Ask) -> Answer | None:
        key = ask.key
        if key is None:
            return None
        if ask.exact is not None and (found := await self._again(ask, key, ask.exact.ttl)) is not None:
            ask.outcome = Outcome.HIT
            return found
        if ask.semantic is not None and (near := await self.near.find(ask, ask.semantic)) is not None:
            other, similarity = near
            found = await self._again(ask, other, ask.semantic.ttl)
            if found is not None:
                ask.outcome, ask.similarity = Outcome.SEMANTIC, similarity
                return found
            self.near.forget(ask.scope, other)
        return None

    async def _again(self, ask: Ask, key: bytes, ttl: float) -> Answer | None:
        """The answer that is kept under a key, where it is not older than `ttl` and may be given to this request."""
        store = self.store()
        if store is None:
            return None
        try:
            kept = kept_of(await store.get(name_of(ask.scope, key)), key)
        except StoreDown:
            return None
        if kept is None or not -60.0 < self.tools.wall() - kept.at < ttl:
            return None
        answer = replay_of(kept, ask.node, ask.job)
        if answer is not None:
            ask.kept = kept
        return answer

    # What is kept.

    def _over(self, ask: Ask, flight: Flight, body: bytes | None) -> After | None:
        """A flight has ended: its answer is kept where it is a good one that was made now."""
        made = ask.keeps and ask.kept is None and body is not None and flight.answer is not None
        if not made or body is None or not complete(ask.job.protocol.name, body):
            self._land(ask, flight)
            return None
        return self._keep(ask, flight, body)

    async def _keep(self, ask: Ask, flight: Flight, body: bytes) -> None:
        store, key, answer = self.store(), ask.key, flight.answer
        try:
            if store is not None and key is not None and answer is not None:
                kept = kept_now(answer, key, body, self.tools.wall())
                ttls = [cache.ttl for cache in (ask.exact, ask.semantic) if cache is not None]
                with suppress(StoreDown):
                    await store.put(name_of(ask.scope, key), encode(kept), max(ttls))
                    if ask.semantic is not None and ask.vector is not None:
                        await self.near.add(ask, ask.semantic, key, ask.vector)
        finally:
            self._land(ask, flight)

    def _land(self, ask: Ask, flight: Flight) -> None:
        """Nobody joins it any more: its answer is in the store, or is not to be given again."""
        key = ask.key
        if key is not None and (found := self._flights.get(key)) is not None and found[0] is flight:
            del self._flights[key]

    def later(self, work: After) -> None:
        """Does what no client waits for."""
        self.began(asyncio.get_running_loop().create_task(work))

    def began(self, task: asyncio.Task[None]) -> None:
        """Holds a task until it is done: nobody else does."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def broke(self, answer: Answer, failure: Failure) -> None:
        """An answer broke off while several may have read it: the breakers are told once."""
        interrupted(answer, failure, self.tools)

    async def settled(self) -> None:
        """Waits until what was to be kept is kept."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))


def name_of(scope: str, key: bytes) -> str:
    """The store's key of an answer."""
    return f"{PREFIX}{scope}/{key.hex()}"


def kept_now(answer: Answer, key: bytes, body: bytes, at: float) -> Kept:
    """An answer as it is kept. `body` is all of it."""
    return Kept(key, answer.target.name, answer.stream, answer.content_type, body, at, answer.usage, answer.dropped)
