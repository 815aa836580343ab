"""Names: one namespace for models, aliases and combos; what they refer to exists, and nothing leads in circles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.config.checks.subject import Subject
from gateway.config.model import direct_of
from gateway.config.patterns import matches, specificity
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@*+-]*|\*[A-Za-z0-9._:/@+-]*")
_SHOWN: Final = 5  # names in one message
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def collisions(subject: Subject) -> Iterator[Diagnostic]:
    """A name that is a model, an alias or a combo is only one of them."""
    config = subject.config
    first: dict[str, str] = {}
    direct = {direct_of(name): name for name, provider in config.providers.items() if provider.direct}
    declared = (subject.written.get("models") or {}, config.combos, config.aliases)
    for section, names in zip(("models", "combos", "aliases"), declared, strict=True):
        for name in names:
            if name in direct:
                detail = f"{name!r} is what `direct: true` of the provider {direct[name]!r} stands for. Take one of them away."
                yield subject.report("name-collision", detail, (section, name), key=True)
            elif name in first:
                detail = f"{name!r} is declared in `{first[name]}` too. Names of models, combos and aliases are one namespace."
                yield subject.report(
                    "name-collision", detail, (section, name), key=True, first=("first here", (first[name], name))
                )
            else:
                first[name] = section
            if name in subject.places:
                detail = f"{name!r} is a place of the model {name.rpartition('@')[0]!r} already: `model@provider`."
                yield subject.report("name-collision", detail, (section, name), key=True)


def usable_names(subject: Subject) -> Iterator[Diagnostic]:
    """Names can be written in a URL, a header and a label."""
    config = subject.config
    for section, names in (("models", config.models), ("combos", config.combos), ("aliases", config.aliases)):
        for name in names:
            if not _NAME.fullmatch(name) or len(name) > 200:
                detail = f"{name!r} is not a usable name: letters, digits and . _ : / @ + - are, up to 200 of them."
                yield subject.report("bad-name", detail, (section, name), key=True)
    for section, entries in (("providers", config.providers), ("keys", config.keys)):
        for name in entries:
            if not _PLAIN.fullmatch(name) or len(name) > 100:
                detail = f"{name!r} is not a usable name: letters, digits and . _ - are, up to 100 of them."
                yield subject.report("bad-name", detail, (section, name), key=True)
    for name in config.combos:
        if "*" in name:
            detail = f"{name!r}: a combo has no pattern. Give it a name, and let an alias pattern lead to it."
            yield subject.report("bad-pattern", detail, ("combos", name), key=True)


def unknown_models(subject: Subject) -> Iterator[Diagnostic]:
    """Aliases, combos and fallbacks lead to names that exist."""

    def unknown(name: str, path: Path, key: bool = False) -> Iterator[Diagnostic]:
        if not subject.known_route(name):
            detail = f"{name!r} is no model, combo or alias of this configuration."
            yield subject.report(
                "unknown-model", detail, path, key=key, suggestion=subject.did_you_mean(name), among=subject.names
            )

    for alias, name in subject.config.aliases.items():
        yield from unknown(name, ("aliases", alias))
    for path, target in subject.targets():
        if target.model is not None:
            yield from unknown(target.model, subject.name_path(path, target))
    for route, rules in subject.config.fallbacks.items():
        yield from unknown(route, ("fallbacks", route), key=True)
        if route in subject.config.aliases:
            detail = f"{route!r} is an alias. Fallbacks belong to what it stands for, {subject.meaning(route)!r}."
            yield subject.report("bad-value", detail, ("fallbacks", route), key=True)
        for index, rule in enumerate(rules):
            for at, name in enumerate(rule.to):
                yield from unknown(name, (*subject.rules_path(route, index), at))


def unknown_failure_kinds(subject: Subject) -> Iterator[Diagnostic]:
    """`on:` names kinds of failure that there are."""
    from gateway.diagnostics.suggest import closest

    kinds = subject.known.failure_kinds
    for route, rules in subject.config.fallbacks.items():
        for index, rule in enumerate(rules):
            for at, kind in enumerate(rule.on or ()):
                if kind not in kinds:
                    near = closest(kind, kinds)
                    detail = f"{kind!r} is no kind of failure. There are: {', '.join(kinds)}."
                    yield subject.report(
                        "unknown-failure-kind",
                        detail,
                        ("fallbacks", route, index, "on", at),
                        suggestion=f"did you mean {near!r}?" if near else None,
                        among=kinds,
                    )


def alias_cycles(subject: Subject) -> Iterator[Diagnostic]:
    """Aliases end at something that is none."""
    yield from _cycles(subject, "aliases", {name: [to] for name, to in subject.config.aliases.items()})


def route_cycles(subject: Subject) -> Iterator[Diagnostic]:
    """Combos and fallbacks never contain themselves, directly or through others."""
    config = subject.config
    combos: dict[str, list[str]] = {name: [] for name in config.combos}
    for path, target in subject.targets():
        if target.model is not None:
            combos[str(path[1])].append(subject.meaning(target.model))
    for name, combo in config.combos.items():
        if combo.judge is not None:
            combos[name].append(subject.meaning(combo.judge))
    yield from _cycles(subject, "combos", combos)
    fallbacks = {
        route: [subject.meaning(name) for rule in rules for name in rule.to if subject.meaning(name) != route]
        for route, rules in config.fallbacks.items()
    }
    yield from _cycles(subject, "fallbacks", fallbacks)
    for name, inner in combos.items():
        for route in _reach(name, combos):
            for fallback in fallbacks.get(route, ()):
                if fallback == name or name in _reach(fallback, combos):
                    detail = (
                        f"{name} contains {route}, whose fallback leads to {fallback}, which contains {name} again."
                    )
                    if route != name and inner:
                        yield subject.report("cycle", detail, ("fallbacks", route), key=True)


def _reach(name: str, edges: Mapping[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(edges.get(name, ()))
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo.extend(edges.get(at, ()))
    return seen


def _cycles(subject: Subject, section: str, edges: Mapping[str, list[str]]) -> Iterator[Diagnostic]:
    """Each circle once, at the name that begins it in the file."""
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        todo: list[tuple[str, int]] = [(start, 0)]
        while todo:
            name, depth = todo.pop()
            del trail[depth:]
            if name in trail:
                circle = [*trail[trail.index(name) :], name]
                if not done & set(circle):
                    first = min(circle, key=list(edges).index)
                    turn = circle.index(first)
                    shown = [*circle[turn:-1], *circle[:turn], first]
                    yield subject.report(
                        "cycle", f"{' → '.join(shown)}. Take one of them out.", (section, first), key=True
                    )
                done |= set(circle)
                continue
            if name in done or name not in edges:
                continue
            trail.append(name)
            todo.extend((following, len(trail)) for following in reversed(edges[name]))
        done |= set(trail)
        done.add(start)


def patterns(subject: Subject) -> Iterator[Diagnostic]:
    """A pattern has one star; a pattern model puts what it stands for into its id."""
    for section, names in (("aliases", subject.config.aliases), ("models", subject.config.models)):
        for name in names:
            if name.count("*") > 1:
                yield subject.report("bad-pattern", f"{name!r} has more than one `*`.", (section, name), key=True)
    for name, model in subject.config.models.items():
        if "*" in name and model.id is not None and "*" not in model.id:
            detail = f"Every name that matches {name!r} would be {model.id!r}. Put a `*` into the id, or use an alias."
            yield subject.report("bad-pattern", detail, ("models", name, "id"))
        if "*" in name and model.deployments:
            detail = f"{name!r}: a pattern model has one provider, no deployments."
            yield subject.report("bad-pattern", detail, ("models", name, "deployments"), key=True)
        if "*" not in name and model.id is not None and "*" in model.id:
            detail = f"The id {model.id!r} has a `*`, but the name {name!r} has none to fill it from."
            yield subject.report("bad-pattern", detail, ("models", name, "id"))


def shadowed_aliases(subject: Subject) -> Iterator[Diagnostic]:
    """Names that match an alias pattern and are answered by something more exact: said, since a reader may miss it."""
    config = subject.config
    stars = sorted((name for name in (*config.aliases, *config.models) if name.count("*") == 1), key=specificity)
    names = [name for name in (*config.models, *config.combos, *config.aliases) if "*" not in name]
    for alias, target in config.aliases.items():
        if alias.count("*") != 1:
            continue
        others = [other for other in stars[: stars.index(alias)] if matches(alias, other.replace("*", ""))]
        exact = [name for name in names if matches(alias, name)]
        hidden = [name for name in (*others, *exact) if subject.meaning(name) != subject.meaning(target)]
        if hidden:
            shown = ", ".join(hidden[:_SHOWN]) + (f" and {len(hidden) - _SHOWN} more" if len(hidden) > _SHOWN else "")
            detail = f"{alias!r} leads to {target!r}, but for what is more exact: {shown}."
            yield subject.report("shadowed-alias", detail, ("aliases", alias), key=True)
