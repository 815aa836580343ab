"""The Sanic application of one worker: routes, limits, and errors in the caller's protocol."""

from __future__ import annotations

import asyncio
import logging
import re
from asyncio import CancelledError
from contextlib import suppress
from types import SimpleNamespace
from typing import Final

from sanic import Request, Sanic
from sanic.config import Config
from sanic.exceptions import PayloadTooLarge, SanicException
from sanic.http import Http
from sanic.response import BaseHTTPResponse, HTTPResponse

from gateway.engine.engine import Engine
from gateway.events import new_id
from gateway.failure import Refusal, Refused
from gateway.protocols.surfaces import FIXED, SHOW, SOCKETS, SURFACES, protocol_of
from gateway.routing.admission import store_down
from gateway.server import accounts, catalogs, generations, health, limits, operators
from gateway.server.ingress import given_id, handler
from gateway.server.serving import Serving
from gateway.store.contract import StoreDown

LINGER: Final = 5.0
LINGER_MOST: Final = 256 << 20

_LONGEST: Final = 7 * 86400  # time-outs of answers are routing's affair, not the HTTP server's
_STATUS_CODES: Final[dict[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "bad_request"),
    404: ("not_found_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "request_timeout"),
    413: ("invalid_request_error", "request_too_large"),
    417: ("invalid_request_error", "expectation_failed"),
    503: ("service_unavailable_error", "unavailable"),
}


def make_app(serving: Serving) -> Sanic[Config, SimpleNamespace]:
    """The application, ready to be given a socket. `serving` has an Engine in force."""
    config = Config(env_prefix=None)
    config.ACCESS_LOG = False
    config.MOTD = False
    config.REQUEST_MAX_SIZE = serving.live.engine.max_body
    config.REQUEST_TIMEOUT = 60
    config.RESPONSE_TIMEOUT = _LONGEST
    config.KEEP_ALIVE_TIMEOUT = 75
    config.GRACEFUL_TCP_CLOSE_TIMEOUT = 5.0
    app = Sanic("gateway", config=config, configure_logging=False, dumps=None)
    logging.getLogger("sanic").setLevel(logging.ERROR)

    def swapped(engine: Engine) -> None:
        config.REQUEST_MAX_SIZE = engine.max_body

    serving.on_swap = swapped
    for surface in SURFACES:
        handle = handler(serving, surface)
        for path in surface.paths:
            app.add_route(handle, path, methods=["POST"], name=_name(surface.operation, path))
    for path, rows in catalogs.paths().items():
        app.add_route(catalogs.models(serving, rows), path, methods=["GET"], name=_name("models", path))
        if rows[0].one is not None:
            one = catalogs.model(serving, rows)
            app.add_route(one, f"{path}/<name:path>", methods=["GET"], name=_name("model", path))
    for path in SOCKETS:
        app.add_route(catalogs.no_socket(serving), path, methods=["GET"], name=_name("socket", path))
    for path, value in FIXED.items():
        app.add_route(catalogs.fixed(serving, value), path, methods=["GET"], name=_name("fixed", path))
    app.add_route(catalogs.show(serving), SHOW, methods=["POST"], name="show")
    for path in generations.PATHS:
        show = generations.generation(serving)
        app.add_route(show, path, methods=["GET"], name=_name("generation", path))
        app.add_route(show, f"{path}/<name:path>", methods=["GET"], name=_name("one_generation", path))
    app.add_route(operators.health(serving), "/health", methods=["GET", "HEAD"], name="health")
    app.add_route(health.shown(serving), "/-/health", methods=["GET"], name="health_of_providers")
    app.add_route(health.reset(serving), "/-/health/reset", methods=["POST"], name="reset_health")
    app.add_route(operators.metrics(serving), "/metrics", methods=["GET"], name="metrics")
    app.add_route(operators.cache(serving), "/-/cache", methods=["GET"], name="cache")
    app.add_route(operators.clear_cache(serving), "/-/cache", methods=["DELETE"], name="clear_cache")
    app.add_route(operators.config(serving), "/-/config", methods=["GET"], name="config")
    app.add_route(operators.reload(serving), "/-/reload", methods=["POST"], name="reload")
    app.add_route(operators.rollback(serving), "/-/rollback", methods=["POST"], name="rollback")
    app.add_route(operators.audit(serving), "/-/audit", methods=["GET"], name="audit")
    app.add_route(limits.limits(serving), "/-/limits", methods=["GET"], name="limits")
    app.add_route(limits.reset(serving), "/-/budgets/<name:str>/reset", methods=["POST"], name="reset_budget")
    for path in accounts.KEY:
        app.add_route(accounts.key(serving), path, methods=["GET"], name=_name("key", path))
    for path in accounts.CREDITS:
        app.add_route(accounts.credits_(serving), path, methods=["GET"], name=_name("credits", path))
    app.error_handler.add(Exception, _errors(serving))
    return app


def _name(operation: str, path: str) -> str:
    """A route's name, which Sanic wants to be an identifier."""
    return re.sub(r"[^a-z0-9]", "_", f"{operation}{path}", flags=re.IGNORECASE)


def _errors(serving: Serving) -> object:
    """Everything that is not an answer, Sanic's own refusals included, in the protocol of the path."""

    async def handle(request: Request, error: Exception) -> BaseHTTPResponse | None:
        id_ = getattr(request.ctx, "request_id", None) or given_id(request) or new_id()
        if isinstance(error, Refused):
            refusal = error.refusal
        elif isinstance(error, StoreDown):
            refusal = store_down()
        elif isinstance(error, SanicException):
            refusal = _of_sanic(request, error)
        elif isinstance(error, CancelledError):
            refusal = Refusal(status=499, type="api_error", code="client_closed_request", message="The client left.")
        else:
            logging.getLogger("gateway").exception("a handler raised", exc_info=error)
            refusal = Refusal(
                status=500, type="api_error", code="internal_error", message="The gateway failed; its log says why."
            )
        headers = {"x-request-id": id_, "x-gateway-revision": _revision(request, serving)}
        if isinstance(error, SanicException):
            headers.update({str(name).lower(): str(value) for name, value in (error.headers or {}).items()})
        if refusal.retry_after is not None:
            headers["retry-after"] = str(max(1, round(refusal.retry_after + 0.499)))
        if refusal.status == 401:
            headers["www-authenticate"] = "Bearer"
        body = protocol_of(request.path).encode_error(refusal, id_)
        response = HTTPResponse(body, status=refusal.status, headers=headers, content_type="application/json")
        if isinstance(error, PayloadTooLarge):
            await _answer_and_linger(request, response)
            return None
        return response

    return handle


def _revision(request: Request, serving: Serving) -> str:
    """The revision that a request began with, else the one in force."""
    revision: str | None = getattr(request.ctx, "revision", None)
    return revision or serving.live.engine.revision[:12]


async def _answer_and_linger(request: Request, response: HTTPResponse) -> None:
    """Answers, then takes in what the client still sends: closing at once would reset the connection, and the client
    would never see why."""
    stream = request.stream
    if not isinstance(stream, Http):
        return
    stream.keep_alive = False
    begun = await request.respond(response)
    await begun.send(end_stream=True)
    taken = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while taken < LINGER_MOST:
                taken += len(stream.recv_buffer)
                del stream.recv_buffer[:]
                await stream.protocol.receive_more()  # type: ignore[no-untyped-call]  # Sanic's


def _of_sanic(request: Request, error: SanicException) -> Refusal:
    status = error.status_code
    type_, code = _STATUS_CODES.get(status, ("api_error" if status >= 500 else "invalid_request_error", "http_error"))
    path = request.path
    message = {
        404: f"There is nothing at {request.method} {path}. Chat completions are at POST /v1/chat/completions.",
        405: f"{request.method} is not what {path} takes.",
        413: "The request is larger than 'gateway.max_body' in router.yaml allows.",
        408: "The request did not arrive in time.",
    }.get(status, str(error) or "The request could not be read.")
    return Refusal(status=status, type=type_, code=code, message=message, should_retry=False if status < 500 else None)
