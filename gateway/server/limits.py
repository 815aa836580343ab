"""What operators ask of limits and budgets: where all of them stand, and that a budget begins anew.

`GET /-/limits` says of each counter its limit, what is used or leased of it, and what is left; of counters that each
user has, those that this worker remembers. `POST /-/budgets/NAME/reset` forgets what is used of a budget; of one that
each key (team, …) has, of all that the configuration knows, or of the one that `?of=` names.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from sanic import Request
from sanic.response import HTTPResponse

from gateway.engine.engine import Engine
from gateway.failure import Refusal, Refused
from gateway.routing.admission import store_down
from gateway.routing.allowances import Budget
from gateway.routing.node import targets
from gateway.routing.spending import Spending
from gateway.server.operators import administrator, told
from gateway.server.serving import Serving
from gateway.state.meters import Fixed, StoreDown

MOST: Final = 1000  # shares of one budget that are shown

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse]]


def limits(serving: Serving) -> Handler:
    """Everything that is limited."""

    async def handle(request: Request) -> HTTPResponse:
        administrator(request, serving, "Looking at limits")
        engine = serving.live.engine
        try:
            return told({"limits": await _limits(engine), "budgets": await _budgets(engine)})
        except StoreDown:
            raise Refused(store_down()) from None

    return handle


def reset(serving: Serving) -> Handler:
    """Begins a budget anew. 404 for one that is not there, 400 where it has to be said whose."""

    async def handle(request: Request, name: str) -> HTTPResponse:
        administrator(request, serving, "Resetting a budget")
        engine = serving.live.engine
        spending = _spending(engine)
        found = next((each for each in spending.rules.budgets if each.name == name), None) if spending else None
        if spending is None or found is None:
            raise _refused(404, "not_found_error", f"There is no budget {name!r}.", "not_found")
        named = request.args.get("of")
        if found.each is None and named is not None:
            raise _refused(400, "invalid_request_error", f"The budget {name!r} is one for all; leave `of` out.")
        if found.each in ("user", "tag") and named is None:
            message = f"The budget {name!r} is each {found.each}'s: say whose with ?of=, since nobody knows them all."
            raise _refused(400, "invalid_request_error", message)
        shares = [named] if named is not None else list(_shares(engine, found))
        try:
            for whose in shares:
                await spending.forget(found, whose)
        except StoreDown:
            raise Refused(store_down()) from None
        return told({"budget": name, "reset": shares if found.each is not None else [name]})

    return handle


def _refused(status: int, type_: str, message: str, code: str = "invalid_request") -> Refused:
    return Refused(Refusal(status=status, type=type_, code=code, message=message, should_retry=False))


def _spending(engine: Engine) -> Spending | None:
    return engine.runtime.gate.spending if engine.runtime.gate is not None else None


async def _limits(engine: Engine) -> list[dict[str, Any]]:
    bound = engine.limits
    if bound is None:
        return []
    rows = list(bound.counters())
    used = await bound.meters.used([(key, window) for *_, key, window in rows])
    return [
        {
            "of": allowance.name,
            "counter": key,
            "limits": limit.what,
            "limit": limit.most,
            "per": limit.per or None,
            "used": amount,
            "left": max(0, limit.most - amount),
        }
        for (allowance, limit, key, _), amount in zip(rows, used, strict=True)
    ]


async def _budgets(engine: Engine) -> list[dict[str, Any]]:
    spending = _spending(engine)
    if spending is None:
        return []
    shares = [(budget, whose) for budget in spending.rules.budgets for whose in _known(engine, budget)]
    used = await spending.used(shares)
    now = await spending.meters.now()
    return [_row(spending, *share, amount, now) for share, amount in zip(shares, used, strict=True)]


def _row(spending: Spending, budget: Budget, whose: str, used: int, now: float) -> dict[str, Any]:
    window = spending.running(budget, now)
    ends = window.ends if isinstance(window, Fixed) and window.ends != float("inf") else None
    return {
        "budget": budget.name,
        "each": budget.each,
        "of": whose or None,
        "limit_usd": budget.limit / 1e9,
        "used_usd": used / 1e9,
        "left_usd": (budget.limit - used) / 1e9,
        "per": budget.words,
        "resets_at": datetime.fromtimestamp(ends, UTC).isoformat() if ends is not None else None,
        "when_exhausted": budget.exhausted if budget.route is None else {"route": budget.route},
    }


def _known(engine: Engine, budget: Budget) -> Iterable[str]:
    """The shares of a budget that the configuration knows: of each user, those that its scope names."""
    return list(_shares(engine, budget))[:MOST]


def _shares(engine: Engine, budget: Budget) -> Iterable[str]:
    callers = engine.keyring.callers.values()
    reached = [target for route in engine.routes.values() for target in targets(route.node)]
    match budget.each:
        case None:
            return ("",)
        case "key":
            names = [caller.name for caller in callers]
        case "team":
            names = [caller.team for caller in callers if caller.team is not None]
        case "model":
            names = [target.model for target in reached]
        case "provider":
            names = [target.provider for target in reached]
        case "tag":
            names = [tag for caller in callers for tag in caller.tags]
        case "user":
            names = sorted(budget.users or ())
    scope = {"key": budget.keys, "team": budget.teams, "model": budget.models, "provider": budget.providers,
             "tag": budget.tags, "user": budget.users}[budget.each]  # fmt: skip
    return [name for name in dict.fromkeys(names) if scope is None or name in scope]
