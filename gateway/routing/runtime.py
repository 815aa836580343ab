"""What a compiled tree needs besides itself to be run: credentials and the state of its identities.

An Engine owns one Runtime. It holds the state strongly, which is what keeps it alive in the pool.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.providers.auth import Signer
from gateway.routing.gate import Gate
from gateway.routing.node import Target
from gateway.state.breaker import Breaker
from gateway.state.copies import Copies
from gateway.state.latency import Latency
from gateway.state.pool import Cursor, Load

FILLED_MOST: Final = 4096


class Lane(msgspec.Struct, frozen=True):
    """One credential's way to one target: complete request headers, and the two breakers that must agree.

    `own` is the health of provider × credential × model, `whole` that of provider × credential. `credential` is the
    name in router.yaml; the secret is only in `headers`, or known to the `signer`. A lane of a higher `tier` is used
    when no lower one can be. `limits` is the word of the credential's limits, "" for none.
    """

    credential: str
    headers: tuple[tuple[str, str], ...]
    own: Breaker
    whole: Breaker
    signer: Signer | None = None
    tier: int = 0
    limits: str = ""

    def __repr__(self) -> str:
        return f"Lane({self.credential!r})"


class Runtime(msgspec.Struct, frozen=True):
    """By `Target.lanes`: its lanes by tier and in the order of the file, its load, the cursor of its pool. By
    `Split.name`: its cursor. `gate`: None where nothing is limited. `latencies` of targets that somebody asks them of.
    `copies` are the process'."""

    lanes: dict[str, tuple[Lane, ...]]
    loads: dict[str, Load]
    pools: dict[str, Cursor]
    cursors: dict[str, Cursor]
    filled: dict[str, tuple[Lane, ...]] = {}
    gate: Gate | None = None
    latencies: dict[str, Latency] = {}
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
