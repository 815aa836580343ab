"""Policies: each does something, to somebody, with names and values that can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway import regex
from gateway.config.checks.subject import Subject
from gateway.config.model_policies import Caps, Do, Parameter, Policy, Reasoning
from gateway.config.reach import callers, globs, judge
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.suggest import closest

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
}


def _each(subject: Subject) -> Iterator[tuple[Path, Policy]]:
    for index, policy in enumerate(subject.config.policies):
        yield ("policies", index), policy


def effects(subject: Subject) -> Iterator[Diagnostic]:
    """Each policy does something, has a name of its own, and does nothing to what it refuses."""
    first: dict[str, Path] = {}
    for path, policy in _each(subject):
        said = [name for name in Do.model_fields if getattr(policy.do, name) != Do.model_fields[name].get_default()]
        if not said and policy.require is None:
            yield subject.report("inert-policy", "It has neither `do` nor `require`, so it does nothing.", path)
        if "deny" in said and (len(said) > 1 or policy.require is not None):
            other = next((name for name in said if name != "deny"), "require")
            place = (*path, "require") if other == "require" else (*path, "do", other)
            detail = f"A request that is denied goes nowhere, so `{other}` has no effect."
            yield subject.report("inert-policy", detail, place, key=True, first=("denied here", (*path, "do", "deny")))
        if policy.name in first:
            detail = f"{policy.name!r} is the name of another policy. Explanations could not tell them apart."
            yield subject.report("declared-twice", detail, (*path, "name"), first=("first here", first[policy.name]))
        first.setdefault(policy.name, (*path, "name"))


def destinations(subject: Subject) -> Iterator[Diagnostic]:
    """Routes and copies lead to names that exist."""
    for path, policy in _each(subject):
        to = policy.do.route
        if to is not None and not subject.known_route(to):
            detail = f"{to!r} is no model, combo or alias of this configuration."
            place = (*path, "do", "route")
            yield subject.report(
                "unknown-model", detail, place, suggestion=subject.did_you_mean(to), among=subject.names
            )
        copy = policy.do.mirror
        if copy is not None and not subject.known_route(copy.to):
            detail = f"{copy.to!r} is no model, combo or alias of this configuration."
            place = (*path, "do", "mirror", "to")
            yield subject.report(
                "unknown-model", detail, place, suggestion=subject.did_you_mean(copy.to), among=subject.names
            )


def parameters(subject: Subject) -> Iterator[Diagnostic]:
    """What is set and dropped are parameters, with values that they can have."""
    known = subject.known.parameters
    for path, policy in _each(subject):
        for index, name in enumerate(policy.do.strip):
            if name not in known:
                yield _unknown_parameter(subject, name, (*path, "do", "strip", index), key=False)
        for name, said in policy.do.set.items():
            place: Path = (*path, "do", "set", name)
            if name not in known:
                yield _unknown_parameter(subject, name, place, key=True)
            else:
                yield from _parameter(subject, name, known[name], said, place)


def _unknown_parameter(subject: Subject, name: str, path: Path, *, key: bool) -> Diagnostic:
    near = closest(name, subject.known.parameters)
    detail = f"{name!r} is no parameter. There are: {', '.join(subject.known.parameters)}."
    fix = f"did you mean {near!r}?" if near is not None else None
    return subject.report("unknown-parameter", detail, path, key=key, suggestion=fix, among=subject.known.parameters)


def _parameter(subject: Subject, name: str, kind: str, said: Parameter, path: Path) -> Iterator[Diagnostic]:
    bounds = [each for each in ("at_least", "at_most") if getattr(said, each) is not None]
    values = [each for each in ("default", "always") if getattr(said, each) is not None]
    if not bounds and not values:
        detail = f"Nothing is said of {name!r}. To drop it, use `strip: [{name}]`."
        yield subject.report("bad-value", detail, path)
    if bounds and kind not in ("integer", "number"):
        yield subject.report("bad-value", f"{name!r} is no number, so it has no bounds.", (*path, bounds[0]), key=True)
    if said.at_least is not None and said.at_most is not None and said.at_least > said.at_most:
        detail = f"Nothing is at least {said.at_least:g} and at most {said.at_most:g}."
        yield subject.report("contradiction", detail, (*path, "at_least"))
    if len(values) > 1:
        detail = "`always` wins whatever the caller wrote, so `default` has no effect."
        yield subject.report("contradiction", detail, (*path, "default"), key=True)
    for each in values:
        value = getattr(said, each)
        if not _fits(kind, value):
            place = (*path, each) if isinstance(_written(subject, path), dict) else path
            yield subject.report("wrong-type", f"{name!r} is {_article(kind)}, not {value!r}.", place)


def _written(subject: Subject, path: Path) -> Any:
    value: Any = subject.written
    for step in path:
        value = value[step]
    return value


def _fits(kind: str, value: Any) -> bool:
    if kind == "strings":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _TYPES[kind])


def _article(kind: str) -> str:
    return {"strings": "a text or a list of texts", "integer": "a whole number", "string": "a text"}.get(
        kind, f"a {kind}" if kind != "object" else "a mapping"
    )


def details(subject: Subject) -> Iterator[Diagnostic]:
    """Reasoning, prompts, bounds and requirements say something that goes together."""
    for path, policy in _each(subject):
        do = policy.do
        if do.reasoning is not None:
            yield from _reasoning(subject, do.reasoning, (*path, "do", "reasoning"))
        if do.system is not None and not do.system.prefix and not do.system.suffix:
            detail = "Say a `prefix`, a `suffix`, or both."
            yield subject.report("bad-value", detail, (*path, "do", "system"))
        if do.cap is not None:
            yield from _caps(subject, do.cap, (*path, "do", "cap"))
        require = policy.require
        if require is not None and require == type(require)():
            detail = "Nothing is required: say `tags`, `not_tags`, `providers` or `models`."
            yield subject.report("bad-value", detail, (*path, "require"))
    cap = subject.config.defaults.cap
    if cap is not None:
        yield from _caps(subject, cap, ("defaults", "cap"))


def _reasoning(subject: Subject, said: Reasoning, path: Path) -> Iterator[Diagnostic]:
    numbers = [name for name in ("effort", "budget") if getattr(said, name) is not None]
    if said.mode in ("off", "strip") and numbers:
        detail = f"With `mode: {said.mode}` there is nothing to measure."
        yield subject.report("contradiction", detail, (*path, numbers[0]), key=True)
    elif said.mode in ("set", "cap") and len(numbers) != 1:
        detail = f"`mode: {said.mode}` needs an `effort` or a `budget`, one of them."
        yield subject.report("bad-value", detail, (*path, "mode"))


def _caps(subject: Subject, said: Caps, path: Path) -> Iterator[Diagnostic]:
    if said.attempts is None and said.time is None and said.cost is None:
        yield subject.report("bad-value", "Say `attempts`, `time` or `cost`.", path)
    if said.cost is not None and said.cost.currency != "USD":
        detail = f"Prices are in USD, so {said.cost.currency} cannot be compared with them."
        yield subject.report("bad-unit", detail, (*path, "cost"))


def expressions(subject: Subject) -> Iterator[Diagnostic]:
    """Patterns are RE2's, and match something."""
    for path, policy in _each(subject):
        for index, each in enumerate(policy.do.redact):
            yield from _pattern(subject, each.pattern, (*path, "do", "redact", index, "pattern"))
    for name, guardrail in subject.config.guardrails.items():
        if guardrail.pattern is not None:
            yield from _pattern(subject, guardrail.pattern, ("guardrails", name, "pattern"))


def _pattern(subject: Subject, text: str, path: Path) -> Iterator[Diagnostic]:
    try:
        pattern = regex.compiled(text)
    except regex.BadPattern as bad:
        detail = f"At character {bad.at + 1} of {text!r}: {bad.why}."
        yield subject.report("bad-regex", detail, path)
        return
    if pattern.empty():
        yield subject.report("bad-regex", f"{text!r} matches where there is nothing, so it matches everywhere.", path)


def guardrails(subject: Subject) -> Iterator[Diagnostic]:
    """A guardrail has one way to judge, and looks at something."""
    for name, said in subject.config.guardrails.items():
        ways = [way for way in ("pattern", "model", "webhook") if getattr(said, way) is not None]
        if len(ways) != 1:
            detail = f"{name!r} needs one of `pattern`, `model` and `webhook`."
            yield subject.report("bad-value", detail, ("guardrails", name), key=True)
        if not said.on:
            detail = f"{name!r} looks at nothing: say `on: [request]`, `[response]` or both."
            yield subject.report("bad-value", detail, ("guardrails", name, "on"))
        if said.do != "redact" and said.instead != type(said).model_fields["instead"].default:
            detail = f"`instead` belongs to `do: redact`; this is `{said.do}`."
            yield subject.report("inert-option", detail, ("guardrails", name, "instead"), key=True)


def dead(subject: Subject) -> Iterator[Diagnostic]:
    """Somebody's requests can come to each policy."""
    everybody = list(callers(subject.config))
    if not everybody:
        return
    denied: dict[str, Path] = {}  # callers of whom nothing passes, and the policy that sees to it
    for path, policy in _each(subject):
        judged = {who.key: judge(policy.when, who) for who in everybody}
        possible = [name for name, each in judged.items() if each.can_hold]
        if not possible:
            detail = f"{policy.name!r} matches no request: no key can be what its `when` asks for."
            yield subject.report("dead-policy", detail, (*path, "when"), key=True)
        elif all(name in denied for name in possible):
            by = denied[possible[0]]
            detail = f"{policy.name!r} matches no request: what it could match is denied before."
            yield subject.report("dead-policy", detail, (*path, "name"), first=("denied here", (*by, "do", "deny")))
        elif policy.do.deny is not None:
            denied |= {name: path for name in possible if not judged[name].can_fail and name not in denied}


def teams(subject: Subject) -> Iterator[Diagnostic]:
    """Teams that keys name are there where any is declared; what teams may use exists."""
    config = subject.config
    for name, key in config.keys.items():
        if config.teams and key.team is not None and key.team not in config.teams:
            near = closest(key.team, config.teams)
            detail = f"{key.team!r} is no team of `teams`, so nothing that is said of teams holds for {name!r}."
            fix = f"did you mean {near!r}?" if near is not None else f"add `{key.team}: {{}}` to `teams`"
            yield subject.report("unknown-team", detail, ("keys", name, "team"), suggestion=fix, among=config.teams)
    names = (*subject.routes, *subject.places)
    for name, team in config.teams.items():
        for index, entry in enumerate(team.allow or ()):
            path: Path = ("teams", name, "allow", index)
            if entry.count("*") > 1:
                yield subject.report("bad-pattern", f"{entry!r} has more than one `*`.", path)
            elif "*" in entry:
                if not any(globs((entry,), each) for each in names):
                    yield subject.report("allow-matches-nothing", f"No model, combo or alias matches {entry!r}.", path)
            elif not subject.known_route(entry):
                detail = f"{entry!r} is no model, combo or alias of this configuration."
                yield subject.report(
                    "unknown-model", detail, path, suggestion=subject.did_you_mean(entry), among=subject.names
                )
