"""Caches and idempotency at the door: which of them a client's headers ask for, and what the answer's headers say.

Request: `Cache-Control: no-cache` is not given an old answer, and its own is kept; `no-store`, `x-gateway-no-cache` and
`X-OmniRoute-No-Cache` neither. `Idempotency-Key` names a request that may be sent again. `X-Request-Id` never does: it
names a request in logs, and clients and proxies give one to several.

Answer: `x-gateway-cache` (hit, `semantic; similarity=0.973`, joined, miss, bypass), `age` in seconds, what was saved in
USD, and OmniRoute's words for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway.cache.answers import Answers
from gateway.cache.ask import Ask, Outcome, applies
from gateway.cache.digest import asked_digest, owner_of, scope_of
from gateway.cache.flight import Work
from gateway.cache.once import Once, repeat_of
from gateway.cache.rules import Caching
from gateway.failure import Refused
from gateway.ir.cost import cost, usd
from gateway.routing.attempt import Answer
from gateway.routing.conditions import ranged
from gateway.routing.run import Tools
from gateway.routing.sending import Job
from gateway.store.contract import Store, StoreDown

if TYPE_CHECKING:
    from gateway.engine.engine import Route
    from gateway.server.ingress import Exchange

REPEAT: Final = "idempotency-key"
_NO_CACHE: Final = ("x-gateway-no-cache", "x-omniroute-no-cache")
_YES: Final = ("true", "1")
_GIVEN: Final = (Outcome.HIT, Outcome.SEMANTIC)
BYPASSED: Final = {
    "x-gateway-cache": str(Outcome.BYPASS),
    "x-omniroute-cache": "MISS",
    "x-omniroute-cache-hit": "false",
}
BYPASSED_LINES: Final = "".join(f"{name}: {value}\r\n" for name, value in BYPASSED.items())
PATIENCE: Final = 600.0  # seconds that a repeated request waits where its route has no bound


class Caches:
    """The caches of one worker."""

    def __init__(self, store: Callable[[], Store | None], tools: Tools) -> None:
        self.answers = Answers(store, tools)
        self.once = Once(self.answers)
        self._size = 0

    def bound(self, caching: Caching | None) -> None:
        """A new Engine is in force: its file says how much is kept at most."""
        store = self.answers.store()
        if caching is not None and store is not None and caching.size != self._size:
            self._size = caching.size
            self.answers.later(_bound(store, caching.size))


async def _bound(store: Store, size: int) -> None:
    with suppress(StoreDown):
        await store.bound(size)


def concerns(exchange: Exchange, job: Job, headers: Mapping[str, str]) -> bool:
    """Whether `answered` has anything to do for a request: most files have no cache, most requests no key, and of those
    that a cache might answer most are not what the file says that it is for."""
    if REPEAT in headers:
        return True
    caching = exchange.engine.caching
    if caching is None:
        return False
    number = caching.number
    if number is not None:
        try:
            if ranged(number, job):
                return True
        except Refused:
            pass  # it cannot be read: see `applies`
    else:
        for cache in (caching.exact, caching.semantic):
            if cache is not None and applies(cache.when, job):
                return True
    exchange.bypassed = True
    return False


async def answered(exchange: Exchange, job: Job, route: Route, headers: Mapping[str, str], work: Work) -> Answer:
    """The answer of `work`, or one like it.

    Raises what `work` raises, and `Refused`: 400, 409 and 422 for an `Idempotency-Key`.
    """
    engine, caches = exchange.engine, exchange.serving.caches
    caller = exchange.caller
    owner = owner_of(job.facts, anonymous=caller is None or not caller.digest)
    exchange.ask = ask = Ask(job, route.node, engine.runtime, owner)
    caching = engine.caching
    if caching is not None:
        looks, keeps = wanted(headers)
        ruled_out = exchange.ruling is not None and exchange.ruling.no_cache
        if keeps and not ruled_out:
            ask.use(caching, scope_of(caching.scope, job.facts, owner), route.label)
            ask.looks, ask.keeps = looks, keeps
    repeat = headers.get(REPEAT)
    if repeat is None:
        return await caches.answers.answer(ask, work)
    ask.repeat, ask.asked = repeat_of(owner, repeat), asked_digest(job)
    ask.window, ask.patience = engine.idempotency, route.budget or PATIENCE
    if caching is None:
        return await caches.once.answer(ask, work)
    return await caches.once.answer(ask, lambda: caches.answers.answer(ask, work))


def wanted(headers: Mapping[str, str]) -> tuple[bool, bool]:
    """(may the request be given an old answer, may its own be kept), as its headers say."""
    for name in _NO_CACHE:
        if name in headers and headers[name].lower() in _YES:
            return False, False
    control = headers.get("cache-control")
    if control is None:
        return True, True
    words = {word.strip().lower() for word in control.split(",")}
    return (False, False) if "no-store" in words else ("no-cache" not in words, True)


def tell(ask: Ask, cached: bool, answer: Answer | None, wall: float, headers: dict[str, str]) -> None:
    """Adds the headers that say where an answer comes from. `cached`: the file has a cache."""
    if ask.idempotent:
        headers["x-gateway-idempotent"] = headers["x-omniroute-idempotent"] = "true"
    outcome, kept = ask.outcome, ask.kept
    if not cached or outcome is None:
        return
    given = outcome in _GIVEN or outcome is Outcome.JOINED
    similar = f"; similarity={ask.similarity:.3f}" if outcome is Outcome.SEMANTIC else ""
    headers["x-gateway-cache"] = outcome + similar
    headers["x-omniroute-cache"] = "HIT" if given else "MISS"
    headers["x-omniroute-cache-hit"] = "true" if given else "false"
    if kept is None or outcome not in _GIVEN:
        return
    headers["age"] = str(max(0, int(wall - kept.at)))
    if kept.stream:
        headers["x-omniroute-cache-latency"] = "synthetic"
    price = answer.target.price if answer is not None else None
    if kept.usage is not None and price is not None:
        saved = cost(kept.usage, price)
        headers["x-gateway-cost-saved"] = usd(saved)
        headers["x-omniroute-cost-saved"] = f"{saved / 1e9:.10f}"


def outcome_of(ask: Ask, cached: bool) -> str | None:
    """The word for telemetry; None where no cache had a say."""
    if ask.idempotent:
        return "idempotent"
    return str(ask.outcome) if cached and ask.outcome is not None else None
