"""What a caller may ask of itself: what its key is, and what is left of its money.

The shapes are OpenRouter's (`GET /key`, `GET /credits`) with AnyRouter's fields beside them, so that clients of both
find what they look for. Money is USD. What no budget counts is null: nobody knows it here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from sanic import Request
from sanic.response import HTTPResponse

from gateway.engine.access import Caller
from gateway.engine.engine import Engine
from gateway.failure import Refused
from gateway.routing.admission import Admission, admission_of, store_down
from gateway.routing.allowances import Budget
from gateway.routing.facts import Facts
from gateway.server.ingress import authenticate
from gateway.server.serving import Serving
from gateway.state.meters import StoreDown

KEY: Final = ("/key", "/v1/key", "/api/v1/key", "/auth/key", "/v1/auth/key", "/api/v1/auth/key")
CREDITS: Final = ("/credits", "/v1/credits", "/api/v1/credits")

_NANO: Final = 10**9
_RESETS: Final = {"day": "daily", "week": "weekly", "month": "monthly"}


def key(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """The calling key: `limit` is its tightest budget that refuses, `rate_limit` its tightest limit of requests."""

    async def handle(request: Request) -> HTTPResponse:
        engine = serving.live.engine
        caller = authenticate(request, engine, serving.tools.wall())
        facts = _facts(caller)
        spent = await _spent(engine, facts)
        tightest = _tightest(spent)
        limit, used = (tightest[0].limit, tightest[1]) if tightest is not None else (None, None)
        by = {budget.calendar.per: used for budget, used in reversed(spent)}
        admission = admission_of(engine.limits, facts) if engine.limits is not None else None
        data = {
            "label": caller.name,
            "team": caller.team,
            "limit": _usd(limit),
            "limit_remaining": _usd(max(0, limit - used)) if limit is not None and used is not None else None,
            "limit_reset": _RESETS.get(tightest[0].calendar.per) if tightest is not None else None,
            "usage": _usd(used),
            "usage_daily": _usd(by.get("day")),
            "usage_weekly": _usd(by.get("week")),
            "usage_monthly": _usd(by.get("month")),
            "byok_usage": 0,
            "byok_usage_daily": 0,
            "byok_usage_weekly": 0,
            "byok_usage_monthly": 0,
            "include_byok_in_limit": False,
            "is_free_tier": False,
            "is_management_key": caller.admin,
            "is_provisioning_key": False,
            "expires_at": caller.expires.isoformat() if caller.expires is not None else None,
            "creator_user_id": None,
            "rate_limit": _rate(admission),
            "scopes": ["inference", *(["admin"] if caller.admin else [])],
            "budgets": [_shown(budget, used) for budget, used in spent],
        }
        headers: dict[str, str] = {}
        if admission is not None:
            admission.tell(headers, serving.tools.wall())
        return _json({"data": data}, headers)

    return handle


def credits_(serving: Serving) -> Callable[[Request], Coroutine[Any, Any, HTTPResponse]]:
    """What the tightest budget of the calling key that refuses holds, and what is used of it."""

    async def handle(request: Request) -> HTTPResponse:
        engine = serving.live.engine
        spent = await _spent(engine, _facts(authenticate(request, engine, serving.tools.wall())))
        tightest = _tightest(spent)
        limit, used = (tightest[0].limit, tightest[1]) if tightest is not None else (None, None)
        return _json(
            {
                "data": {"total_credits": _usd(limit), "total_usage": _usd(used)},
                "balance": _usd(limit - used) if limit is not None and used is not None else None,
                "used": _usd(used),
                "today_cost": _usd(next((each for budget, each in spent if budget.calendar.per == "day"), None)),
                "currency": "usd",
            },
            {},
        )

    return handle


def _json(value: object, headers: dict[str, str]) -> HTTPResponse:
    return HTTPResponse(msgspec.json.encode(value), headers=headers, content_type="application/json")


def _facts(caller: Caller) -> Facts:
    return Facts(key=caller.name, team=caller.team, tags=caller.tags)


async def _spent(engine: Engine, facts: Facts) -> list[tuple[Budget, int]]:
    """The budgets that a caller is under whatever it asks for, with nano-dollars used. Raises `Refused` (503)."""
    gate = engine.runtime.gate
    if gate is None:
        return []
    shares = gate.spending.binding(facts)
    try:
        used = await gate.spending.used(shares)
    except StoreDown:
        raise Refused(store_down()) from None
    return [(budget, amount) for (budget, _), amount in zip(shares, used, strict=True)]


def _tightest(spent: list[tuple[Budget, int]]) -> tuple[Budget, int] | None:
    enforcing = [each for each in spent if each[0].enforces]
    return min(enforcing, key=lambda each: each[0].limit - each[1], default=None)


def _shown(budget: Budget, used: int) -> dict[str, Any]:
    return {
        "name": budget.name,
        "limit": _usd(budget.limit),
        "used": _usd(used),
        "per": budget.words,
        "when_exhausted": budget.exhausted,
    }


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / _NANO


def _rate(admission: Admission | None) -> dict[str, Any]:
    """AnyRouter's `requests_per_minute`, and OpenRouter's `requests` and `interval`, -1 for no limit."""
    standing = admission.minute() if admission is not None else None
    if standing is None:
        return {"requests": -1, "interval": "60s", "requests_per_minute": None, "remaining": None, "reset": None}
    return {
        "requests": standing.limit,
        "interval": "60s",
        "requests_per_minute": standing.limit,
        "remaining": max(0, standing.left),
        "reset": standing.resets,
    }
