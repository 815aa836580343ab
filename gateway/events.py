"""What happened, as values: the one way by which telemetry learns of anything.

Whoever does the work emits; whoever is interested subscribes (`Emit` is the only thing the working rooms know).
Values are small, frozen and hold no secret and no content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from gateway.ir.usage import Usage


class Attempted(msgspec.Struct, frozen=True):
    """One send to one provider with one credential ended; `kind` is None when it brought an answer."""

    provider: str
    credential: str
    model: str
    kind: str | None
    status: int | None
    seconds: float


class Tripped(msgspec.Struct, frozen=True):
    """A breaker opened for `seconds` (None: until the configuration is reloaded)."""

    provider: str
    credential: str
    model: str
    kind: str
    seconds: float | None


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """One client request ended. `status` is what the client saw; an error inside a stream has `kind` set.

    `lossy` are the fields that a translation lost, where the configuration wants to know. `cost` is nano-dollars, None
    where nobody knows the price or nothing was answered; `price_source` says whose price it is (file, catalog, both).
    `cache` is where the answer came from, where a cache may have had it: hit, semantic, joined, miss, bypass, or idempotent.
    """

    request_id: str
    operation: str
    route: str
    provider: str | None
    model: str | None
    key: str | None
    revision: str
    status: int
    kind: str | None
    stream: bool
    attempts: int
    seconds: float
    first_content: float | None
    usage: Usage | None
    lossy: tuple[str, ...] = ()
    cost: int | None = None
    price_source: str | None = None
    cache: str | None = None


class Reloaded(msgspec.Struct, frozen=True):
    """This worker now serves `revision`."""

    revision: str
    models: int


Event: TypeAlias = Attempted | Tripped | Finished | Reloaded
Emit: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The subscriber of those who want none."""
