"""What an explanation says, as frozen values: the document that `gateway explain --format json` prints.

Paths are those of the configuration, dotted (`combos.fast.targets.1`); `where` is `file:line:column`, None where it is
written nowhere or nobody knows. Times are seconds, money is USD as decimal text. A field that says nothing is left out.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

VERSION: Final = 1

Verdict = Literal["answers", "failed", "cancelled", "skipped", "next", "only_after"]


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A path of the configuration, and where it is written."""

    path: str
    where: str | None = None


class Resolved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the name led to. `what`: model, deployment, combo, alias or pattern. `through` are the names in between.
    `policy`: the one that led the request elsewhere. `also` are the request's own further models."""

    name: str
    what: str
    route: str
    place: Place | None = None
    through: tuple[str, ...] = ()
    policy: str | None = None
    also: tuple[str, ...] = ()


class Ruled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One policy that can hold for the caller. `when`, `does` and `requires` in the words of the file."""

    name: str
    holds: bool
    when: dict[str, Any] = {}
    does: dict[str, Any] = {}
    requires: dict[str, Any] = {}
    place: Place | None = None


class Bound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A limit, a budget, a cap or a cache that has a say. `of` is whose it is, `says` what it is."""

    of: str
    says: str
    place: Place | None = None


class Happened(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that came of a target: `answered`, `failed`, `cancelled` or `skipped`."""

    did: str
    credential: str = ""
    kind: str | None = None
    why: str = ""
    seconds: float | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A setting, what holds, and where that is said; no place: the gateway's own value."""

    name: str
    value: str
    place: Place | None = None


class Lost(msgspec.Struct, frozen=True):
    """What a translation to a target's wire drops, and why."""

    field: str
    why: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One target that the request can come to, in the order in which it does.

    `verdict`: answers, failed, cancelled (another was faster) and skipped are what happens in the assumed state; `next`
    would be tried were the answer a failure that falls by itself; `only_after` only after what `why` says. `rule` is
    whose word a skip is: a place of the file, or `request`, `catalog`, `state` or `gateway` for what is written
    nowhere. `way`: the places that lead here, the outermost first. `usd` is estimated, `usd_worst` with the longest
    answer; absent where nobody knows the price. `forwards`: the client's own bytes are sent.
    """

    target: str
    verdict: Verdict
    model: str
    provider: str
    upstream: str
    protocol: str
    why: str = ""
    rule: Place | None = None
    place: Place | None = None
    way: tuple[Place, ...] = ()
    happened: tuple[Happened, ...] = ()
    credentials: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    context: int | None = None
    forwards: bool = False
    lossy: tuple[Lost, ...] = ()
    rejects: str = ""
    usd: str | None = None
    usd_worst: str | None = None
    settings: tuple[Said, ...] = ()
    limits: tuple[Bound, ...] = ()
    budgets: tuple[Bound, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the client gets. `attempts` are sends, `seconds` virtual, absent for none. `instead`: the route that an
    exhausted budget leads to."""

    status: int
    attempts: int
    target: str | None = None
    code: str | None = None
    message: str | None = None
    seconds: float | None = None
    instead: str | None = None
    copies: tuple[str, ...] = ()


class Leads(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where failures of the first target lead: the further targets that are sent something, who answers then, or the
    status that the client gets. `by` is the fallback rule or the combo that leads there; without one, nobody is asked.
    """

    kinds: tuple[str, ...]
    path: tuple[str, ...] = ()
    target: str | None = None
    status: int = 200
    by: Place | None = None


class Most(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The worst that a request of this route can come to (engine/worst.py); absent: no bound, or nobody knows."""

    attempts: int
    seconds: float | None = None
    usd: str | None = None
    unknown: tuple[str, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything. `tokens`: the prompt's, estimated; `at`: the time of the request, ISO 8601. `orders`: who is asked
    first, by combo."""

    revision: str
    digest: str
    asked: str
    caller: str
    protocol: str
    at: str
    outcome: Outcome
    version: int = msgspec.field(default=VERSION)
    seed: int = 0
    stream: bool = False
    team: str | None = None
    session: str = ""
    tags: tuple[str, ...] = ()
    tokens: int | None = None
    resolved: Resolved | None = None
    policies: tuple[Ruled, ...] = ()
    orders: tuple[Bound, ...] = ()
    limits: tuple[Bound, ...] = ()
    caps: tuple[Bound, ...] = ()
    guardrails: tuple[Bound, ...] = ()
    caches: tuple[Bound, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    leads: tuple[Leads, ...] = ()
    breaks_off: str = ""
    worst: Most | None = None


def as_json(explanation: Explanation) -> bytes:
    """The document. `version` is always there."""
    return msgspec.json.encode({"version": VERSION, **msgspec.to_builtins(explanation)})
