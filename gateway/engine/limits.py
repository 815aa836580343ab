"""Limits and budgets of a checked configuration as `routing/allowances.py` has them, and the words by which nodes name
what limits them. Names stay text here: counters are found by them, so they outlive what they were declared in.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.config import model_rules as rules_of_file
from gateway.config.model import Config, Deployment, Model, Provider
from gateway.config.units import Rate, duration
from gateway.routing.allowances import ANYONE, Allowance, Budget, Limit, Rules, What
from gateway.routing.node import Chain, Node, Target
from gateway.state.calendars import DAYS, Calendar

_SECONDS: Final = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 7 * 86400.0,
    "month": 30 * 86400.0,
}


def rules(config: Config) -> Rules:
    """Everything that the file says of limits and money."""
    general = config.defaults.limits
    teams = {
        name: _allowance("team", name, team.limits) for name, team in config.teams.items() if team.limits is not None
    }
    callers: dict[str, tuple[Allowance, ...]] = {}
    for name, key in config.keys.items():
        own = _allowance("key", name, _nearest(key.limits, general))
        found = [each for each in (own, teams.get(key.team or "")) if each is not None and each.limits]
        if found:
            callers[name] = tuple(found)
    if config.gateway.auth == "open" and general is not None:
        callers[ANYONE] = (_allowance("key", ANYONE, general),)
    return Rules(
        callers=callers,
        users={
            name: _allowance("user", f"{name}/%", key.each_user, f"each user of key '{name}'")
            for name, key in config.keys.items()
            if key.each_user is not None
        },
        things={word: allowance for word, allowance in _things(config) if allowance.limits},
        budgets=tuple(_budget(name, budget) for name, budget in config.budgets.items()),
        trusting=frozenset(name for name, key in config.keys.items() if "user" in key.trust),
        price_unknown=config.defaults.price_unknown,
    )


def of_target(provider: str, model: str, of: Provider, wanted: Model, deployment: Deployment | None) -> tuple[str, ...]:
    """The words of what limits a target, but for its credential and its place in a combo."""
    words = (
        (f"provider:{provider}", of.limits),
        (f"model:{model}", wanted.limits),
        (f"deployment:{model}@{provider}", deployment.limits if deployment is not None else None),
    )
    return tuple(word for word, limits in words if limits is not None)


def of_credential(provider: str, credential: str, of: Provider) -> str:
    """The word of what limits a credential, "" for nothing."""
    entry = of.api_keys.get(credential)
    return f"credential:{provider}/{credential}" if entry is not None and entry.limits is not None else ""


def of_place(place: str) -> str:
    """The word of what limits a target at one place of a combo."""
    return f"target:{place}"


def limited(node: Node, word: str) -> Node:
    """A node whose targets are limited by one thing more."""
    from msgspec.structs import replace

    if isinstance(node, Target):
        return replace(node, limits=(*node.limits, word))
    if isinstance(node, Chain):
        return replace(node, primary=limited(node.primary, word))
    branches = tuple(replace(branch, node=limited(branch.node, word)) for branch in node.branches)
    return replace(node, branches=branches)


def _things(config: Config) -> Any:
    for name, provider in config.providers.items():
        if provider.limits is not None:
            yield f"provider:{name}", _allowance("provider", name, provider.limits)
        for key, credential in provider.api_keys.items():
            if credential.limits is not None:
                whose = f"{name}/{key}"
                words = f"credential '{key}' of provider '{name}'"
                yield f"credential:{whose}", _allowance("credential", whose, credential.limits, words)
    for name, model in config.models.items():
        if model.limits is not None:
            yield f"model:{name}", _allowance("model", name, model.limits)
        for deployment in model.deployments:
            if deployment.limits is not None:
                place = f"{name}@{deployment.provider}"
                yield f"deployment:{place}", _allowance("deployment", place, deployment.limits)
    for name, combo in config.combos.items():
        yield from _places(name, combo.targets)


def _places(name: str, targets: Any) -> Any:
    for index, target in enumerate(targets):
        place = f"{name}[{index}]"
        if target.limits is not None:
            words = f"target '{target.model or 'group'}' of combo '{name.partition('[')[0]}'"
            yield of_place(place), _allowance("target", place, target.limits, words)
        if target.group is not None:
            yield from _places(place, target.group)


def _nearest(near: rules_of_file.Limits | None, general: rules_of_file.Limits | None) -> rules_of_file.Limits:
    """What a key says of its limits, field by field, else what holds for each key."""
    if near is None or general is None:
        return near or general or rules_of_file.Limits()
    said = {name: getattr(general, name) for name in type(general).model_fields}
    said |= {name: value for name in type(near).model_fields if (value := getattr(near, name)) is not None}
    return rules_of_file.Limits.model_construct(**said)


def _allowance(kind: str, name: str, limits: rules_of_file.Limits, words: str = "") -> Allowance:
    found: list[Limit] = []
    for what in ("requests", "tokens"):
        rates = _rates(getattr(limits, what))
        found += [_rate(f"limit:{kind}:{name}:{what}:{rate.per}", what, rate) for rate in rates]
    if limits.concurrent is not None:
        found.append(Limit(f"limit:{kind}:{name}:concurrent", "concurrent", limits.concurrent))
    if limits.sessions is not None:
        found.append(Limit(f"limit:{kind}:{name}:sessions", "sessions", limits.sessions))
    queue = (limits.queue.most, limits.queue.wait) if limits.queue is not None else (0, 0.0)
    return Allowance(words or f"{kind} '{name}'", tuple(found), queue)


def _rates(value: Any) -> list[Rate]:
    if value is None:
        return []
    return [value] if isinstance(value, Rate) else list(value)


def _rate(key: str, what: What, rate: Rate) -> Limit:
    return Limit(key, what, rate.amount, _SECONDS[rate.per], rate.per)


def calendar_of(budget: rules_of_file.Budget) -> Calendar:
    """The window of a budget."""
    resets = budget.resets
    hour, _, minute = resets.at.partition(":")
    at = int(hour) * 60 + int(minute)
    match budget.per:
        case "day":
            return Calendar("day", resets.timezone, at)
        case "week":
            on = DAYS.index(resets.on) if isinstance(resets.on, str) else 0
            return Calendar("week", resets.timezone, at, on)
        case "month":
            return Calendar("month", resets.timezone, at, resets.on if isinstance(resets.on, int) else 1)
        case "total":
            return Calendar("total")
    return Calendar("rolling", seconds=duration(budget.per))


def _budget(name: str, budget: rules_of_file.Budget) -> Budget:
    scope, done = budget.scope, budget.when_exhausted
    per = {"day": "a day", "week": "a week", "month": "a month", "total": "in total"}.get(
        budget.per, f"in {budget.per}"
    )
    return Budget(
        name=name,
        limit=round(budget.limit.amount * 10**9),
        calendar=calendar_of(budget),
        words=f"{budget.limit.amount:g} {budget.limit.currency} {per}",
        keys=_set(scope.key),
        teams=_set(scope.team),
        users=_set(scope.user),
        models=_set(scope.model),
        providers=_set(scope.provider),
        tags=_set(scope.tag),
        each=budget.each,
        warn_at=tuple(sorted(budget.warn_at)),
        exhausted=done if isinstance(done, str) else "route",
        route=None if isinstance(done, str) else done.route,
    )


def _set(value: str | list[str] | None) -> frozenset[str] | None:
    if value is None:
        return None
    return frozenset((value,) if isinstance(value, str) else value)
