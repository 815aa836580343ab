"""What operators and their tools ask: /health, /metrics, POST /-/reload."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.failure import Refusal, Refused
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving
from gateway.telemetry.metrics import expose


def told(value: object, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    """A value as JSON."""
    return HTTPResponse(msgspec.json.encode(value), status=status, headers=headers, content_type="application/json")


def administrator(request: Request, serving: Serving, what: str) -> None:
    """Raises `Refused` (401, 403) unless an administrator asks."""
    if not authenticate(request, serving.live.engine, serving.tools.wall()).admin:
        raise Refused(
            Refusal(
                status=403,
                type="permission_error",
                code="admin_required",
                message=f"{what} needs a key that has 'admin: true' in router.yaml.",
            )
        )


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
        administrator(request, serving, "Reloading")
        outcome: dict[str, Any] = msgspec.json.decode(await serving.ask_reload())
        return told(outcome, 422 if outcome.get("outcome") == "rejected" else 200)

    return handle
