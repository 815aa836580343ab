"""Idempotency: a request that is sent again under the same `Idempotency-Key` is answered once.

The key belongs to the caller: two callers may use one key for two things. In this worker the second request joins the
first. Between workers a mark in the store says who works on it: it lapses `LEASE` seconds after its worker was last
heard of, so one that was killed blocks nobody for longer. The others wait for the answer, which takes the place of the
mark and stays for the window; an answer that broke off, or is too large to keep, or a failure, takes the mark away, and
the next request works on it anew. The same key with another request is refused, in the window as well as before.

Where the store is down, requests are joined in this worker alone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256
from typing import Final

import msgspec

from gateway.cache.answers import Answers, kept_now
from gateway.cache.ask import Ask
from gateway.cache.flight import After, Flight, Work
from gateway.cache.kept import Repeatable, Running, encode, mark_of, replay_of
from gateway.failure import Refusal, Refused
from gateway.routing.attempt import Answer
from gateway.store.contract import StoreDown

LEASE: Final = 15.0
KEY_MOST: Final = 255
PREFIX: Final = "once/"
_FIRST_LOOK: Final = 0.05
_LAST_LOOK: Final = 1.0


def repeat_of(owner: str, key: str) -> str:
    """The store's key of a repeatable request. Raises `Refused` (400) for an `Idempotency-Key` that is none."""
    if not key or len(key) > KEY_MOST or not key.isprintable():
        raise Refused(
            Refusal(
                status=400,
                type="invalid_request_error",
                code="invalid_idempotency_key",
                message=f"'Idempotency-Key' must be 1 to {KEY_MOST} printable characters.",
                should_retry=False,
            )
        )
    return f"{PREFIX}{owner}/{sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"


class Once:
    """One per worker, around `answers`."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._flights: dict[str, Flight] = {}
        self._renewals: dict[Flight, asyncio.Task[None]] = {}

    async def answer(self, ask: Ask, work: Work) -> Answer:
        """The answer to a request that may have been sent before. Raises what `work` raises, and `Refused`: 422 where
        the key stands for another request, 409 where somebody else works on it for longer than this one waits."""
        name = ask.repeat
        if name is None:
            return await work()
        flight = self._flights.get(name)
        if flight is not None and flight.joinable:
            if flight.asked != ask.asked:
                raise _mismatch()
            ask.idempotent = True
            return await flight.join()
        answers = self._answers
        flight = Flight(
            ask.owner, ask.asked, lambda over, body: self._over(ask, name, over, body), answers.broke, answers.later
        )
        self._flights[name] = mine = flight
        answers.began(mine.start(lambda: self._work(ask, name, mine, work)))
        return await mine.join()

    async def _work(self, ask: Ask, name: str, flight: Flight, work: Work) -> Answer:
        """The work, once it is this worker's to do; or what another worker's came to."""
        store, tools = self._answers.store(), self._answers.tools
        if store is None:
            return await work()
        deadline, pause = tools.clock() + ask.patience, _FIRST_LOOK
        mark = encode(Running(ask.asked))
        try:
            while not await store.add(name, mark, LEASE):
                known = mark_of(data := await store.get(name))
                if known is None and data is not None:  # whatever stands there, it is no mark
                    await store.delete(name)
                    continue
                if known is not None and known.asked != ask.asked:
                    raise _mismatch()
                if isinstance(known, Repeatable):
                    again = replay_of(known.kept, ask.node, ask.job)
                    if again is None:  # the route has changed, and cannot have given this answer
                        await store.delete(name)
                        continue
                    ask.idempotent, ask.kept = True, known.kept
                    return again
                if tools.clock() >= deadline:
                    raise _busy()
                await tools.sleep(pause)
                pause = min(pause * 2, _LAST_LOOK)
        except StoreDown:
            return await work()
        ask.owns = True
        self._renewals[flight] = asyncio.get_running_loop().create_task(self._renew(name, mark))
        return await work()

    async def _renew(self, name: str, mark: bytes) -> None:
        """Says again and again that the work goes on."""
        while True:
            await self._answers.tools.sleep(LEASE / 3)
            store = self._answers.store()
            if store is not None:
                with suppress(StoreDown):
                    await store.put(name, mark, LEASE)

    def _over(self, ask: Ask, name: str, flight: Flight, body: bytes | None) -> After | None:
        if ask.owns:
            return self._publish(ask, name, flight, body)
        self._land(name, flight)
        return None

    async def _publish(self, ask: Ask, name: str, flight: Flight, body: bytes | None) -> None:
        """The answer takes the place of the mark; where there is none, the mark goes."""
        renewal = self._renewals.pop(flight, None)
        if renewal is not None:
            renewal.cancel()
            await asyncio.wait((renewal,))  # a mark that is just being written must not come after the answer
        store, answer = self._answers.store(), flight.answer
        try:
            if store is not None:
                with suppress(StoreDown):
                    if body is None or answer is None or ask.window <= 0:
                        await store.delete(name)
                    else:
                        kept = kept_now(answer, b"", body, self._answers.tools.wall())
                        if kept.usage is None and ask.kept is not None:
                            kept = msgspec.structs.replace(kept, usage=ask.kept.usage)
                        await store.put(name, encode(Repeatable(ask.asked, kept)), ask.window)
        finally:
            self._land(name, flight)

    def _land(self, name: str, flight: Flight) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]


def _mismatch() -> Refused:
    return Refused(
        Refusal(
            status=422,
            type="invalid_request_error",
            code="idempotency_mismatch",
            message="This Idempotency-Key was used for another request. Use a new key for each request, and the same "
            "one only to send the same request again.",
            should_retry=False,
        )
    )


def _busy() -> Refused:
    return Refused(
        Refusal(
            status=409,
            type="invalid_request_error",
            code="idempotency_in_progress",
            message="The request with this Idempotency-Key is still worked on. Send it again later.",
            retry_after=1.0,
        )
    )
