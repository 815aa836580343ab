"""Errors of the messages wire, both ways: https://platform.claude.com/docs/en/api/errors."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind, Refusal
from gateway.protocols import hints, statuses
from gateway.protocols.contract import Headers
from gateway.protocols.reading import json_or_none

_KINDS: Final[dict[str, Kind]] = {
    "invalid_request_error": Kind.INVALID_REQUEST,
    "authentication_error": Kind.AUTH,
    "billing_error": Kind.QUOTA,
    "permission_error": Kind.AUTH,
    "not_found_error": Kind.NOT_FOUND,
    "request_too_large": Kind.CONTEXT_WINDOW,
    "rate_limit_error": Kind.RATE_LIMIT,
    "timeout_error": Kind.TIMEOUT,
    "api_error": Kind.SERVER_ERROR,
    "overloaded_error": Kind.OVERLOADED,
}
_STATUSES: Final[dict[int, Kind]] = {
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.AUTH,
    404: Kind.NOT_FOUND,
    408: Kind.SERVER_ERROR,
    413: Kind.CONTEXT_WINDOW,
    429: Kind.RATE_LIMIT,
    504: Kind.SERVER_ERROR,
    529: Kind.OVERLOADED,
}
_TYPES: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# What an invalid_request_error says when it is about something else than the request's form.
_QUOTA: Final = ("credit balance is too low", "usage limits", "workspace api usage limits", "spend limit")
_TOO_LONG: Final = (
    "prompt is too long",
    "exceed context limit",
    "input length and `max_tokens` exceed",
    "too many tokens",
    "maximum context length",  # vLLM
    "available context size",  # llama.cpp
)
_FILTERED: Final = ("output blocked by content filtering policy",)


def failure_of(error: Any, status: int | None, retry_after: float | None = None) -> Failure:
    """The failure that an `error` value stands for; `status` is None inside a 200."""
    error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    word = error.get("type")
    word = word if isinstance(word, str) else None
    message = error.get("message")
    message = message if isinstance(message, str) and message else "the upstream gave no message"
    return Failure(
        kind=_kind(status, word, message.lower()),
        message=message[:2000],
        status=status,
        retry_after=retry_after,
        type=word,
    )


def _kind(status: int | None, word: str | None, message: str) -> Kind:
    kind = _KINDS.get(word or "")
    if kind is Kind.INVALID_REQUEST or (kind is None and status == 400):
        for words, meant in ((_QUOTA, Kind.QUOTA), (_TOO_LONG, Kind.CONTEXT_WINDOW), (_FILTERED, Kind.CONTENT_FILTER)):
            if any(each in message for each in words):
                return meant
    if kind is not None and status not in (408, 504):
        return kind
    return statuses.kind_of(status, _STATUSES)


def decode_error(status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. `now`: seconds since the epoch, for hints that are dates."""
    retry_after = hints.retry_after(headers, now)
    value = json_or_none(body)
    if isinstance(value, list) and len(value) == 1:  # Google's, in front of Claude
        value = value[0]
    error = value.get("error", value) if isinstance(value, dict) else None
    if error is None:
        error = {"message": f"HTTP {status} without an error that could be read"}
    return failure_of(error, status, retry_after)


def _envelope(refusal: Refusal, request_id: str) -> dict[str, Any]:
    word = _TYPES.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    if refusal.code == "context_length_exceeded" and "prompt is too long" not in refusal.message:
        message = f"prompt is too long: {refusal.message}"  # the words by which clients of this wire know it
    else:
        message = refusal.message
    return {"type": "error", "error": {"type": word, "message": message}, "request_id": request_id}


def encode_error(refusal: Refusal, request_id: str) -> bytes:
    """Anthropic's error body."""
    return msgspec.json.encode(_envelope(refusal, request_id))


def encode_stream_error(refusal: Refusal, request_id: str) -> bytes:
    """An `error` event, which every Anthropic SDK raises on."""
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(_envelope(refusal, request_id))
