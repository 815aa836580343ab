"""Errors, both ways: `{"error": "words"}`, as a body and as a line of a stream that has begun.

Ollama has no codes. The words are those of its server (https://github.com/ollama/ollama/blob/main/server/routes.go,
sched.go); they count before the status, which is 400 or 500 for most of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind, Refusal
from gateway.protocols import hints, statuses
from gateway.protocols.contract import Headers
from gateway.protocols.reading import json_or_none

_WORDS: Final = (
    ("exceeds the context length", Kind.CONTEXT_WINDOW),
    ("exceeded max context length", Kind.CONTEXT_WINDOW),
    ("exceeds the available context size", Kind.CONTEXT_WINDOW),
    ("prompt too long", Kind.CONTEXT_WINDOW),
    ("does not support", Kind.UNSUPPORTED),
    ("is not supported for this model", Kind.UNSUPPORTED),
    ("try pulling it first", Kind.NOT_FOUND),
    ("server busy", Kind.OVERLOADED),
    ("usage limit", Kind.QUOTA),
)
_STATUSES: Final[dict[int, Kind]] = {
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.AUTH,
    404: Kind.NOT_FOUND,
    408: Kind.SERVER_ERROR,
    413: Kind.CONTEXT_WINDOW,
    429: Kind.RATE_LIMIT,
    529: Kind.OVERLOADED,
}


def failure_of(error: Any, status: int | None, retry_after: float | None = None) -> Failure:
    """The failure that an `error` stands for; `status` is None inside a 200."""
    if isinstance(error, dict):  # proxies before it write OpenAI's
        error = error.get("message")
    said = isinstance(error, str) and bool(error)
    message = error if isinstance(error, str) and said else "the upstream gave no message"
    return Failure(kind=_kind(status, message), message=message[:2000], status=status, retry_after=retry_after)


def _kind(status: int | None, message: str) -> Kind:
    lowered = message.lower()
    if status is None or status in (400, 404, 422, 429) or status >= 500:
        for words, kind in _WORDS:
            if words in lowered:
                return kind
    return statuses.kind_of(status, _STATUSES)


def decode_error(status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. `now`: seconds since the epoch, for hints that are dates."""
    retry_after = hints.retry_after(headers, now)
    value = json_or_none(body)
    error = value.get("error", value.get("message")) if isinstance(value, dict) else None
    if error is None:
        error = f"HTTP {status} without an error that could be read"
    return failure_of(error, status, retry_after)


def encode_error(refusal: Refusal, _request_id: str) -> bytes:
    """Ollama's error body: its words are all that clients read."""
    return msgspec.json.encode({"error": refusal.message})


def encode_stream_error(refusal: Refusal, request_id: str) -> bytes:
    """The same as the last line of a stream; Ollama's clients raise on it."""
    return encode_error(refusal, request_id) + b"\n"
