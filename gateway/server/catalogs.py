"""The models that a caller may use, listed as each protocol's clients expect (protocols/surfaces.py)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.engine.engine import Route
from gateway.failure import Refusal, Refused
from gateway.protocols.listings import Listed, shown
from gateway.protocols.surfaces import LISTINGS, Listing
from gateway.routing.node import targets
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving

Handler: TypeAlias = Callable[..., Coroutine[Any, Any, HTTPResponse]]


def _answer(serving: Serving, value: object) -> HTTPResponse:
    headers = {"x-gateway-revision": serving.live.engine.revision[:12]}
    return HTTPResponse(msgspec.json.encode(value), headers=headers, content_type="application/json")


def _listed(route: Route) -> Listed:
    """A route with the most that one of its targets can do; what is unknown of one of them is unknown of it."""
    reached = targets(route.node)
    windows = [target.context for target in reached]
    answers = [target.max_output for target in reached]
    known = [target.supports for target in reached if target.supports is not None]
    return Listed(
        route.name,
        route.owner,
        context=None if None in windows else max(filter(None, windows), default=None),
        max_output=None if None in answers else max(filter(None, answers), default=None),
        supports=frozenset().union(*known) if len(known) == len(reached) else None,
        price=reached[0].price if len(reached) == 1 else None,
    )


def _chosen(rows: Sequence[Listing], request: Request) -> Listing:
    """Of the listings of a path the one whose header was sent, else the one that needs none."""
    return next(row for row in rows if not row.header or row.header in request.headers)


def paths() -> dict[str, list[Listing]]:
    """The listings by path."""
    rows: dict[str, list[Listing]] = {}
    for row in LISTINGS:
        rows.setdefault(row.path, []).append(row)
    return rows


def models(serving: Serving, rows: Sequence[Listing]) -> Handler:
    """The list of a path."""

    async def handle(request: Request) -> HTTPResponse:
        engine = serving.live.engine
        routes = engine.visible(authenticate(request, engine, serving.tools.wall()))
        return _answer(serving, _chosen(rows, request).many([_listed(route) for route in routes]))

    return handle


def model(serving: Serving, rows: Sequence[Listing]) -> Handler:
    """One model, by a name that may hold slashes."""

    async def handle(request: Request, name: str) -> HTTPResponse:
        engine = serving.live.engine
        route = engine.resolve(name, authenticate(request, engine, serving.tools.wall()))
        one = _chosen(rows, request).one
        return _answer(serving, one(_listed(route)) if one is not None else None)

    return handle


def show(serving: Serving) -> Handler:
    """One model that the body names."""

    async def handle(request: Request) -> HTTPResponse:
        engine = serving.live.engine
        caller = authenticate(request, engine, serving.tools.wall())
        try:
            body = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        name = (body.get("model") or body.get("name")) if isinstance(body, dict) else None
        if not isinstance(name, str):
            raise Refused(
                Refusal(
                    status=400,
                    type="invalid_request_error",
                    code="missing_required_parameter",
                    message="'model' must be a string.",
                    param="model",
                )
            )
        return _answer(serving, shown(_listed(engine.resolve(name, caller))))

    return handle


def fixed(serving: Serving, value: object) -> Handler:
    """An answer that is always the same."""

    async def handle(request: Request) -> HTTPResponse:
        return _answer(serving, value)

    return handle


def no_socket(serving: Serving) -> Handler:
    """A client that wants a WebSocket is told at once to use HTTP (426, RFC 9110 §15.5.22)."""

    async def handle(request: Request) -> HTTPResponse:
        raise Refused(
            Refusal(
                status=426,
                type="invalid_request_error",
                code="upgrade_required",
                message="Ask with POST on this path; WebSockets are not served here.",
                should_retry=False,
            )
        )

    return handle
