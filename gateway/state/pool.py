"""Everything stateful that Engines share, found by identity.

The pool holds its entries weakly: an Engine holds what it uses, so an entry lives exactly as long as some Engine that
is still serving refers to it, and a new Engine with the same identities finds the same objects.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple
from weakref import WeakValueDictionary

from gateway.state.bindings import Bindings
from gateway.state.breaker import Breaker
from gateway.state.copies import Copies
from gateway.state.latency import Latency
from gateway.state.meters import Meters
from gateway.state.quota import Quota
from gateway.state.tally import Tally
from gateway.store.contract import Store
from gateway.store.memory import Memory


class Identity(NamedTuple):
    """Whose health: `credential` carries the secret's fingerprint; `model` is "*" for the credential as a whole."""

    provider: str
    credential: str
    model: str


class Load:
    """Requests in flight to one target."""

    __slots__ = ("__weakref__", "count")

    def __init__(self) -> None:
        self.count = 0


class Cursor:
    """Where a rotation stands: `at` is the index of the next, `served` the successes it has had in a row.

    Of a shuffled deck `dealt` is what is left of it, the next at the end, and `last` who came last; `credit` is what
    each has of smooth weighted turns. All three are by the names of children.
    """

    __slots__ = ("__weakref__", "at", "credit", "dealt", "last", "served")

    def __init__(self) -> None:
        self.at = 0
        self.served = 0
        self.dealt: list[str] = []
        self.last = ""
        self.credit: dict[str, float] = {}


class StatePool:
    """Finds or makes the state of an identity. One per process.

    `store` is what workers and hosts share, `meters` what this process has leased of its counters; `copies` are those
    of mirrored requests.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store: Store = store if store is not None else Memory()
        self.meters = Meters(self.store)
        self.copies = Copies()
        self._breakers: WeakValueDictionary[Identity, Breaker] = WeakValueDictionary()
        self._loads: WeakValueDictionary[str, Load] = WeakValueDictionary()
        self._cursors: WeakValueDictionary[str, Cursor] = WeakValueDictionary()
        self._latencies: WeakValueDictionary[str, Latency] = WeakValueDictionary()
        self._tallies: WeakValueDictionary[tuple[str, float], Tally] = WeakValueDictionary()
        self._quotas: WeakValueDictionary[Identity, Quota] = WeakValueDictionary()
        self._bindings: WeakValueDictionary[str, Bindings] = WeakValueDictionary()

    def breaker(self, identity: Identity) -> Breaker:
        """The breaker of an identity."""
        return self._breakers.setdefault(identity, Breaker())

    def apart(self) -> StatePool:
        """The same state with breakers of its own: what fails for whoever uses it stops nobody else."""
        other = copy(self)
        other._breakers = WeakValueDictionary()
        return other

    def load(self, target: str) -> Load:
        """The load of a target, by the target's name."""
        return self._loads.setdefault(target, Load())

    def cursor(self, name: str) -> Cursor:
        """The cursor of a rotation, by the name of what rotates."""
        return self._cursors.setdefault(name, Cursor())

    def latency(self, target: str) -> Latency:
        """How long a target takes, by the target's name."""
        return self._latencies.setdefault(target, Latency())

    def tally(self, target: str, window: float) -> Tally:
        """What a target was sent in a window of so many seconds, by the target's name."""
        return self._tallies.setdefault((target, window), Tally(window))

    def quota(self, identity: Identity) -> Quota:
        """What a provider said is left, of an identity."""
        return self._quotas.setdefault(identity, Quota())

    def bindings(self, name: str) -> Bindings:
        """What is bound under a name; a store in this process has nothing to add."""
        shared = None if isinstance(self.store, Memory) else self.store
        return self._bindings.setdefault(name, Bindings(name, shared))

    def reloaded(self) -> None:
        """A new configuration is in force."""
        for breaker in list(self._breakers.values()):
            breaker.reloaded()

    def each(self) -> list[tuple[Identity, Breaker]]:
        """All breakers that are in use, in no order."""
        return list(self._breakers.items())

    def breakers(self) -> list[tuple[Identity, Breaker]]:
        """All breakers that are in use, ordered by identity."""
        return sorted(self._breakers.items(), key=lambda item: item[0])
