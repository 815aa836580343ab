"""What a store of shared state is: memory, this host's disk, or Redis.

Counters are leased: a worker takes a lot of units at once, spends it by itself, and gives back what is left, so that
most requests ask nobody. What is leased counts as used, whatever happens to the worker: a limit is never exceeded, and
at most what was leased stands idle. The store's clock rules all windows. Amounts are whole numbers: requests, tokens,
or nano-dollars.

A key has one kind of window at a time: whoever counts the same thing in two windows has two keys.

Every method may raise `StoreDown`; nothing here waits longer than the store's own time-out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

SLICES: Final = 60  # of a sliding window: what was used is forgotten slice by slice


class StoreDown(Exception):  # noqa: N818 - it reads as what has happened
    """The store cannot be reached, or did not answer in time."""


class Sliding(msgspec.Struct, frozen=True, tag="sliding"):
    """Any span of `seconds`: in none of them are more than the limit used. A lot is good for one slice."""

    seconds: float


class Fixed(msgspec.Struct, frozen=True, tag="fixed"):
    """One named span, such as a month of a calendar. `ends`: seconds since the epoch, inf for never."""

    name: str
    ends: float


class Held(msgspec.Struct, frozen=True, tag="held"):
    """Units that are held, and given back. A `holder` that renews nothing for `ttl` seconds loses its units.
    A holder of "" is filled in by whoever leases."""

    holder: str
    ttl: float = 30.0


Window: TypeAlias = Sliding | Fixed | Held


class Want(msgspec.Struct, frozen=True):
    """`amount` units of a counter, or fewer, but `least` at the least. Any want renews the holder of a Held window."""

    key: str
    window: Window
    limit: int
    amount: int
    least: int = 1


class Grant(msgspec.Struct, frozen=True):
    """What was given: 0 where there were fewer than `least`.

    `left`: what of the limit nobody has leased, below 0 where more was used. `lot` names the slice or window to give
    back to; of a Held window it is the number of units that the holder holds now. `until`: when what was given lapses,
    and `at`: the store's time, in seconds since the epoch. `retry`: seconds until there may be more, or `least` where
    nothing was given; inf: never.
    """

    amount: int
    left: int
    lot: str
    until: float
    at: float
    retry: float = 0.0


class Return(msgspec.Struct, frozen=True):
    """Units of a lot that were not used. Negative: units that were used beyond what was leased; they count from now,
    whatever the lot. A slice or window that is over, or has fewer, takes back nothing more than it has."""

    key: str
    window: Window
    lot: str
    amount: int


class Store(Protocol):
    """See the module. Keys are text without control characters. `up`: whether it can be reached, as far as is known."""

    up: bool

    async def now(self) -> float:
        """Seconds since the epoch by the clock that rules windows."""

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        """Takes units back, or counts what was used beyond a lease; then serves each want by itself, in order. One
        exchange with the store."""

    async def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        """What is used or leased of counters now."""

    async def forget(self, key: str) -> None:
        """A counter starts anew: an operator reset it."""

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        """Counts `member` as present in a set for `ttl` seconds from now; how many are present, None where it is new
        and there is no place for it."""

    async def get(self, key: str) -> bytes | None:
        """A value that was put, until its time is up."""

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keeps a value for `ttl` seconds. A store may forget earlier, the least recently used first."""

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        """As `put`, where nothing is kept under this key yet; whether it was."""

    async def delete(self, key: str) -> None:
        """Forgets a value."""

    async def weigh(self, prefix: str) -> tuple[int, int]:
        """How many values have a key that begins so, and their bytes. It looks at all of them."""

    async def clear(self, prefix: str) -> int:
        """Forgets all values whose key begins so; how many."""

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        """Writes a field of a small table that everybody reads as a whole (health); None removes it."""

    async def table(self, table: str) -> Mapping[str, bytes]:
        """All fields of a table."""

    async def bound(self, size: int) -> None:
        """The most bytes of values that are kept from now on, where the store is not somebody else's to bound."""

    async def close(self) -> None:
        """Lets go of files and connections."""
