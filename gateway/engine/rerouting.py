"""Where a policy leads a request: the operator's word needs no permission for the name, its targets still need one.

A key reaches the models that its allow-list names, and those that a combo or alias that it names leads to. A route that
its list names itself is granted whole. Where only some targets of the route are granted, the others are not tried.
"""

from __future__ import annotations

from gateway.engine.access import Caller
from gateway.engine.conditions import words_of
from gateway.engine.engine import Engine, Route
from gateway.failure import Refusal, Refused
from gateway.routing.constraints import Constraints
from gateway.routing.node import targets


def rerouted(engine: Engine, name: str, caller: Caller) -> tuple[Route, Constraints | None]:
    """The route, and what holds for its targets. Raises `Refused` (403) where the caller may reach none of them."""
    route = engine.route(name)
    if route is None:
        raise KeyError(name)
    constraints: Constraints | None = None
    for whose, allowed in (("the key's allow-list", caller.own), ("the team's allow-list", caller.team_allows)):
        if allowed is None or allowed.may(name, route.models):
            continue
        granted = {model for each in allowed.names for model in _models(engine, each)}
        mine = Constraints(name=whose, models=words_of((*granted, *allowed.patterns)))
        constraints = mine.within(constraints)
    if constraints is not None and all(constraints.broken(target) for target in targets(route.node)):
        raise Refused(
            Refusal(
                status=403,
                type="permission_error",
                code="model_not_allowed",
                message="A policy leads this request to a model that this API key may not use.",
                param="model",
                should_retry=False,
            )
        )
    return route, constraints


def _models(engine: Engine, name: str) -> tuple[str, ...]:
    route = engine.route(name)
    return route.models if route is not None else (name,)
