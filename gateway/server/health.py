"""Health as operators see and mend it: GET /-/health, POST /-/health/reset, and the task that shares it.

One list over providers, credentials and models: the state of each breaker with its reason and its end, whatever opened
it (failures in a row, a provider's hint, an exhausted account, a ban of the file). `model: "*"` is a credential as a
whole. What is in flight is summed over all workers of this node; `first_content` and `whole_answer` are the seconds
that the answering worker expects, null where it has seen none lately. Breakers are as that worker knows them, which is
as all know them within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.engine.engine import Engine
from gateway.failure import Refusal, Refused
from gateway.routing.node import Target, targets
from gateway.server.operators import administrator
from gateway.server.serving import Serving
from gateway.state.breaker import Breaker
from gateway.state.health import TICK, Health
from gateway.state.pool import Identity, StatePool
from gateway.store.contract import StoreDown
from gateway.telemetry.metrics import Sample, summed

IN_FLIGHT: Final = "gateway_target_in_flight"
OPEN: Final = "gateway_breaker_open"

Handler = Callable[[Request], Coroutine[Any, Any, HTTPResponse]]


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be reset; what is not named is all of it. `model` also names a credential as a whole, as "*"."""

    provider: str | None = None
    credential: str | None = None
    model: str | None = None

    def means(self, identity: Identity) -> bool:
        """Whether a breaker is meant."""
        return (
            self.provider in (None, identity.provider)
            and self.credential in (None, _plain(identity.credential))
            and self.model in (None, identity.model)
        )


def shown(serving: Serving) -> Handler:
    """GET /-/health."""

    async def handle(request: Request) -> HTTPResponse:
        administrator(request, serving, "Health")
        flying = summed(msgspec.msgpack.decode(await serving.ask_metrics(), type=list[bytes]), IN_FLIGHT)
        engine = serving.live.engine
        found = list(_rows(engine, serving, flying))
        counts: dict[str, int] = {"closed": 0, "half-open": 0, "open": 0}
        for row in found:
            counts[row["state"]] += 1
        body = {
            "revision": engine.revision,
            "shared": serving.health is not None,
            "breakers": counts,
            "health": found,
        }
        return _json(body)

    return handle


def reset(serving: Serving) -> Handler:
    """POST /-/health/reset: `{provider, credential, model}`, each optional; an empty body resets all."""

    async def handle(request: Request) -> HTTPResponse:
        administrator(request, serving, "Resetting health")
        try:
            wanted = msgspec.json.decode(request.body or b"{}", type=Reset)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(
                Refusal(
                    status=400,
                    type="invalid_request_error",
                    code="bad_reset",
                    message=f"The body names a provider, a credential, a model, or nothing for all of them: {error}.",
                    should_retry=False,
                )
            ) from None
        return _json({"reset": await _reset(serving, wanted)})

    return handle


async def _reset(serving: Serving, wanted: Reset) -> int:
    if serving.health is not None:
        return await serving.health.reset(wanted.means)
    count = 0
    for identity, breaker in serving.pool.each():
        if wanted.means(identity):
            count += breaker.standing() is not None
            breaker.reset()
    return count


async def keep(health: Health, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Shares health until it is cancelled. While the store is away each worker goes by what it sees itself."""
    while True:
        try:
            await health.tick()
        except StoreDown:
            await sleep(TICK)
        await sleep(TICK)


def samples(engine: Engine, state: StatePool, now: float) -> list[Sample]:
    """What is in flight by target, and which breakers rest, for /metrics."""
    found = [
        Sample(IN_FLIGHT, (name,), [float(load.count)]) for name, load in engine.runtime.loads.items() if load.count
    ]
    for identity, breaker in state.breakers():
        if breaker.wait(now) > 0:
            labels = (identity.provider, identity.model, _plain(identity.credential))
            found.append(Sample(OPEN, labels, [1.0]))
    return found


def _rows(engine: Engine, serving: Serving, flying: dict[tuple[str, ...], float]) -> list[dict[str, Any]]:
    """A row for each credential of a provider and one for each of its models, in the order of the file."""
    known: dict[str, Target] = {}
    for route in (*engine.routes.values(), *(pattern.route for pattern in engine.patterns)):
        for target in targets(route.node):
            known.setdefault(target.lanes, target)
    now, wall = serving.tools.clock(), serving.tools.wall()
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name, target in known.items():
        latency = engine.runtime.latencies.get(name)
        streamed = latency.expected(True, now) if latency is not None else None
        entire = latency.expected(False, now) if latency is not None else None
        for lane in engine.runtime.lanes[name]:
            whole = (target.provider, lane.credential, "*")
            if whole not in rows:
                rows[whole] = _row(*whole, lane.whole, now, wall)
            own = (target.provider, lane.credential, target.model)
            if own not in rows:
                rows[own] = {
                    **_row(*own, lane.own, now, wall),
                    "tier": lane.tier,
                    "target": name,
                    "in_flight": int(flying.get((name,), 0)),
                    "first_content": streamed,
                    "whole_answer": entire,
                }
    return sorted(rows.values(), key=lambda row: (row["provider"], row["credential"], row["model"] != "*"))


def _row(provider: str, credential: str, model: str, breaker: Breaker, now: float, wall: float) -> dict[str, Any]:
    seen = breaker.snapshot(now)
    rests = seen.state == "open"
    until = datetime.fromtimestamp(wall + seen.opens_in, UTC) if seen.opens_in is not None else None
    return {
        "provider": provider,
        "credential": credential,
        "model": model,
        "state": seen.state,
        "reason": seen.kind,
        "banned": seen.banned,
        "failures": seen.failures,
        "until": (until.isoformat(timespec="seconds").replace("+00:00", "Z") if until else "reload") if rests else None,
        "opens_in": round(seen.opens_in, 1) if seen.opens_in is not None else None,
    }


def _plain(credential: str) -> str:
    """A credential's name without the mark of its secret."""
    return credential.partition("#")[0]


def _json(value: object) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), content_type="application/json")
