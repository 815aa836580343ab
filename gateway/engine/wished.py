"""A request's name with its hints: where it leads, within what its caller may use.

`models` become fallbacks of the asked name for every kind of failure, in their order; each is resolved as if it were
asked for by itself, with the same permissions. `name@provider` is a pin where the name has no place of that provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.engine.access import Caller
from gateway.engine.engine import Engine, Route, time_for
from gateway.failure import Kind
from gateway.protocols.contract import Head
from gateway.routing.hints import Hints, plain, read
from gateway.routing.node import Branch, Chain, Fallback, Split, targets

_ANY: Final = frozenset(kind for kind in Kind if kind not in (Kind.CANCELLED, Kind.INTERRUPTED))


def wished(engine: Engine, caller: Caller, head: Head, headers: Mapping[str, str]) -> tuple[Head, Route, Hints | None]:
    """The head without hints, the route, and the hints (None where there are none, and for a key that may not hint).

    Raises `Refused`: 400 for a hint that cannot be read, 404 and 403 as `Engine.resolve`.
    """
    head, hints = read(head, headers, engine.providers)
    if not caller.hints:
        hints = None
    name, pinned = _pinned(engine, head.model)
    route = engine.resolve(name, caller)
    if pinned:
        hints = msgspec.structs.replace(hints or Hints(), pinned=plain(pinned), fallbacks=False)
    if hints is not None and hints.models:
        others = [engine.resolve(model, caller) for model in hints.models if model != head.model]
        if others:
            route = _joined(route, others, hints.across)
    return head, route, hints


def _pinned(engine: Engine, name: str) -> tuple[str, str]:
    """The name and the provider of `name@provider`, where it is no name itself."""
    if "@" not in name or name in engine.routes:
        return name, ""
    base, _, provider = name.rpartition("@")
    return (base, provider) if base and provider in engine.providers else (name, "")


def _joined(route: Route, others: list[Route], across: bool) -> Route:
    """One route after the other."""
    every = [route, *others]
    nodes = tuple(each.node for each in every)
    if across:
        split = Split(f"{route.name} and others", "priority", tuple(Branch(node) for node in nodes))
        node: Chain | Split = Chain(route.name, split, (Fallback(_ANY, nodes),))
    else:
        node = Chain(route.name, nodes[0], (Fallback(_ANY, nodes[1:]),))
    return msgspec.structs.replace(
        route,
        node=node,
        budget=time_for(targets(node)),
        models=tuple(dict.fromkeys(model for each in every for model in each.models)),
        protocols=frozenset(protocol for each in every for protocol in each.protocols),
    )
