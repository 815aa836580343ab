"""What each key may call, and which targets its requests can come to: names, aliases, combos and fallbacks followed.

The allow-lists of key and team are asked as for a request, and so are policies' `require` where their condition holds
for whatever the key sends. What else a policy forbids or where it leads is not looked at here: it is a difference of
the policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.config.reach import Who, judge
from gateway.engine.access import ANYONE, Caller
from gateway.engine.engine import Engine, Route
from gateway.engine.planning import people
from gateway.engine.planning.picture import Side
from gateway.routing.constraints import Constraints
from gateway.routing.node import Target, targets

SHOWN: Final = 12


class Reach(msgspec.Struct, frozen=True):
    """Names that a key may call, and targets that they lead to. `listed`: an allow-list bounds it."""

    names: frozenset[str]
    targets: frozenset[str]
    listed: bool


def reaches(side: Side) -> dict[str, Reach]:
    """By key, those that are disabled too; who calls without one is `anonymous`."""
    engine, config = side.engine, side.config
    everybody = list(people.callers(engine, config))
    if engine.keyring.open:
        everybody.append(ANYONE)
    names = _names(engine)
    known: dict[object, Reach] = {}
    leaves: dict[int, tuple[Target, ...]] = {}
    found = {}
    for caller in everybody:
        required = tuple(_required(side, caller))
        same = (caller.allow, caller.patterns, caller.team_allows, required)
        if same not in known:
            known[same] = _reach(caller, names, required, leaves)
        found[caller.name] = known[same]
    return found


def _names(engine: Engine) -> list[tuple[str, Route]]:
    public = [(name, route) for name, route in engine.routes.items() if route.public]
    return [*public, *((pattern.text, pattern.route) for pattern in engine.patterns if pattern.route.public)]


def _required(side: Side, caller: Caller) -> Iterable[Constraints]:
    """What every target must be for whatever this caller asks."""
    rules = side.engine.rules.get(caller.name)
    if rules is None:
        return
    said = {policy.name: policy.when for policy in side.config.policies}
    for policy in rules.policies:
        if policy.require is not None and not judge(said[policy.name], Who(caller.name, caller.team)).can_fail:
            yield policy.require


def _reach(
    caller: Caller,
    names: list[tuple[str, Route]],
    required: tuple[Constraints, ...],
    leaves: dict[int, tuple[Target, ...]],
) -> Reach:
    reached: set[str] = set()
    callable_: set[str] = set()
    for name, route in names:
        if not caller.may(name, route.models):
            continue
        callable_.add(name)
        key = id(route.node)
        if key not in leaves:
            leaves[key] = tuple(targets(route.node))
        for target in leaves[key]:
            if target.name not in reached and all(each.broken(target) is None for each in required):
                reached.add(target.name)
    return Reach(frozenset(callable_), frozenset(reached), caller.allow is not None or caller.team_allows is not None)
