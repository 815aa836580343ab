"""What an error means: `{"message", "id"}`, with `error_type` on some. https://docs.cohere.com/reference/errors.

The status decides, and words where one status has several meanings: 400 for a prompt that is too long, 429 for a trial
key whose month is used up.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.failure import Failure, Kind
from gateway.protocols import hints, statuses
from gateway.protocols.contract import Headers
from gateway.protocols.reading import json_or_none

_STATUSES: Final[dict[int, Kind]] = {
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.AUTH,
    404: Kind.NOT_FOUND,
    408: Kind.SERVER_ERROR,
    413: Kind.CONTEXT_WINDOW,
    429: Kind.RATE_LIMIT,
    498: Kind.AUTH,
    499: Kind.SERVER_ERROR,  # their side gave the request up: "try again"
    501: Kind.UNSUPPORTED,
    529: Kind.OVERLOADED,
}
_UNSUPPORTED: Final = ("is not supported", "are not supported", "not supported by", "does not support")


def failure_of(message: Any, status: int | None, retry_after: float | None = None, type_: Any = None) -> Failure:
    """The failure that an error's words stand for; `status` is None inside a 200."""
    words = message if isinstance(message, str) and message else "the upstream gave no message"
    return Failure(
        kind=_kind(status, words.lower()),
        message=words[:2000],
        status=status,
        retry_after=retry_after,
        type=type_ if isinstance(type_, str) else None,
    )


def _kind(status: int | None, words: str) -> Kind:
    if status in (None, 400, 413, 422):
        if "too many tokens" in words and "maximum output" not in words:
            return Kind.CONTEXT_WINDOW
        if status in (400, 422) and any(each in words for each in _UNSUPPORTED):
            return Kind.UNSUPPORTED
    if status == 429 and "trial key" in words and "month" in words:
        return Kind.QUOTA
    return statuses.kind_of(status, _STATUSES)


def decode_error(status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. `now`: seconds since the epoch, for hints that are dates."""
    retry_after = hints.retry_after(headers, now)
    value = json_or_none(body)
    message = value.get("message") if isinstance(value, dict) else None
    if isinstance(value, dict) and message is None:  # proxies before it write other envelopes
        error = value.get("error")
        message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str):
        message = f"HTTP {status} without an error that could be read"
    return failure_of(message, status, retry_after, value.get("error_type") if isinstance(value, dict) else None)
