"""What can go wrong with an upstream, and what each kind of failure permits: the one table.

A `Failure` is a value: an attempt ends with a response or with one of these. `RULES` says, for each kind, whether
the same target may be tried again, whether another credential, another target or a fallback chain may, what cools
down and for whom, and what the client is told when nothing is left. No other module decides any of that.

A `Refusal` is what the client is told: an HTTP status and the parts of an error envelope, still in no protocol.
Each protocol writes it in its own words (`protocols/*/errors.py`).

Must not live here: reading provider error bodies (protocols), waiting and walking (routing).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

BLOCKED: Final = "content_blocked"  # the code of what a guardrail of the file does not let pass


class Kind(StrEnum):
    """The closed vocabulary of upstream failures; also the words of `fallbacks[].on` in router.yaml."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"
    OVERLOADED = "overloaded"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    CONTEXT_WINDOW = "context_window"
    CONTENT_FILTER = "content_filter"
    UNSUPPORTED = "unsupported"
    INVALID_REQUEST = "invalid_request"
    BAD_RESPONSE = "bad_response"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    BUDGET = "budget"


class Falls(StrEnum):
    """When a failure may go on to another target of the combo or to a fallback chain."""

    YES = "yes"
    OPT_IN = "opt_in"  # only where a fallback rule names the kind
    LARGER_WINDOW = "larger_window"  # only to a target with a larger context window
    IF_SUPPORTED = "if_supported"  # only to a target that may support what this one refused
    NO = "no"


class Cooldown(StrEnum):
    """Whom a failure makes wait: the scope of the breaker that counts it."""

    NONE = "none"
    TARGET = "target"  # provider × credential × model; counted, opens at the threshold
    TARGET_UNTIL_HINT = "target_until_hint"  # the same scope, opened at once
    CREDENTIAL = "credential"  # provider × credential, every model, opened at once


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `retries` counts further sends to the same target and credential."""

    retries: int = 0
    next_credential: bool = False
    falls: Falls = Falls.NO
    cooldown: Cooldown = Cooldown.NONE
    status: int
    code: str
    permanent: bool = False  # a client that tries again will fail again: `x-should-retry: false`


RULES: Final[dict[Kind, Rule]] = {
    Kind.CONNECTION: Rule(retries=1, falls=Falls.YES, cooldown=Cooldown.TARGET, status=502, code="upstream_connection"),
    Kind.TIMEOUT: Rule(falls=Falls.YES, cooldown=Cooldown.TARGET, status=504, code="upstream_timeout"),
    Kind.SERVER_ERROR: Rule(retries=2, falls=Falls.YES, cooldown=Cooldown.TARGET, status=502, code="upstream_error"),
    Kind.OVERLOADED: Rule(falls=Falls.YES, cooldown=Cooldown.TARGET_UNTIL_HINT, status=503, code="upstream_overloaded"),
    Kind.RATE_LIMIT: Rule(
        retries=1,
        next_credential=True,
        falls=Falls.YES,
        cooldown=Cooldown.TARGET_UNTIL_HINT,
        status=429,
        code="rate_limit_exceeded",
    ),
    Kind.QUOTA: Rule(
        next_credential=True,
        falls=Falls.YES,
        cooldown=Cooldown.CREDENTIAL,
        status=503,
        code="upstream_quota",
        permanent=True,
    ),
    Kind.AUTH: Rule(
        next_credential=True,
        falls=Falls.YES,
        cooldown=Cooldown.CREDENTIAL,
        status=502,
        code="upstream_auth",
        permanent=True,
    ),
    Kind.NOT_FOUND: Rule(
        falls=Falls.YES,
        cooldown=Cooldown.TARGET_UNTIL_HINT,
        status=502,
        code="upstream_model_not_found",
        permanent=True,
    ),
    Kind.CONTEXT_WINDOW: Rule(falls=Falls.LARGER_WINDOW, status=400, code="context_length_exceeded", permanent=True),
    Kind.CONTENT_FILTER: Rule(falls=Falls.OPT_IN, status=400, code="content_filter", permanent=True),
    Kind.UNSUPPORTED: Rule(falls=Falls.IF_SUPPORTED, status=400, code="unsupported_parameter", permanent=True),
    Kind.INVALID_REQUEST: Rule(falls=Falls.OPT_IN, status=400, code="invalid_request", permanent=True),
    Kind.BAD_RESPONSE: Rule(
        retries=1, falls=Falls.YES, cooldown=Cooldown.TARGET, status=502, code="upstream_bad_response"
    ),
    Kind.INTERRUPTED: Rule(cooldown=Cooldown.TARGET, status=502, code="upstream_interrupted"),
    Kind.CANCELLED: Rule(status=499, code="client_closed_request"),
    Kind.BUDGET: Rule(falls=Falls.YES, status=402, code="budget_exceeded", permanent=True),
}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended badly.

    `message` is for the operator and, for 4xx kinds only, for the client; it never holds a credential.
    `status` is the upstream's own HTTP status, None where there was none. `retry_after` is in seconds from the
    moment the failure was read. `code` and `param` are the provider's, kept for kinds that the client must mend.
    `sent` is False when the upstream cannot have seen the request: such a request is always safe to repeat. `ours`: a
    limit or a budget of the configuration said no, so nobody was asked, and the message is meant for the client;
    `instead` is the route that the configuration names for it.
    """

    kind: Kind
    message: str
    status: int | None = None
    retry_after: float | None = None
    code: str | None = None
    param: str | None = None
    type: str | None = None
    sent: bool = True
    ours: bool = False
    instead: str | None = None

    @property
    def rule(self) -> Rule:
        """The row of the table that governs this failure."""
        return RULES[self.kind]


class Failed(Exception):  # noqa: N818 - it reads as what happened: the attempt failed
    """Carries a `Failure` out of transport, protocols and routing."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What the client is told instead of an answer, in no protocol yet.

    `type` and `code` use OpenAI's vocabulary, the one that other wires map from. `retry_after` is in seconds.
    """

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None


class Refused(Exception):  # noqa: N818 - it reads as what happened: the request was refused
    """Carries a `Refusal` to the one place that writes it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
