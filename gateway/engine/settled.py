"""Which value won: what holds for a target in one place of a route, and where that was said; the nearest wins.

The values are read from the compiled target, which is what is used; this only finds the place that each came from, in
the order of `engine/build.py`: the place in a combo, the deployment, the model, the provider, the defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import msgspec

from gateway.config.model import Config
from gateway.engine.places import Path, Way, wanted_at
from gateway.routing.node import Target

_Places: TypeAlias = Sequence[tuple[Path, Any]]


class Setting(msgspec.Struct, frozen=True):
    """`value` in the words of the file; `path` None where nobody said it and the gateway's own value holds."""

    name: str
    value: str
    path: Path | None


# What is said field by field → the fields.
_FIELDS: Final = {
    "timeouts": ("connect", "first_token", "idle", "total"),
    "retries": ("attempts", "backoff"),
    "breaker": ("failures", "window", "cooldown"),
}


def settings(target: Target, way: Way, config: Config) -> tuple[Setting, ...]:
    """Time-outs, retries, breaker and `on_lossy` of a target that is reached in a way."""
    model, provider = config.models[target.model], config.providers[target.provider]
    deployments = [
        (("models", target.model, "deployments", index), each)
        for index, each in enumerate(model.deployments)
        if each.provider == target.provider
    ]
    own: _Places = [
        *deployments,
        (("models", target.model), model),
        (("providers", target.provider), provider),
        (("defaults",), config.defaults),
    ]
    near = [*_overriding(way, config), *own]
    found = [
        Setting(f"{section}.{field}", _value(target, section, field), _said(section, field, near))
        for section, fields in _FIELDS.items()
        for field in fields
    ]
    found.append(Setting("on_lossy", target.on_lossy, _said("on_lossy", None, own)))
    return tuple(found)


def _overriding(way: Way, config: Config) -> _Places:
    """The outermost place in a combo that says something, since the last fallback: it outranks what is within."""
    since = max((at + 1 for at, path in enumerate(way) if path[0] == "fallbacks" or path[-1] == "judge"), default=0)
    for path in way[since:]:
        wanted = wanted_at(path, config)
        if wanted is not None and (wanted.timeouts is not None or wanted.retries is not None):
            return [(path, wanted)]
    return []


def _said(section: str, field: str | None, places: _Places) -> Path | None:
    for path, place in places:
        said = getattr(place, section, None)
        if said is not None and field is None:
            return (*path, section)
        if said is not None and field is not None and getattr(said, field) is not None:
            return (*path, section, field)
    return None


def _value(target: Target, section: str, field: str) -> str:
    match section, field:
        case "timeouts", "first_token":
            return _seconds(target.first_token)
        case "timeouts", _:
            return _seconds(getattr(target.whole, field))
        case "retries", "attempts":
            return str(target.retries.attempts)
        case "retries", _:
            return f"{_seconds(target.retries.low)}..{_seconds(target.retries.high)}"
        case _, "failures":
            return str(target.breaker.failures)
        case _, "window":
            return _seconds(target.breaker.window)
    return f"{_seconds(target.breaker.low)}..{_seconds(target.breaker.high)}"


def _seconds(value: float | None) -> str:
    """As the file writes it."""
    if value is None:
        return "no bound"
    for size, unit in ((3600.0, "h"), (60.0, "m")):
        if value >= size and value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"
