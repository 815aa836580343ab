"""What operators and their tools ask: /health, /metrics, POST /-/reload. And /v1/models, which clients ask."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.engine.engine import Route
from gateway.failure import Refusal, Refused
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving
from gateway.telemetry.metrics import expose

_CREATED: Final = 1_700_000_000  # a model of a file has no birthday; clients only want a number that stays


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), status=status, headers=headers, content_type="application/json")


def _model(route: Route) -> dict[str, Any]:
    return {"id": route.name, "object": "model", "created": _CREATED, "owned_by": route.owner}


def health(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """The revision that runs, the last reload, and the last rejection with its diagnostics."""

    async def handle(request: Request) -> HTTPResponse:
        status = {
            "status": "draining" if serving.draining else "ok",
            "revision": serving.live.engine.revision,
            **serving.status,
        }
        return _json(status, 503 if serving.draining else 200)

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
        caller = authenticate(request, serving.live.engine, serving.tools.wall())
        if not caller.admin:
            raise Refused(
                Refusal(
                    status=403,
                    type="permission_error",
                    code="admin_required",
                    message="Reloading needs a key that has 'admin: true' in router.yaml.",
                )
            )
        outcome: dict[str, Any] = msgspec.json.decode(await serving.ask_reload())
        return _json(outcome, 422 if outcome.get("outcome") == "rejected" else 200)

    return handle


def models(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """The models that the caller may use, as OpenAI lists them."""

    async def handle(request: Request) -> HTTPResponse:
        engine = serving.live.engine
        caller = authenticate(request, engine, serving.tools.wall())
        listed = [_model(route) for route in engine.visible(caller)]
        return _json({"object": "list", "data": listed}, headers={"x-gateway-revision": engine.revision[:12]})

    return handle


def model(serving: Serving) -> Callable[..., Coroutine[Any, Any, HTTPResponse]]:
    """One model, by a name that may hold slashes."""

    async def handle(request: Request, name: str) -> HTTPResponse:
        engine = serving.live.engine
        caller = authenticate(request, engine, serving.tools.wall())
        route = engine.resolve(name, caller)
        return _json(_model(route), headers={"x-gateway-revision": engine.revision[:12]})

    return handle
