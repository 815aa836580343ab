"""A likeness of an Engine's state, for walks that must not change it: what it was, and what a walk does to it.

Health, loads and turns are copied; of latencies, tallies, bindings and counters the likeness reads the original and
keeps what is new for itself. Nothing of it reaches a store: what other workers know and this one does not is not in it.
`Given` is what is assumed on top: who rests, what is spent already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from math import inf
from typing import Any, Final, TypeVar

import msgspec

from gateway.engine.engine import Engine
from gateway.failure import Kind
from gateway.routing.gate import Gate
from gateway.routing.limiting import Limits
from gateway.routing.node import Node, Target, targets
from gateway.routing.runtime import Lane, Runtime
from gateway.state.bindings import Bindings, Entry
from gateway.state.breaker import Breaker
from gateway.state.copies import Copies
from gateway.state.latency import Latency
from gateway.state.meters import Meter, Meters, Window
from gateway.state.pool import Load
from gateway.state.tally import Tally
from gateway.store.memory import Memory

V = TypeVar("V")
REST: Final = 60.0  # seconds


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What one send comes to. `kind` None is an answer. `status` is the upstream's, None for the one that is usual for
    the kind. `after`: seconds until then, None for at once; a time-out takes as long as the target is waited for."""

    kind: Kind | None = None
    status: int | None = None
    retry_after: float | None = None
    after: float | None = None
    message: str = "assumed"


class Rest(msgspec.Struct, frozen=True):
    """A target rests after a failure of this kind, for so many seconds."""

    kind: Kind = Kind.OVERLOADED
    seconds: float = REST


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk assumes. Targets by their own name, their model's, or their provider's; the first of these counts.

    `faults`: one for each send, the last one again and again. `otherwise` is what sends without one come to. `spent`:
    nano-dollars, by budget, on top of what is spent.
    """

    faults: Mapping[str, tuple[Fault, ...]] = {}
    otherwise: Fault = Fault()
    resting: Mapping[str, Rest] = {}
    spent: Mapping[str, int] = {}


def named(given: Mapping[str, Any], target: Target) -> str | None:
    """The name by which something is given for a target."""
    return next((name for name in (target.name, target.model, target.provider) if name in given), None)


def shadowed(engine: Engine, nodes: Iterable[Node], given: Given, clock: Callable[[], float], wall: float) -> Engine:
    """The Engine over a likeness of its state, as far as the targets of some nodes need it. `clock` is monotonic, of
    the same origin as that of the Engine's own requests; `wall`: seconds since the epoch as of now."""
    start = clock()
    found = {target.name: target for node in nodes for target in targets(node)}
    real = engine.runtime
    lanes = _Lanes(real, found.values(), given, start)
    filled = {target.name: lanes.of(target) for target in found.values() if "*" in target.lanes}
    words = {target.lanes for target in found.values()}
    limits = None
    if engine.limits is not None:
        limits = Limits(
            engine.limits.rules, Likeness(engine.limits.meters, given.spent, lambda: wall + clock() - start)
        )
    runtime = Runtime(
        lanes=lanes,
        loads=_Copies(real.loads, _load),
        pools=_Copies(real.pools, deepcopy),
        cursors=_Copies(real.cursors, deepcopy),
        filled=filled,
        latencies={name: Heard(each) for name, each in real.latencies.items() if name in found or name in words},
        tallies={
            name: {window: Sent(window, each) for window, each in windows.items()}
            for name, windows in real.tallies.items()
            if name in found
        },
        sticky={name: Bound(each) for name, each in real.sticky.items()},
        makers=Bound(real.makers) if real.makers is not None else None,
        gate=Gate(limits) if limits is not None else None,
        copies=Uncopied(),
    )
    return msgspec.structs.replace(engine, runtime=runtime, limits=limits)


def _load(real: Load) -> Load:
    load = Load()
    load.count = real.count
    return load


class _Copies(dict[str, V]):
    """What there is, copied when somebody asks for it."""

    def __init__(self, real: Mapping[str, V], copied: Callable[[V], V]) -> None:
        super().__init__()
        self._real = real
        self._copied = copied

    def __missing__(self, name: str) -> V:
        mine = self[name] = self._copied(self._real[name])
        return mine


class _Lanes(dict[str, tuple[Lane, ...]]):
    """Lanes, copied when somebody asks for them; a breaker that several share is shared by their copies."""

    def __init__(self, real: Runtime, found: Iterable[Target], given: Given, now: float) -> None:
        super().__init__()
        self._real = real
        self._targets = {target.lanes: target for target in found}
        self._given = given.resting
        self._now = now
        self._copies: dict[int, Breaker] = {}

    def __missing__(self, name: str) -> tuple[Lane, ...]:
        mine = self[name] = self.of(self._targets[name])
        return mine

    def of(self, target: Target) -> tuple[Lane, ...]:
        """The lanes of a target, as it is assumed."""
        mine = tuple(
            msgspec.structs.replace(lane, own=self._health(lane.own), whole=self._health(lane.whole))
            for lane in self._real.lanes_of(target)
        )
        name = named(self._given, target)
        if name is not None:
            rest = self._given[name]
            for lane in mine:
                lane.own.open_for(self._now, rest.seconds, rest.kind)
        return mine

    def _health(self, breaker: Breaker) -> Breaker:
        known = self._copies.get(id(breaker))
        if known is None:
            known = self._copies[id(breaker)] = breaker.copy()
        return known


class Heard(Latency):
    """What is known of a latency; a walk that sends nothing measures nothing."""

    __slots__ = ("_real",)

    def __init__(self, real: Latency) -> None:
        super().__init__()
        self._real = real

    def measured(self, seconds: float, stream: bool, now: float) -> None:
        """Nothing was measured."""

    def tried(self, stream: bool, now: float) -> bool:
        return super().tried(stream, now) or self._real.tried(stream, now)

    def expected(self, stream: bool, now: float) -> float | None:
        return self._real.expected(stream, now)

    def spread(self, stream: bool, now: float) -> float | None:
        return self._real.spread(stream, now)

    def p95(self, stream: bool) -> float | None:
        return self._real.p95(stream)


class Sent(Tally):
    """What was sent, and what a walk adds."""

    __slots__ = ("_real",)

    def __init__(self, window: float, real: Tally) -> None:
        super().__init__(window)
        self._real = real

    def count(self, now: float) -> int:
        return super().count(now) + self._real.count(now)


class Bound(Bindings):
    """What is bound as far as this worker knows, and what a walk changes."""

    __slots__ = ("_dropped", "_real")

    def __init__(self, real: Bindings) -> None:
        super().__init__(real.name)
        self._real = real
        self._dropped: set[str] = set()

    def entry(self, key: str, now: float) -> Entry | None:
        mine = super().entry(key, now)
        if mine is not None or key in self._dropped:
            return mine
        real = self._real.entry(key, now)
        return msgspec.structs.replace(real, due=-inf) if real is not None else None  # who renews it binds it here

    def drop(self, key: str) -> None:
        super().drop(key)
        self._dropped.add(key)


class Uncopied(Copies):
    """No place for copies: each that would have begun is told as one that was dropped."""

    __slots__ = ()

    def place(self) -> bool:
        return False


class Likeness(Meters):
    """Counters that stand where others do. `spent` is charged to budgets on top; `wall`: seconds since the epoch."""

    def __init__(self, real: Meters, spent: Mapping[str, int], wall: Callable[[], float]) -> None:
        super().__init__(Memory(clock=wall))
        self._real = real
        self._spent = spent
        self._begun: set[tuple[str, int]] = set()

    def meter(self, key: str, limit: int, window: Callable[[float], Window]) -> Meter:
        mine = super().meter(key, limit, window)
        if (key, limit) not in self._begun:
            self._begun.add((key, limit))
            standing = self._real.meter(key, limit, window).standing()
            kind, _, name = key.partition(":")
            budget = self._spent.get(name) or self._spent.get(name.partition(":")[0]) or 0
            mine.charge(max(0, standing.limit - standing.left) + (budget if kind == "budget" else 0))
        return mine
