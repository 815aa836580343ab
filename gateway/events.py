"""What happened, as values: the one way by which telemetry learns of anything.

Whoever does the work emits; whoever is interested subscribes (`Emit` is the only thing the working rooms know).
Values are small, frozen and hold no secret and no content. They lead to no value of their own kind, so the collector of
cycles need not look at them (`gc=False`), however many wait for the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import getrandbits
from time import time_ns
from typing import TypeAlias

import msgspec

from gateway.ir.usage import Usage


class Trial(msgspec.Struct, frozen=True, gc=False):
    """One send and what came of it; `kind` None is an answer. `seconds`: until the answer began, or had failed."""

    target: str
    credential: str
    kind: str | None
    status: int | None
    seconds: float = 0.0


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """A target that was not tried, and why."""

    target: str
    why: str


class Attempted(msgspec.Struct, frozen=True, gc=False):
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


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What only the ledger wants to know of a request: made where there is one.

    `at` is the request's beginning, seconds since the epoch. `id` names its row where the request's own id is the
    client's word, which may come again. `line` says what kind of send it was. `answer_id` is the id inside the answer.
    `finish` is why the model stopped, in the client's protocol. `policies` are those that held.
    """

    at: float
    id: str | None = None
    line: str = "request"
    team: str | None = None
    end_user: str | None = None
    protocol: str = ""
    asked: str = ""
    upstream: str | None = None
    credential: str | None = None
    answer_id: str | None = None
    finish: str | None = None
    trials: Sequence[Trial] = ()
    skipped: Sequence[Skipped] = ()
    policies: Sequence[str] = ()


class Finished(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One client request ended. `status` is what the client saw; an error inside a stream has `kind` set.

    `lossy` are the fields that a translation lost, where the configuration wants to know. `cost` is nano-dollars, None
    where nobody knows the price or nothing was answered; `price_source` says whose price it is (file, catalog, both).
    `cache` is where the answer came from, where a cache may have had it: hit, semantic, joined, miss, bypass or
    idempotent.
    `tags` are those of its key and those that policies and guardrails gave it.
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
    attempts: int
    seconds: float
    first_content: float | None
    cost: int | None = None
    cache: str | None = None
    stream: bool
    usage: Usage | None
    lossy: tuple[str, ...] = ()
    price_source: str | None = None
    tags: tuple[str, ...] = ()
    record: Record | None = None


class Flagged(msgspec.Struct, frozen=True):
    """A guardrail that only flags found something, in the request or in its response (`on`)."""

    request_id: str
    guardrail: str
    on: str


class Aside(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A send that served a request without being its answer, and what it used; `line` says as what (routing/asides.py).

    It is no request: a request that had some is told by one `Finished`, with the usage of its answer alone.
    """

    line: str
    request_id: str
    operation: str
    route: str
    provider: str
    model: str
    key: str | None
    status: int
    kind: str | None
    stream: bool
    seconds: float
    usage: Usage | None
    upstream: str = ""
    credential: str = ""
    team: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    cost: int | None = None


class Mirrored(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a request ended; how its answer compares with the one of `served`, the model that the client got.

    `kind` is why there was no answer, `dropped` where there was no place for a copy. What compares is None where either
    answer is not known to its end: whether both ended for the same reason, whether they call the same tools, and the
    length of the copy's text as a share of the other's.
    """

    request_id: str
    served: str
    provider: str | None
    model: str | None
    status: int | None
    kind: str | None
    seconds: float
    usage: Usage | None = None
    same_finish: bool | None = None
    same_calls: bool | None = None
    length: float | None = None


class Reloaded(msgspec.Struct, frozen=True):
    """This worker now serves `revision`."""

    revision: str
    models: int


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a wish to change what is served, in the supervisor: the audit record.

    `outcome` is reloaded, rejected, canary-began, canary-aborted, canary-promoted, rolled-back or rollback-refused. It
    went from revision `old` to `new`, or would have. `at` is seconds since the epoch; `who` is a key's name, a signal,
    or the file that was seen to change. `plan` says in one line what differs between the two.
    """

    at: float
    outcome: str
    who: str
    old: str
    new: str
    why: str | None = None
    plan: str | None = None


class BudgetReached(msgspec.Struct, frozen=True):
    """Of a budget (or of one's share of it, `whose`) this part is used or reserved in its window; 1 is all of it.

    `used` and `limit` are nano-dollars. Said once in each window for each part that the file names.
    """

    budget: str
    whose: str
    share: float
    used: int
    limit: int


class Unpriced(msgspec.Struct, frozen=True):
    """A target that nobody knows the price of was used under a budget. Said once for each target of a configuration."""

    provider: str
    model: str


Event: TypeAlias = (
    Attempted | Tripped | Finished | Aside | Mirrored | Flagged | Reloaded | Changed | BudgetReached | Unpriced
)
Emit: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The subscriber of those who want none."""


def new_id() -> str:
    """An id of a request, or of a ledger's row, that no other has: the time in milliseconds and 80 random bits, so that
    what is kept in the order of ids is written at its end (as UUIDv7 does, RFC 9562)."""
    return f"req_{time_ns() // 1_000_000:012x}{getrandbits(80):020x}"
