"""What the client is told when no target answered.

Kinds that the client can mend carry the provider's own words; everything else says what happened to the gateway's
attempts and nothing of what a provider wrote, since such text may name accounts, hosts or keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.failure import RULES, Failure, Kind, Refusal
from gateway.routing.run import Trial

_CLIENTS: Final = frozenset((Kind.CONTEXT_WINDOW, Kind.CONTENT_FILTER, Kind.UNSUPPORTED, Kind.INVALID_REQUEST))

_TYPES: Final[dict[int, str]] = {
    400: "invalid_request_error",
    402: "insufficient_quota",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}

_WORDS: Final[dict[Kind, str]] = {
    Kind.CONNECTION: "could not be reached",
    Kind.TIMEOUT: "did not answer in time",
    Kind.SERVER_ERROR: "had an internal error",
    Kind.OVERLOADED: "is overloaded",
    Kind.RATE_LIMIT: "limited the rate of requests",
    Kind.QUOTA: "has no quota left for this gateway's account",
    Kind.AUTH: "did not accept this gateway's credential",
    Kind.NOT_FOUND: "does not have this model",
    Kind.BAD_RESPONSE: "gave an answer that could not be read",
    Kind.INTERRUPTED: "broke off in the middle of its answer",
    Kind.CANCELLED: "was cancelled",
    Kind.BUDGET: "was not asked, for want of money",
}


def refusal_of(failure: Failure, trials: Sequence[Trial]) -> Refusal:
    """The end of the chain, as the failure table says it is told."""
    rule = RULES[failure.kind]
    status = rule.status
    if failure.kind is Kind.SERVER_ERROR and failure.status == 503:
        status = 503
    if not failure.sent and failure.retry_after is not None and status >= 500:
        status = 503  # nobody was asked last: it rests, and it is known until when
    code, type_, message = rule.code, _TYPES.get(status, "upstream_error"), _message(failure, trials)
    if failure.kind in _CLIENTS:
        if failure.kind is Kind.INVALID_REQUEST and failure.status is not None and 400 <= failure.status < 500:
            status = failure.status
        message = failure.message
        code = failure.code or code if failure.kind is not Kind.CONTEXT_WINDOW else code
        type_ = failure.type or "invalid_request_error"
    if failure.ours:
        message = failure.message
        code = failure.code or code
    waits = failure.ours or failure.kind in (Kind.RATE_LIMIT, Kind.OVERLOADED) or status == 503
    return Refusal(
        status=status,
        type=type_,
        code=code,
        message=message,
        param=failure.param if failure.kind in _CLIENTS else None,
        retry_after=failure.retry_after if waits else None,
        should_retry=False if rule.permanent else None,
    )


def _message(failure: Failure, trials: Sequence[Trial]) -> str:
    attempts = f"{len(trials)} attempt{'' if len(trials) == 1 else 's'}"
    if not trials:
        return f"No provider could be asked: the last one {_WORDS.get(failure.kind, 'failed')} a moment ago."
    tried = ", ".join(dict.fromkeys(f"{trial.target}: {trial.kind}" for trial in trials if trial.kind is not None))
    said = f"{attempts}; {tried}" if tried else attempts  # of a stream that broke off, no attempt had failed
    return f"The provider {_WORDS.get(failure.kind, 'failed')} ({said})."
