"""Budgets: whose they are is known, their windows can be, and where they lead when they are used up is of help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from gateway.config.checks.subject import Subject
from gateway.config.model import Deployment, Model
from gateway.config.model_rules import Budget, Reroute
from gateway.config.patterns import part
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.suggest import closest

BOUND = 4096  # tokens of an answer that nothing bounds
_BOUNDS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "generationConfig", "options", "inferenceConfig")


def scopes(subject: Subject) -> Iterator[Diagnostic]:
    """Whose spending a budget counts exists."""
    config = subject.config
    keys = config.keys.values()
    teams = {*config.teams, *(key.team for key in keys if key.team is not None)}
    tags = {tag for key in keys for tag in key.tags} | {tag for policy in config.policies for tag in policy.do.tag}
    claimed = any("tags" in key.trust for key in keys)
    known: tuple[tuple[str, str, Iterable[str], bool], ...] = (
        ("key", "key of this configuration", config.keys, False),
        ("team", "team of this configuration", teams, False),
        ("provider", "provider of this configuration", config.providers, False),
        ("tag", "tag that a key has or a policy gives", tags, claimed),
    )
    for name, budget in config.budgets.items():
        for field, what, names, open_ in known:
            for path, word in _words(name, budget, field):
                if word not in names and not open_:
                    near = closest(word, names)
                    detail = f"{word!r} is no {what}, so nothing is ever counted."
                    fix = f"did you mean {near!r}?" if near is not None else None
                    yield subject.report("unknown-scope", detail, path, suggestion=fix, among=names)
        for path, word in _words(name, budget, "model"):
            yield from _model(subject, path, word)
        if (budget.each == "user" or budget.scope.user is not None) and not any("user" in key.trust for key in keys):
            place: Path = ("budgets", name, "each") if budget.each == "user" else ("budgets", name, "scope", "user")
            detail = "No key believes what its requests say of their user, so there are no users to count."
            fix = "add `trust: [user]` to the keys whose users count"
            yield subject.report("no-users", detail, place, suggestion=fix)


def _words(name: str, budget: Budget, field: str) -> Iterator[tuple[Path, str]]:
    value = getattr(budget.scope, field)
    path: Path = ("budgets", name, "scope", field)
    if isinstance(value, str):
        yield path, value
    for index, word in enumerate(value if isinstance(value, list) else ()):
        yield (*path, index), word


def _model(subject: Subject, path: Path, word: str) -> Iterator[Diagnostic]:
    """Budgets count what models cost that answer, whatever name led to them."""
    config = subject.config
    if word in config.combos or word in config.aliases:
        kind = "a combo" if word in config.combos else "an alias"
        detail = f"{word!r} is {kind}; a budget counts the models that answer. Name those."
        yield subject.report("unknown-scope", detail, path)
    elif not subject.known_route(word):
        near = closest(word, (*config.models, *subject.places))
        fix = f"did you mean {near!r}?" if near is not None else None
        yield subject.report("unknown-model", f"{word!r} is no model of this configuration.", path, suggestion=fix)


def windows(subject: Subject) -> Iterator[Diagnostic]:
    """The window is one that there is, in a time zone that there is; amounts are in the currency of prices."""
    for name, budget in subject.config.budgets.items():
        path: Path = ("budgets", name)
        said: dict[str, Any] = subject.written["budgets"][name].get("resets") or {}
        zone, on = budget.resets.timezone, budget.resets.on
        if budget.limit.currency != "USD":
            detail = f"Prices are in USD, so {budget.limit.currency} cannot be counted. Write the limit in USD."
            yield subject.report("bad-value", detail, (*path, "limit"))
        if said and budget.per not in ("day", "week", "month"):
            detail = f"`per: {budget.per}` never begins anew at a stated time; only day, week and month do."
            yield subject.report("inert-resets", detail, (*path, "resets"), key=True)
            continue
        if not _exists(zone):
            near = closest(zone, available_timezones())
            detail = f"{zone!r} is no time zone, such as Europe/Berlin or UTC."
            fix = f"did you mean {near!r}?" if near is not None else None
            yield subject.report("bad-timezone", detail, (*path, "resets", "timezone"), suggestion=fix)
        if "on" not in said:
            continue
        if budget.per == "day":
            detail = "A day begins every day; `on` belongs to `per: week` and `per: month`."
            yield subject.report("inert-resets", detail, (*path, "resets", "on"), key=True)
        elif isinstance(on, int) is (budget.per == "week"):
            wanted = "a day such as `mon`" if budget.per == "week" else "the number of a day, 1 to 28"
            detail = f"`per: {budget.per}` begins on {wanted}, not on {on!r}."
            yield subject.report("bad-value", detail, (*path, "resets", "on"))


def _exists(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def routes(subject: Subject) -> Iterator[Diagnostic]:
    """Where a used-up budget leads there is a target that it does not forbid as well."""
    for name, budget in subject.config.budgets.items():
        done = budget.when_exhausted
        if not isinstance(done, Reroute):
            continue
        path: Path = ("budgets", name, "when_exhausted", "route")
        if not subject.known_route(done.route):
            detail = f"{done.route!r} is no model, combo or alias of this configuration."
            yield subject.report(
                "unknown-model", detail, path, suggestion=subject.did_you_mean(done.route), among=subject.names
            )
            continue
        reached = list(_reached(subject, done.route, set()))
        if reached and all(
            _counts(budget, model, of, place) and _priced(subject, model, of, place) for model, of, place in reached
        ):
            detail = (
                f"Everything that {done.route!r} leads to has a price, and {name!r} counts it as well: there is no "
                "money left for it either. Lead to a model that costs nothing, or narrow the scope of the budget."
            )
            yield subject.report("same-budget", detail, path)


def _reached(subject: Subject, name: str, seen: set[str]) -> Iterator[tuple[str, Model, Deployment | None]]:
    """Every (model, what is said of it, its place) that a name leads to, fallbacks aside."""
    config = subject.config
    name = subject.meaning(name)
    if name in seen:
        return
    seen.add(name)
    base, _, provider = name.rpartition("@")
    if name in config.combos:
        todo = list(config.combos[name].targets)
        while todo:
            target = todo.pop()
            todo += target.group or []
            if target.model is not None:
                yield from _reached(subject, target.model, seen)
    elif name in config.models:
        model = config.models[name]
        for each in places_of(model):
            yield name, model, each
    elif base in config.models:
        model = config.models[base]
        yield from ((base, model, each) for each in model.deployments if each.provider == provider)
    else:
        found = next((pattern for pattern in config.models if "*" in pattern and part(pattern, name)), None)
        if found is not None:
            yield found, config.models[found], None


def _counts(budget: Budget, name: str, model: Model, deployment: Deployment | None) -> bool:
    """Whether a budget counts what a target costs."""
    provider = deployment.provider if deployment is not None else model.provider
    return provider is not None and _within(budget, name, provider)


def places_of(model: Model) -> list[Deployment] | list[None]:
    """The places of a model; None stands for the only one."""
    return model.deployments or [None]


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def unbounded(subject: Subject) -> Iterator[Diagnostic]:
    """Where money is reserved, the longest answer should be known."""
    config = subject.config
    enforcing = [(each, said) for each, said in config.budgets.items() if said.when_exhausted != "warn"]
    for name, model in config.models.items() if enforcing else ():
        for place in places_of(model):
            provider = place.provider if place is not None else model.provider
            if provider is None or _bounded(model, place) or not _priced(subject, name, model, place):
                continue
            known = subject.facts(provider, _upstream(name, model, place))
            budget = next((each for each, said in enforcing if _within(said, name, provider)), None)
            if budget is not None and model.max_output is None and known.max_output is None:
                detail = (
                    f"Nobody knows how long its answers become, and {budget!r} reserves money for them: where a "
                    f"request states no bound, its answer is cut at {BOUND:,} tokens."
                )
                fix = "state `max_output`, or `request: {default: {max_tokens: …}}`"
                yield subject.report("unbounded-output", detail, ("models", name), key=True, suggestion=fix)
                break


def _upstream(name: str, model: Model, deployment: Deployment | None) -> str:
    return (deployment.id if deployment is not None else None) or model.id or name


def _priced(subject: Subject, name: str, model: Model, deployment: Deployment | None) -> bool:
    """Whether an answer is known to cost something."""
    provider = deployment.provider if deployment is not None else model.provider
    known = subject.facts(provider, _upstream(name, model, deployment)).prices if provider is not None else None
    for kind in ("input", "output"):
        said = getattr(model.price, kind) if model.price is not None else None
        if said or (said is None and known is not None and known.get(kind)):
            return True
    return False


def _within(budget: Budget, model: str, provider: str) -> bool:
    models, providers = _listed(budget.scope.model), _listed(budget.scope.provider)
    return (not models or model in models or f"{model}@{provider}" in models) and (
        not providers or provider in providers
    )


def _bounded(model: Model, deployment: Deployment | None) -> bool:
    """Whether the file itself bounds what is asked for."""
    edits = [each.request for each in (model, deployment) if each is not None and each.request is not None]
    return any(name in fields for each in edits for fields in (each.set, each.default) for name in _BOUNDS)
