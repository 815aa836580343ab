"""The compiled routes: a tree of frozen values, shared by whoever refers to the same model.

- `Target`: one upstream model of one provider, with everything that sending to it needs but its credentials.
- `Split`: children and the strategy that orders them, or with a plan, that they take part in together.
- `Chain`: what a name means, and where its fallbacks lead.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from gateway.failure import Kind
from gateway.ir.cost import Price
from gateway.protocols.contract import Dialect, Edits
from gateway.state.breaker import Banning, Settings
from gateway.transport.contract import Origin, Timeouts

if TYPE_CHECKING:
    from gateway.routing.conditions import Condition


class Retries(msgspec.Struct, frozen=True):
    """At most `attempts` further sends to one target, `low` to `high` seconds apart, doubling."""

    attempts: int = 2
    low: float = 0.2
    high: float = 5.0


class Target(msgspec.Struct, frozen=True, kw_only=True, tag="target"):
    """A leaf. `name` is what people see; `lanes` is the key of its credentials and health in the runtime.

    `model` is the name in router.yaml, `upstream` the provider's id of it. `path` and `stream_path` are where whole and
    streamed answers are asked for, `count_path` where a prompt's tokens are (None: nowhere). `on_lossy` is what happens
    where a translation loses something: allow, warn, reject or reroute. `whole` and `streamed` are the time-outs of the
    two kinds of request; `first_token` and `total` are seconds, None for no bound. `bans` are its provider's.

    `context` and `max_output` are tokens, `supports` words of providers/capabilities.py, `price` what its tokens cost;
    None is unknown. `catalog` is where facts of its id are looked up, "" for nowhere. `limits` are words of
    `Rules.things`, of everything that limits it but its credential.
    """

    name: str
    lanes: str
    model: str
    provider: str
    upstream: str
    protocol: str
    origin: Origin
    path: str
    stream_path: str
    count_path: str | None
    whole: Timeouts
    streamed: Timeouts
    first_token: float | None
    total: float | None
    retries: Retries
    breaker: Settings
    edits: Edits
    dialect: Dialect
    on_lossy: str
    context: int | None
    tags: tuple[str, ...]
    bans: tuple[Banning, ...] = ()
    catalog: str = ""
    price: Price | None = None
    max_output: int | None = None
    supports: frozenset[str] | None = None
    limits: tuple[str, ...] = ()


class Branch(msgspec.Struct, frozen=True):
    """A child of a split; `weight` matters to strategies that draw, `when` (None: always) to `when`."""

    node: Node
    weight: float = 1.0
    when: Condition | None = None


class Weights(msgspec.Struct, frozen=True):
    """What `score` gives to each of its parts; any scale."""

    health: float = 0.0
    latency: float = 0.0
    cost: float = 0.0
    headroom: float = 0.0
    stability: float = 0.0


class Ordering(msgspec.Struct, frozen=True):
    """What a strategy is told beside its children; each strategy reads its own.

    `weighted`: `round_robin` takes turns by weight. `deck`: `random` deals from a shuffled deck. `window`: the seconds
    that `least_used` looks back on. `by`: what `consistent` hashes. `weights`: of `score`.
    """

    weighted: bool = False
    deck: bool = False
    window: float = 3600.0
    by: str = "session"
    weights: Weights = Weights()


PLAIN: Final = Ordering()


class Sticky(msgspec.Struct, frozen=True):
    """What belongs together (`session`, `user`, `key`) stays with its target until `seconds` of silence."""

    by: str
    seconds: float


class Race(msgspec.Struct, frozen=True, tag="race"):
    """The next child starts when the last gave no content for `after` seconds; None is the p95 of what it takes."""

    after: float | None = None


class Mirror(msgspec.Struct, frozen=True, tag="mirror"):
    """The share of requests that is copied to all children but the first."""

    sample: float = 1.0


class Panel(msgspec.Struct, frozen=True, tag="panel"):
    """Who merges the answers; how many are enough (None: all) once the others were waited for, in seconds."""

    judge: Node
    least: int | None = None
    patience: float = 8.0


class Pipeline(msgspec.Struct, frozen=True, tag="pipeline"):
    """The children are stages."""


Plan: TypeAlias = Race | Mirror | Panel | Pipeline


class Split(msgspec.Struct, frozen=True, tag="split", dict=True):
    """Children under one strategy. `hold`: successes that `round_robin` stays with one child for; 0 is none.

    `plan`: the strategy executes (contests/) and this is how. `resumes`: a stream that breaks off is gone on with.
    """

    name: str
    strategy: str
    branches: tuple[Branch, ...]
    hold: int = 0
    ordering: Ordering = PLAIN
    sticky: Sticky | None = None
    plan: Plan | None = None
    resumes: bool = False

    @cached_property
    def tried(self) -> dict[str, Target]:
        """The targets that a walk tries one by one, by name; of two its own, else the first."""
        if self.plan is not None:
            return {}
        own = (branch.node for branch in self.branches if isinstance(branch.node, Target))
        return {target.name: target for target in reversed((*own, *tried(self)))}

    @cached_property
    def stuck(self) -> tuple[tuple[Split, Sticky], ...]:
        """The sticky splits below, and this one first where it is sticky."""
        inner = tuple(found for branch in self.branches for found in stuck(branch.node))
        return ((self, self.sticky), *inner) if self.sticky is not None else inner


class Fallback(msgspec.Struct, frozen=True):
    """Where a failure of one of these kinds leads."""

    on: frozenset[Kind]
    to: tuple[Node, ...]


class Chain(msgspec.Struct, frozen=True, tag="chain", dict=True):
    """A name with fallbacks: `primary` first, then the rules in order, each at most once. `resumes` as in Split."""

    name: str
    primary: Node
    rules: tuple[Fallback, ...]
    resumes: bool = False

    @cached_property
    def stuck(self) -> tuple[tuple[Split, Sticky], ...]:
        """The sticky splits below, where its fallbacks lead included."""
        nodes = (self.primary, *(to for rule in self.rules for to in rule.to))
        return tuple(found for node in nodes for found in stuck(node))


Node: TypeAlias = Target | Split | Chain


def targets(node: Node) -> list[Target]:
    """Every target that can be reached from a node, each once, in the order of the file."""
    found: dict[str, Target] = {}

    def visit(at: Node) -> None:
        if isinstance(at, Target):
            found.setdefault(at.name, at)
        elif isinstance(at, Split):
            for branch in at.branches:
                visit(branch.node)
            if isinstance(at.plan, Panel):
                visit(at.plan.judge)
        else:
            visit(at.primary)
            for rule in at.rules:
                for to in rule.to:
                    visit(to)

    visit(node)
    return list(found.values())


def stuck(node: Node) -> tuple[tuple[Split, Sticky], ...]:
    """The sticky splits of a route."""
    return () if isinstance(node, Target) else node.stuck


def leaves(node: Node) -> tuple[Target, ...]:
    """The targets that a node orders by itself: its own and its children's, without where its fallbacks lead."""
    if isinstance(node, Target):
        return (node,)
    if isinstance(node, Chain):
        return leaves(node.primary)
    return tuple(leaf for branch in node.branches for leaf in leaves(branch.node))


def tried(node: Node) -> Iterator[Target]:
    """The targets that a walk over a node tries one by one, its fallbacks last; none of those that take part together
    with others."""
    if isinstance(node, Target):
        yield node
    elif isinstance(node, Chain):
        yield from tried(node.primary)
        for rule in node.rules:
            for to in rule.to:
                yield from tried(to)
    elif node.plan is None:
        for branch in node.branches:
            yield from tried(branch.node)
