"""One request on its way through the caches: what it may do there, and what came of it."""

from __future__ import annotations

from enum import StrEnum

from gateway.cache.digest import request_digest
from gateway.cache.kept import Kept
from gateway.cache.rules import Caching, Exact, Semantic
from gateway.failure import Refused
from gateway.routing.conditions import Condition, holds
from gateway.routing.node import Node
from gateway.routing.runtime import Runtime
from gateway.routing.sending import Job


class Outcome(StrEnum):
    """Where an answer came from. BYPASS: no cache was asked for this request."""

    HIT = "hit"
    SEMANTIC = "semantic"
    JOINED = "joined"
    MISS = "miss"
    BYPASS = "bypass"


class Ask:
    """See the module.

    `owner` is whose request it is, `scope` who shares its answer. `key` is the request's digest, None where no answer
    can be shared, `shape` what beside the request decides over its answer. `exact` and `semantic` are the caches that
    apply to it; `looks`: it may be given an old answer, `keeps`: its answer may be kept. `repeat` names it where the
    client may send it again, `asked` is then the digest of what it wrote; `window` and `patience` are the seconds that
    its answer is kept for that, and that it waits for somebody else's work.
    """

    __slots__ = (
        "asked", "exact", "idempotent", "job", "keeps", "kept", "key", "looks", "node", "outcome", "owner", "owns",
        "patience", "repeat", "rest", "runtime", "scope", "semantic", "shape", "similarity", "vector", "window",
    )  # fmt: skip

    def __init__(self, job: Job, node: Node, runtime: Runtime, owner: str) -> None:
        self.job = job
        self.node = node
        self.runtime = runtime
        self.owner = owner
        self.scope = owner
        self.key: bytes | None = None
        self.shape = b""
        self.exact: Exact | None = None
        self.semantic: Semantic | None = None
        self.looks = self.keeps = False
        self.repeat: str | None = None
        self.asked = b""
        self.window = 0.0
        self.patience = 600.0
        # what came of it
        self.outcome: Outcome | None = None
        self.kept: Kept | None = None  # the answer that was given again
        self.similarity = 0.0
        self.idempotent = False  # it got the answer to the same request sent before
        self.owns = False  # the mark of a repeatable request is this one's
        self.vector: list[float] | None = None  # of its last text, where it was looked up by that
        self.rest = b""

    def use(self, caching: Caching, scope: str, label: str) -> None:
        """The caches of the file, on the route that has this label."""
        route = caching.routes.get(label)
        if route is None:  # one that a rule made for this request alone
            return
        exact, semantic = caching.exact, caching.semantic
        self.exact = exact if exact is not None and applies(exact.when, self.job) else None
        self.semantic = semantic if semantic is not None and applies(semantic.when, self.job) else None
        if self.exact is None and self.semantic is None:
            return
        self.scope = scope
        self.shape = route.shape(self.job)
        self.key = request_digest(self.job, self.shape)
        self.looks = self.keeps = True

    def follow(self, first: Ask) -> None:
        """It got the answer to another request, in whatever way that one came by it."""
        if first.outcome in (Outcome.HIT, Outcome.SEMANTIC):
            self.outcome, self.kept, self.similarity = first.outcome, first.kept, first.similarity
        else:
            self.outcome = Outcome.JOINED


def applies(when: Condition, job: Job) -> bool:
    """Whether a cache is for a request; it is not for one that cannot be read, which is no reason to refuse it here."""
    try:
        return holds(when, job)
    except Refused:
        return False
