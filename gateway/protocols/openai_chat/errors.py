"""Errors, both ways: what an upstream's error means, and what a client is told.

Compatible providers write the envelope in many shapes (`error` as object or text, `code` as number, `detail` or
`message` at the top); all of them are read, only OpenAI's own is written. Status, type and code decide the kind, in
this order: a code that names one thing exactly, then the status, then words in the message where a provider has
nothing better to offer.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind, Refusal
from gateway.protocols import hints, statuses
from gateway.protocols.contract import Headers
from gateway.protocols.reading import json_or_none

_CODES: Final[dict[str, Kind]] = {
    "context_length_exceeded": Kind.CONTEXT_WINDOW,
    "insufficient_quota": Kind.QUOTA,
    "billing_error": Kind.QUOTA,
    "billing_hard_limit_reached": Kind.QUOTA,
    "billing_not_active": Kind.QUOTA,
    "model_not_found": Kind.NOT_FOUND,
    "invalid_api_key": Kind.AUTH,
    "content_filter": Kind.CONTENT_FILTER,
    "content_policy_violation": Kind.CONTENT_FILTER,
    "unsupported_parameter": Kind.UNSUPPORTED,
    "unsupported_value": Kind.UNSUPPORTED,
    "slow_down": Kind.OVERLOADED,
    "server_is_overloaded": Kind.OVERLOADED,
    "overloaded_error": Kind.OVERLOADED,
    "engine_overloaded": Kind.OVERLOADED,
    "rate_limit_exceeded": Kind.RATE_LIMIT,
}

# Words that say no more than a status does; they count where there is no status, as inside a 200.
_GENERAL: Final[dict[str, Kind]] = {
    "rate_limit_error": Kind.RATE_LIMIT,
    "server_error": Kind.SERVER_ERROR,
    "api_error": Kind.SERVER_ERROR,
    "internal_server_error": Kind.SERVER_ERROR,
}

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

# What servers without error codes say when a prompt is too long (vLLM, llama.cpp, TGI, OpenAI's older text).
_TOO_LONG: Final = (
    "maximum context length",
    "context length",
    "context window",
    "exceeds the available context size",
    "input is too long",
    "prompt is too long",
    "too many tokens",
)

_TYPES: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def failure_of(error: Any, status: int | None, retry_after: float | None = None) -> Failure:
    """The failure that an `error` value of any shape stands for; `status` is None inside a 200."""
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        error = {}
    raw_code = error.get("code")
    code = _text(raw_code)
    if status is None and isinstance(raw_code, int) and not isinstance(raw_code, bool) and 400 <= raw_code < 600:
        status = raw_code
    kind_word = _text(error.get("type"))
    message = _text(error.get("message")) or "the upstream gave no message"
    return Failure(
        kind=_kind(status, code, kind_word, message),
        message=message[:2000],
        status=status,
        retry_after=retry_after,
        code=code,
        param=_text(error.get("param")),
        type=kind_word,
    )


def _kind(status: int | None, code: str | None, type_: str | None, message: str) -> Kind:
    for word in (code, type_):
        if word is not None and word in _CODES:
            kind = _CODES[word]
            if kind is Kind.RATE_LIMIT and status == 503:
                return Kind.OVERLOADED
            return kind
    if status is None:
        return _GENERAL.get(code or "") or _GENERAL.get(type_ or "") or Kind.BAD_RESPONSE
    if status in (400, 413, 422):
        lowered = message.lower()
        if any(words in lowered for words in _TOO_LONG):
            return Kind.CONTEXT_WINDOW
    return statuses.kind_of(status, _STATUSES)


def decode_error(status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. `now`: seconds since the epoch, for hints that are dates."""
    retry_after = hints.retry_after(headers, now)
    value = json_or_none(body)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    error: Any = None
    if isinstance(value, dict):
        error = value.get("error")
        if not isinstance(error, dict):
            words = error if isinstance(error, str) else value.get("message") or value.get("detail")
            error = {**value, "message": words if isinstance(words, str) else None}
    failure = failure_of(error, status, retry_after)
    if error is None:
        return msgspec.structs.replace(failure, message=f"HTTP {status} without an error that could be read")
    return failure


def _envelope(refusal: Refusal, request_id: str) -> dict[str, Any]:
    error: dict[str, Any] = {
        "message": refusal.message,
        "type": refusal.type or _TYPES.get(refusal.status, "api_error"),
        "param": refusal.param,
        "code": refusal.code,
        "request_id": request_id,
    }
    return error


def encode_error(refusal: Refusal, request_id: str) -> bytes:
    """OpenAI's error body, with the request id beside its four fields."""
    return msgspec.json.encode({"error": _envelope(refusal, request_id)})


def encode_stream_error(refusal: Refusal, request_id: str) -> bytes:
    """A frame that is an error and no chunk, as OpenAI's own, then [DONE]: every OpenAI SDK raises on it.

    With `choices` beside the `error`, clients that tell the two by their shapes (the AI SDK) take it for a good end.
    """
    return b"data: %b\n\ndata: [DONE]\n\n" % encode_error(refusal, request_id)
