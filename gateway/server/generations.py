"""What became of one request: `GET /generation?id=` and `GET /generation/ID`, as OpenRouter and AnyRouter have them.

A request is found by the id that it was answered with (`x-request-id`), by its id in the ledger, or by the id inside
its answer. It is shown to the key that made it, and to keys with `admin: true`; to others it does not exist. Beside the
fields of those services stand ours: the way that the request took, its revision, and what a translation lost.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.failure import Kind, Refusal, Refused
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving

PATHS: Final = ("/generation", "/v1/generation", "/api/v1/generation")


def generation(serving: Serving) -> Callable[..., Coroutine[Any, Any, HTTPResponse]]:
    """The handler; `name` is the id where the path says it."""

    async def handle(request: Request, name: str | None = None) -> HTTPResponse:
        engine = serving.live.engine
        caller = authenticate(request, engine, serving.tools.wall())
        wanted = name if name is not None else request.args.get("id")
        if not wanted:
            raise Refused(
                Refusal(
                    status=400,
                    type="invalid_request_error",
                    code="missing_id",
                    message="Name the request: GET /generation?id=ID, with the x-request-id of its answer.",
                    param="id",
                    should_retry=False,
                )
            )
        if serving.recording is None:
            raise _missing("This gateway keeps no ledger: 'gateway.ledger' in router.yaml names none.")
        row = await serving.recording.find(wanted, None if caller.admin else caller.name)
        if row is None:
            raise _missing("There is no request of this key with that id.")
        headers = {"x-gateway-revision": engine.revision[:12]}
        body = msgspec.json.encode({"data": shown(row, caller.admin)})
        return HTTPResponse(body, headers=headers, content_type="application/json")

    return handle


def _missing(message: str) -> Refused:
    return Refused(
        Refusal(
            status=404, type="not_found_error", code="generation_not_found", message=message, param="id",
            should_retry=False,
        )
    )  # fmt: skip


def shown(row: Mapping[str, Any], admin: bool) -> dict[str, Any]:
    """A row of the ledger as clients of /generation expect it. Names of credentials are for operators."""
    cost = row["cost"] / 1e9 if row["cost"] is not None else None
    tried = [_trial(trial, admin) for trial in row["path"].get("tried", ())]
    first = row["first_content"]
    return {
        "id": row["id"],
        "request_id": row["request_id"],
        "upstream_id": row["answer_id"],
        "created_at": datetime.fromtimestamp(row["at"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "model": row["model"],
        "provider_name": row["provider"],
        "api_type": row["operation"],
        "streamed": row["stream"],
        "cancelled": row["kind"] == Kind.CANCELLED,
        "finish_reason": row["finish"],
        "native_finish_reason": row["finish"],
        "latency": _ms(first if first is not None else row["seconds"]),
        "generation_time": _ms(row["seconds"] - (first or 0.0)),
        "moderation_latency": None,
        "tokens_prompt": row["input"],
        "tokens_completion": row["output"],
        "native_tokens_prompt": row["input"],
        "native_tokens_completion": row["output"],
        "native_tokens_reasoning": row["reasoning"],
        "native_tokens_cached": row["cached"],
        "usage": cost,
        "total_cost": cost,
        "upstream_inference_cost": cost,
        "cache_discount": None,
        "is_byok": False,
        "external_user": row["end_user"],
        "provider_responses": [
            {"provider_name": None, "endpoint_id": trial["target"], "status": trial["status"], "latency": trial["ms"]}
            for trial in tried
        ],
        "status": row["status"],
        "error": row["kind"],
        "asked": row["asked"],
        "route": row["route"],
        "key": row["key"],
        "team": row["team"],
        "tags": row["tags"],
        "estimated": row["estimated"],
        "cache": row["cache"],
        "lossy": row["lossy"],
        "revision": row["revision"],
        "path": {
            "policies": row["path"].get("policies", []),
            "tried": tried,
            "skipped": row["path"].get("skipped", []),
        },
    }


def _trial(trial: Mapping[str, Any], admin: bool) -> dict[str, Any]:
    told = {name: trial[name] for name in ("target", "kind", "status")}
    return {**told, "ms": _ms(trial["seconds"]), **({"credential": trial["credential"]} if admin else {})}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
