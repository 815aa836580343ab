"""Several places under one name → a model with deployments, or a combo of internal models where they differ too much.

Deployments share what is said of a model (its price, its window), each provider is among them once, and all of them
are drawn by one strategy. Where a source's group is not like that, every place becomes a model of its own,
`visibility: internal`, and the name a combo over them; ranks become groups of a `priority` combo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.importing.draft import Draft, plain_number
from gateway.importing.imported import Path

_WEIGHED: Final = ("weighted", "round_robin")
_SHARED: Final = frozenset(("price", "context", "max_output", "supports", "on_lossy", "breaker"))


class Member(msgspec.Struct):
    """One place: a provider, its id of the model, what is said of it, its share and its rank (lower first)."""

    provider: str
    id: str
    entry: dict[str, Any]
    weight: float | None = None
    rank: int = 0


def add_group(draft: Draft, name: str, members: Sequence[Member], strategy: str) -> list[Path]:
    """Declares a route with some members, and gives where each of them stands. `name` is free."""
    if len(members) == 1:
        draft.models[name] = _model(name, members[0])
        return [("models", name)]
    if _alike(members):
        draft.models[name] = {
            "deployments": [_deployment(name, member, strategy) for member in members],
            "strategy": strategy,
        }
        return [("models", name, "deployments", index) for index in range(len(members))]
    draft.combos[name] = {}  # holds the name
    targets: list[dict[str, Any]] = []
    places: list[Path] = []
    for index, member in enumerate(members, 1):
        inner = draft.route(f"{name}-{index}")
        draft.models[inner] = {**_model(inner, member), "visibility": "internal"}
        places.append(("models", inner))
        target: dict[str, Any] = {"model": inner}
        if strategy in _WEIGHED and member.weight is not None:
            target["weight"] = plain_number(member.weight)
        targets.append(target)
    draft.combos[name] = _ranked(members, targets, strategy)
    return places


def _alike(members: Sequence[Member]) -> bool:
    providers = {member.provider for member in members}
    return (
        len(providers) == len(members)
        and not any(_SHARED & member.entry.keys() for member in members)
        and len({member.rank for member in members}) == 1
    )


def _model(name: str, member: Member) -> dict[str, Any]:
    found: dict[str, Any] = {"provider": member.provider}
    if member.id != name:
        found["id"] = member.id
    return {**found, **member.entry}


def _deployment(name: str, member: Member, strategy: str) -> dict[str, Any]:
    found: dict[str, Any] = {"provider": member.provider}
    if member.id != name:
        found["id"] = member.id
    if strategy in _WEIGHED and member.weight is not None:
        found["weight"] = plain_number(member.weight)
    return {**found, **member.entry}


def _ranked(members: Sequence[Member], targets: list[dict[str, Any]], strategy: str) -> dict[str, Any]:
    ranks = sorted({member.rank for member in members})
    if len(ranks) == 1:
        return {"strategy": strategy, "targets": targets}
    groups: list[dict[str, Any]] = []
    for rank in ranks:
        inner = [target for member, target in zip(members, targets, strict=True) if member.rank == rank]
        if len(inner) == 1:
            groups.append({"model": inner[0]["model"]})
        else:
            groups.append({"group": inner, "strategy": strategy})
    return {"targets": groups}
