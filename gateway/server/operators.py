"""What operators and their tools ask: /health, /metrics, GET /-/config, POST /-/reload and /-/rollback, GET /-/audit,
GET and DELETE /-/cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.cache.answers import PREFIX
from gateway.engine.access import Caller
from gateway.engine.published import published
from gateway.failure import Refusal, Refused
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving
from gateway.store.contract import StoreDown
from gateway.telemetry.metrics import expose, summed


def told(value: object, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    """A value as JSON."""
    return HTTPResponse(msgspec.json.encode(value), status=status, headers=headers, content_type="application/json")


def administrator(request: Request, serving: Serving, what: str) -> Caller:
    """Who asks. Raises `Refused` (401, 403) unless that is an administrator."""
    caller = authenticate(request, serving.live.engine, serving.tools.wall())
    if not caller.admin:
        raise Refused(
            Refusal(
                status=403,
                type="permission_error",
                code="admin_required",
                message=f"{what} needs a key that has 'admin: true' in router.yaml.",
            )
        )
    return caller


def health(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """The revision that runs, the store of shared state as this worker sees it, the last reload, and the last rejection
    with its diagnostics."""

    async def handle(request: Request) -> HTTPResponse:
        status = {
            "status": "draining" if serving.draining else "ok",
            "revision": serving.live.engine.revision,
            "state": serving.state(),
            **serving.status,
        }
        return told(status, 503 if serving.draining else 200)

    return handle


def metrics(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """All workers' counters in Prometheus' text format."""

    async def handle(request: Request) -> HTTPResponse:
        snapshots = msgspec.msgpack.decode(await serving.ask_metrics(), type=list[bytes])
        return HTTPResponse(expose(snapshots), content_type="text/plain; version=0.0.4; charset=utf-8")

    return handle


def reload(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """Reads the file anew. 200 with what happened, 422 with the diagnostics where it was rejected."""

    async def handle(request: Request) -> HTTPResponse:
        caller = administrator(request, serving, "Reloading")
        outcome: dict[str, Any] = msgspec.json.decode(await serving.ask_change("reload", caller.name, ""))
        return told(outcome, 422 if outcome.get("outcome") == "rejected" else 200)

    return handle


def config(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """What runs, fully written out, without its secrets (engine/published.py)."""

    async def handle(request: Request) -> HTTPResponse:
        administrator(request, serving, "The configuration")
        engine = serving.live.engine
        running = serving.running[engine.revision]
        return told(await asyncio.to_thread(published, engine, running.config, running.secrets))

    return handle


def rollback(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """Goes back to what was in force before, or `?to=` a revision by its beginning. 200 with what happened, 409 with
    the reason where there was nothing to go back to."""

    async def handle(request: Request) -> HTTPResponse:
        caller = administrator(request, serving, "Rolling back")
        to = request.args.get("to") or ""
        outcome: dict[str, Any] = msgspec.json.decode(await serving.ask_change("rollback", caller.name, to))
        return told(outcome, 409 if outcome.get("outcome") == "rejected" else 200)

    return handle


def audit(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """The last changes of the configuration and those that were refused, the latest first."""

    async def handle(request: Request) -> HTTPResponse:
        caller = administrator(request, serving, "The record of changes")
        return told({"changes": msgspec.json.decode(await serving.ask_change("audit", caller.name, ""))})

    return handle


def cache(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """What is kept in the store, and how often all workers' requests found something there since they started."""

    async def handle(request: Request) -> HTTPResponse:
        administrator(request, serving, "Looking at the cache")
        entries, size = await _kept(serving, "weigh", "")
        snapshots = msgspec.msgpack.decode(await serving.ask_metrics(), type=list[bytes])
        counts = {labels[0]: int(count) for labels, count in summed(snapshots, "gateway_cache_total").items()}
        words = {"hits": "hit", "semantic": "semantic", "joined": "joined", "misses": "miss", "bypassed": "bypass"}
        found = {name: counts.get(word, 0) for name, word in words.items()}
        return told({"entries": entries, "bytes": size, **found, "idempotent": counts.get("idempotent", 0)})

    return handle


def clear_cache(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """Forgets what is kept: everything, or with `?key=NAME` or `?team=NAME` what is kept for that one alone."""

    async def handle(request: Request) -> HTTPResponse:
        administrator(request, serving, "Emptying the cache")
        named = [(word, request.args.get(word)) for word in ("key", "team") if word in request.args]
        if len(named) > 1 or any(word not in ("key", "team") for word in request.args):
            raise Refused(
                Refusal(
                    status=400,
                    type="invalid_request_error",
                    code="invalid_request",
                    message="Name one ?key= or one ?team=, or nothing to forget everything.",
                )
            )
        scope = "".join(f"{word}/{quote(str(name), safe='')}" for word, name in named)
        cleared = await _kept(serving, "clear", f"{scope}/" if scope else "")
        serving.caches.answers.near.clear(scope or None)
        return told({"cleared": cleared, "scope": scope or "all"})

    return handle


async def _kept(serving: Serving, what: Literal["weigh", "clear"], scope: str) -> Any:
    """Asks the store about answers. Raises `Refused` (503) where it is away."""
    store = serving.caches.answers.store()
    if store is None:
        return (0, 0) if what == "weigh" else 0
    try:
        return await (store.weigh if what == "weigh" else store.clear)(PREFIX + scope)
    except StoreDown as down:
        raise Refused(
            Refusal(
                status=503,
                type="service_unavailable_error",
                code="store_unavailable",
                message=f"The store of 'gateway.state' cannot be reached: {down}.",
                retry_after=1.0,
            )
        ) from None
