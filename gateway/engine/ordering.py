"""The options of a combo's strategy, compiled, and the state that strategies, stickiness and hints need.

What is measured and counted is found by provider and upstream id, so it outlives a reload and a new name; what is bound
to a session, by the combo's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.config.model import Combo
from gateway.config.model import Target as Wanted
from gateway.config.model_rules import Score
from gateway.routing.node import PLAIN, Branch, Node, Ordering, Split, Sticky, Target, Weights, leaves, targets
from gateway.routing.runtime import Lane, Runtime
from gateway.state.pool import Identity, StatePool
from gateway.state.tally import Tally

PRESETS: Final = {
    "fast": Weights(latency=0.6, health=0.3, stability=0.1),
    "cheap": Weights(cost=0.6, health=0.3, headroom=0.1),
    "reliable": Weights(health=0.5, stability=0.2, headroom=0.2, latency=0.1),
}
_CONTINUING: Final = "openai-responses"


def ordering_of(said: Combo | Wanted | None, branches: Iterable[Branch], strategy: str) -> Ordering:
    """What a strategy is told. A group says nothing, so its strategy has its defaults."""
    if strategy == "round_robin":
        return Ordering(weighted=len({branch.weight for branch in branches}) > 1)
    if strategy == "score":
        return Ordering(weights=_weights(said.score if isinstance(said, Combo) else None))
    if not isinstance(said, Combo):
        return PLAIN
    return Ordering(
        deck=said.deck is True,
        window=PLAIN.window if said.window is None else said.window,
        by=said.by or PLAIN.by,
    )


def sticky_of(combo: Combo) -> Sticky | None:
    """What stays with its target."""
    return None if combo.sticky is None else Sticky(combo.sticky.by, combo.sticky.lasts)


def _weights(said: str | Score | None) -> Weights:
    if isinstance(said, Score):
        return Weights(said.health, said.latency, said.cost, said.headroom, said.stability)
    return PRESETS[said or "reliable"]


def watched(runtime: Runtime, nodes: Sequence[Node], state: StatePool, marks: Mapping[str, tuple[str, ...]]) -> Runtime:
    """The runtime with what the strategies of some routes ask for. `marks`: by provider, its credentials as the state
    knows them."""
    found = {target.name: target for node in nodes for target in targets(node)}
    splits = {split.name: split for node in nodes for split in _splits(node)}
    lanes = dict(runtime.lanes)
    tallies: dict[str, dict[float, Tally]] = {}
    for split in splits.values():
        for leaf in leaves(split):
            if split.strategy == "least_used":
                window = split.ordering.window
                tallies.setdefault(leaf.name, {})[window] = state.tally(_identity(leaf), window)
            if split.strategy == "score" and split.ordering.weights.headroom:
                lanes[leaf.lanes] = _with_quotas(leaf, lanes[leaf.lanes], state, marks[leaf.provider])
    choice = bool(splits) or any(len(each) > 1 for each in lanes.values())
    continuing = choice and any(target.protocol == _CONTINUING for target in found.values())
    sticky = {name: state.bindings(name) for name, split in splits.items() if split.sticky is not None}
    return msgspec.structs.replace(
        runtime,
        lanes=lanes,
        latencies={name: state.latency(_identity(target)) for name, target in found.items()},
        tallies=tallies,
        sticky=sticky,
        shares=any(bindings.store is not None for bindings in sticky.values()),
        makers=state.bindings("answers") if continuing else None,
    )


def _identity(target: Target) -> str:
    return f"{target.provider}/{target.upstream}"


def _with_quotas(target: Target, lanes: tuple[Lane, ...], state: StatePool, marks: tuple[str, ...]) -> tuple[Lane, ...]:
    """The lanes, each with what its provider says is left. Lanes may stand in another order than their credentials."""
    known = {mark.partition("#")[0]: mark for mark in marks}
    return tuple(
        msgspec.structs.replace(
            lane, quota=state.quota(Identity(target.provider, known[lane.credential], target.model))
        )
        for lane in lanes
    )


def _splits(node: Node) -> list[Split]:
    if isinstance(node, Target):
        return []
    if isinstance(node, Split):
        return [node, *(split for branch in node.branches for split in _splits(branch.node))]
    nodes = (node.primary, *(to for rule in node.rules for to in rule.to))
    return [split for each in nodes for split in _splits(each)]
