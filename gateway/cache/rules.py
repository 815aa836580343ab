"""What `cache:` of router.yaml means, compiled. Frozen, and part of what the Engine's digest covers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.routing.conditions import ALWAYS, Condition
from gateway.routing.node import Target

KEPT_MOST: Final = 4 << 20  # bytes of an answer that is kept, and of what a follower may be behind
READ_MOST: Final = 4 << 20  # bytes of a request that is looked up


class Exact(msgspec.Struct, frozen=True):
    """The same request gets the same answer for `ttl` seconds. `join`: it waits for the same one in flight."""

    ttl: float
    join: bool = True
    when: Condition = ALWAYS


class Embedder(msgspec.Struct, frozen=True):
    """Where texts become vectors: a target, and the path there."""

    target: Target
    path: str


class Semantic(msgspec.Struct, frozen=True):
    """A like request gets the same answer for `ttl` seconds, from a cosine of `threshold` on. `most` vectors are
    compared; `embedders` are asked in order."""

    embedders: tuple[Embedder, ...]
    threshold: float
    ttl: float
    most: int = 1000
    when: Condition = ALWAYS


class Caching(msgspec.Struct, frozen=True):
    """`scope`: key, team or shared. `routes`: the digest of what each route is, by its label: an answer is given again
    only on a route that has not changed."""

    exact: Exact | None
    semantic: Semantic | None
    scope: str
    routes: Mapping[str, str]
