"""The models that a caller may use, in the words of each protocol's clients.

Sources: https://platform.openai.com/docs/api-reference/models, https://platform.claude.com/docs/en/api/models-list,
https://ai.google.dev/api/models, https://docs.ollama.com/api/tags and /api/show.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any, Final, TypeAlias

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.engine.engine import Route
from gateway.failure import Refusal, Refused
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving

Handler: TypeAlias = Callable[..., Coroutine[Any, Any, HTTPResponse]]

CREATED: Final = 1_700_000_000  # a model of a file has no birthday; clients only want a number that stays
_BORN: Final = "2023-11-14T22:13:20Z"  # the same moment
_DETAILS: Final = {"format": "", "family": "", "families": None, "parameter_size": "", "quantization_level": ""}
OLLAMA_VERSION: Final = "0.12.0"  # whose API this is; clients ask before they use newer fields


def _openai(route: Route) -> dict[str, Any]:
    return {"id": route.name, "object": "model", "created": CREATED, "owned_by": route.owner}


def _anthropic(route: Route) -> dict[str, Any]:
    return {"type": "model", "id": route.name, "display_name": route.name, "created_at": _BORN}


def _gemini(route: Route) -> dict[str, Any]:
    return {
        "name": f"models/{route.name}",
        "displayName": route.name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }


def _ollama(route: Route) -> dict[str, Any]:
    return {
        "name": route.name,
        "model": route.name,
        "modified_at": _BORN,
        "size": 0,
        "digest": sha256(route.name.encode()).hexdigest(),
        "details": {**_DETAILS, "family": route.owner},
    }


def _answer(serving: Serving, value: object) -> HTTPResponse:
    headers = {"x-gateway-revision": serving.live.engine.revision[:12]}
    return HTTPResponse(msgspec.json.encode(value), headers=headers, content_type="application/json")


def _visible(serving: Serving, request: Request) -> list[Route]:
    engine = serving.live.engine
    return engine.visible(authenticate(request, engine, serving.tools.wall()))


def models(serving: Serving) -> Handler:
    """GET /v1/models: as OpenAI lists them, or as Anthropic does for clients that say `anthropic-version`."""

    async def handle(request: Request) -> HTTPResponse:
        routes = _visible(serving, request)
        if "anthropic-version" not in request.headers:
            return _answer(serving, {"object": "list", "data": [_openai(route) for route in routes]})
        rows = [_anthropic(route) for route in routes]
        first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
        return _answer(serving, {"data": rows, "has_more": False, "first_id": first, "last_id": last})

    return handle


def model(serving: Serving) -> Handler:
    """GET /v1/models/NAME, whose name may hold slashes."""

    async def handle(request: Request, name: str) -> HTTPResponse:
        engine = serving.live.engine
        route = engine.resolve(name, authenticate(request, engine, serving.tools.wall()))
        return _answer(serving, (_anthropic if "anthropic-version" in request.headers else _openai)(route))

    return handle


def gemini_models(serving: Serving) -> Handler:
    """GET /v1beta/models."""

    async def handle(request: Request) -> HTTPResponse:
        return _answer(serving, {"models": [_gemini(route) for route in _visible(serving, request)]})

    return handle


def gemini_model(serving: Serving) -> Handler:
    """GET /v1beta/models/NAME."""

    async def handle(request: Request, name: str) -> HTTPResponse:
        engine = serving.live.engine
        return _answer(serving, _gemini(engine.resolve(name, authenticate(request, engine, serving.tools.wall()))))

    return handle


def tags(serving: Serving) -> Handler:
    """GET /api/tags."""

    async def handle(request: Request) -> HTTPResponse:
        return _answer(serving, {"models": [_ollama(route) for route in _visible(serving, request)]})

    return handle


def show(serving: Serving) -> Handler:
    """POST /api/show."""

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
        route = engine.resolve(name, caller)
        details = _ollama(route)["details"]
        shown = {"modelfile": "", "parameters": "", "template": "", "details": details, "model_info": {}}
        return _answer(serving, {**shown, "capabilities": ["completion", "tools", "vision", "thinking"]})

    return handle


def version(serving: Serving) -> Handler:
    """GET /api/version."""

    async def handle(request: Request) -> HTTPResponse:
        return _answer(serving, {"version": OLLAMA_VERSION})

    return handle


def no_socket(serving: Serving) -> Handler:
    """GET /v1/responses: a client that wants a WebSocket is told at once to use HTTP (426, RFC 9110 §15.5.22)."""

    async def handle(request: Request) -> HTTPResponse:
        raise Refused(
            Refusal(
                status=426,
                type="invalid_request_error",
                code="upgrade_required",
                message="Responses are at POST on this path; WebSockets are not served here.",
                should_retry=False,
            )
        )

    return handle
