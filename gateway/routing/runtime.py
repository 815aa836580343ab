"""What a compiled tree needs besides itself to be run: credentials and the state of its identities.

An Engine owns one Runtime. It holds the state strongly, which is what keeps it alive in the pool.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.providers.auth import Signer
from gateway.routing.gate import Gate
from gateway.routing.node import Target
from gateway.state.bindings import Bindings
from gateway.state.breaker import Breaker
from gateway.state.copies import Copies
from gateway.state.latency import Latency
from gateway.state.pool import Cursor, Load
from gateway.state.quota import Quota
from gateway.state.tally import Tally

FILLED_MOST: Final = 4096


class Lane(msgspec.Struct, frozen=True):
    """One credential's way to one target: complete request headers, and the two breakers that must agree.

    `own` is the health of provider × credential × model, `whole` that of provider × credential. `credential` is the
    name in router.yaml; the secret is only in `headers`, or known to the `signer`. A lane of a higher `tier` is used
    when no lower one can be. `limits` is the word of the credential's limits, "" for none. `quota` is kept where a
    strategy asks for it.
    """

    credential: str
    headers: tuple[tuple[str, str], ...]
    own: Breaker
    whole: Breaker
    signer: Signer | None = None
    tier: int = 0
    limits: str = ""
    quota: Quota | None = None

    def __repr__(self) -> str:
        return f"Lane({self.credential!r})"


class Runtime(msgspec.Struct, frozen=True):
    """By `Target.lanes`: its lanes by tier and in the order of the file, its load, the cursor of its pool, its latency.
    By `Split.name`: its cursor, and where it is sticky what is bound; `shares`: others may know more of that. By
    `Target.name`: tallies of what it was sent, by their windows; latencies of what a pattern stands for. `makers`: who
    made which answer. `gate`: None where nothing is limited. `counts`: a usage that nobody reports is estimated, for
    the ledger. `copies` are the process'."""

    lanes: dict[str, tuple[Lane, ...]]
    loads: dict[str, Load]
    pools: dict[str, Cursor]
    cursors: dict[str, Cursor]
    filled: dict[str, tuple[Lane, ...]] = {}
    latencies: dict[str, Latency] = {}
    tallies: dict[str, dict[float, Tally]] = {}
    sticky: dict[str, Bindings] = {}
    shares: bool = False
    makers: Bindings | None = None
    gate: Gate | None = None
    counts: bool = False
    copies: Copies = msgspec.field(default_factory=Copies)

    def lanes_of(self, target: Target) -> tuple[Lane, ...]:
        """The lanes of a target. Each model that a pattern stands for has a health of its own, which a reload forgets;
        the `FILLED_MOST` that were asked first are remembered."""
        lanes = self.lanes[target.lanes]
        if "*" not in target.lanes:
            return lanes
        known = self.filled.get(target.name)
        if known is None:
            if len(self.filled) >= FILLED_MOST:
                return lanes
            known = tuple(msgspec.structs.replace(lane, own=Breaker()) for lane in lanes)
            self.filled[target.name] = known
        return known

    def latency_of(self, target: Target) -> Latency | None:
        """What is known of how long a target takes."""
        return self.latencies.get(target.name) or self.latencies.get(target.lanes)
