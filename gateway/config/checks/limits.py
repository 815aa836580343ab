"""Limits: each can admit something, counts in one window once, and belongs to somebody who is known."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.checks.subject import Subject
from gateway.config.model_rules import Limits
from gateway.config.read import Path
from gateway.config.units import Rate
from gateway.diagnostics.diagnostic import Diagnostic


def places(subject: Subject) -> Iterator[tuple[Path, Limits]]:
    """Every place that says limits."""
    config = subject.config
    found: list[tuple[Path, Limits | None]] = [(("defaults", "limits"), config.defaults.limits)]
    for name, key in config.keys.items():
        found += [(("keys", name, "limits"), key.limits), (("keys", name, "each_user"), key.each_user)]
    found += [(("teams", name, "limits"), team.limits) for name, team in config.teams.items()]
    for name, provider in config.providers.items():
        found.append((("providers", name, "limits"), provider.limits))
        found += [
            (("providers", name, "api_keys", key, "limits"), each.limits) for key, each in provider.api_keys.items()
        ]
    for name, model in config.models.items():
        found.append((("models", name, "limits"), model.limits))
        found += [
            (("models", name, "deployments", index, "limits"), each.limits)
            for index, each in enumerate(model.deployments)
        ]
    found += [((*path, "limits"), target.limits) for path, target in subject.targets()]
    return ((path, limits) for path, limits in found if limits is not None)


def usable(subject: Subject) -> Iterator[Diagnostic]:
    """A limit admits at least one request; each window of a thing is said once; who waits, waits for something."""
    for path, limits in places(subject):
        for what in ("requests", "tokens"):
            value = getattr(limits, what)
            rates: list[Rate] = [] if value is None else [value] if isinstance(value, Rate) else value
            first: dict[str, Path] = {}
            for index, rate in enumerate(rates):
                place: Path = (*path, what) if isinstance(value, Rate) else (*path, what, index)
                if rate.amount == 0:
                    detail = f"0 {what} per {rate.per} admits nobody. The least is 1."
                    yield subject.report("impossible-limit", detail, place)
                if rate.per in first:
                    detail = f"The {what} per {rate.per} are limited twice; the smaller one would always hold."
                    yield subject.report("repeated-limit", detail, place, first=("first here", first[rate.per]))
                first.setdefault(rate.per, place)
        if limits.queue is not None and limits.requests is None and limits.tokens is None and limits.concurrent is None:
            detail = "Nobody ever waits: say `requests`, `tokens` or `concurrent` too."
            yield subject.report("inert-queue", detail, (*path, "queue"), key=True)


def users(subject: Subject) -> Iterator[Diagnostic]:
    """What each user may ask needs users that are believed."""
    for name, key in subject.config.keys.items():
        if key.each_user is not None and "user" not in key.trust:
            detail = f"What requests of {name!r} say of their user is not believed, so it has no users to count."
            fix = "add `trust: [user]`"
            yield subject.report("no-users", detail, ("keys", name, "each_user"), key=True, suggestion=fix)
