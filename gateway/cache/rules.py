"""What `cache:` of router.yaml means, compiled. Frozen, and part of what the Engine's digest covers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from gateway.routing.conditions import ALWAYS, Condition, Number, holds
from gateway.routing.node import Target
from gateway.routing.sending import Job

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


class Way(msgspec.Struct, frozen=True):
    """One route as far as it shapes an answer: the digest of its compiled node, and the conditions of its `when`."""

    digest: str
    whens: tuple[Condition, ...] = ()

    def shape(self, job: Job) -> bytes:
        """What this route makes of a request beside its words: an answer is given again only where it is the same.
        What its answer has to pass, what its targets have to be and what the client asks of them is part of that.
        Raises `Refused` (400) where a condition has to read a body that cannot be read."""
        shape = self.digest.encode()
        if self.whens:
            shape += "".join("1" if holds(each, job) else "0" for each in self.whens).encode()
        if job.constraints is not None or job.guards is not None or job.hints is not None:
            guards = job.guards.guards if job.guards is not None else ()
            shape += sha256(msgspec.json.encode((job.constraints, guards, job.hints), order="deterministic")).digest()
        return shape


class Caching(msgspec.Struct, frozen=True):
    """`scope`: key, team or shared. `routes` are by their labels. `size`: the bytes that are kept at most.

    `number` is made from the rest: where the file has one cache, and asks nothing but one number of its requests, that
    test, which then alone says whom it concerns.
    """

    exact: Exact | None
    semantic: Semantic | None
    scope: str
    routes: Mapping[str, Way]
    size: int = 256 << 20
    number: Number | None = None

    def __post_init__(self) -> None:
        whens = [cache.when for cache in (self.exact, self.semantic) if cache is not None]
        tests = whens[0].tests if len(whens) == 1 else ()
        number = tests[0] if len(tests) == 1 and isinstance(tests[0], Number) else None
        msgspec.structs.force_setattr(self, "number", number)
