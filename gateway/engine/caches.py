"""`cache:` of router.yaml → `Caching`: conditions compiled, the embedding model linked, every route's digest taken.

The digest of a route covers all of its compiled node, down to time-outs: an answer outlives a reload exactly where the
route has not changed in any word. What a reload did to other routes, keys and providers is no matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from gateway.cache.rules import Caching, Embedder, Exact, Semantic, Way
from gateway.config.model_rules import Cache
from gateway.engine.conditions import compiled
from gateway.engine.engine import Route
from gateway.protocols.embedding import EMBEDDINGS
from gateway.routing.conditions import Condition
from gateway.routing.node import Node, Split, Target, targets


def caching_of(
    cache: Cache | None,
    routes: Iterable[Route],
    node: Callable[[str], Node],
    base: Callable[[str], str],
    plain: Callable[[Any], Any],
) -> Caching | None:
    """The caches of a file, None where it has none. `node` links a model's name, `base` is a provider's path, `plain`
    makes what JSON does not know part of a digest."""
    if cache is None or (cache.exact is None and cache.semantic is None):
        return None
    exact, semantic = cache.exact, cache.semantic
    known: dict[int, Way] = {}

    def way(at: Node) -> Way:
        if id(at) not in known:
            text = msgspec.json.encode(at, enc_hook=plain, order="deterministic")
            known[id(at)] = Way(sha256(text).hexdigest(), tuple(whens(at)))
        return known[id(at)]

    return Caching(
        exact=None if exact is None else Exact(exact.ttl, exact.join, compiled(exact.only_when)),
        semantic=None
        if semantic is None
        else Semantic(
            embedders=tuple(_embedder(target, base) for target in targets(node(semantic.model))),
            threshold=semantic.threshold,
            ttl=semantic.ttl,
            most=semantic.most,
            when=compiled(semantic.only_when),
        ),
        scope=cache.scope,
        routes={route.label: way(route.node) for route in routes},
        size=cache.size,
    )


def _embedder(target: Target, base: Callable[[str], str]) -> Embedder:
    return Embedder(target, base(target.provider) + EMBEDDINGS[target.protocol].endpoint(target.upstream))


def whens(node: Node) -> Iterator[Condition]:
    """Every condition that decides where a node leads a request."""
    if isinstance(node, Target):
        return
    if isinstance(node, Split):
        for branch in node.branches:
            if branch.when is not None:
                yield branch.when
            yield from whens(branch.node)
        return
    yield from whens(node.primary)
    for rule in node.rules:
        for to in rule.to:
            yield from whens(to)
