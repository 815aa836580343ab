"""Errors, both ways: google.rpc.Status.

Source of facts: https://ai.google.dev/gemini-api/docs/troubleshooting, https://cloud.google.com/apis/design/errors, and
google/rpc/error_details.proto. A status alone says little: a bad key is 400 INVALID_ARGUMENT with the reason
API_KEY_INVALID, and a quota of the day differs from one of the minute only in its id. There is no Retry-After: the
wait is in RetryInfo. Streams may carry the same object alone in an array.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind, Refusal
from gateway.protocols import hints, statuses
from gateway.protocols.contract import Headers
from gateway.protocols.reading import json_or_none

_TYPE: Final = "type.googleapis.com/google.rpc."
_REASONS: Final[dict[str, Kind]] = {
    "API_KEY_INVALID": Kind.AUTH,
    "API_KEY_EXPIRED": Kind.AUTH,
    "API_KEY_SERVICE_BLOCKED": Kind.AUTH,
    "API_KEY_HTTP_REFERRER_BLOCKED": Kind.AUTH,
    "API_KEY_IP_ADDRESS_BLOCKED": Kind.AUTH,
    "ACCESS_TOKEN_EXPIRED": Kind.AUTH,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": Kind.AUTH,
    "CREDENTIALS_MISSING": Kind.AUTH,
    "SERVICE_DISABLED": Kind.AUTH,
    "CONSUMER_SUSPENDED": Kind.AUTH,
    "BILLING_DISABLED": Kind.QUOTA,
    "CONTENT_FILTER": Kind.CONTENT_FILTER,
}
_WORDS: Final[dict[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "DATA_LOSS": 500,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_STATUSES: Final[dict[int, Kind]] = {
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.AUTH,
    404: Kind.NOT_FOUND,
    408: Kind.SERVER_ERROR,
    413: Kind.CONTEXT_WINDOW,
    429: Kind.RATE_LIMIT,
    499: Kind.SERVER_ERROR,
    529: Kind.OVERLOADED,
}
_TOO_LONG: Final = (
    "exceeds the maximum number of tokens",
    "request payload size exceeds",
    "input context is too long",
    "token count exceeds",
)
_UNSUPPORTED: Final = re.compile(
    r"not supported|unsupported|not enabled|does(?: not|n't) support|only supported|Unknown name|can't be combined"
)
_OVERLOADED: Final = ("overloaded", "high demand", "try again later")
_RETRY: Final = re.compile(r"retry in (\d+(?:\.\d+)?)(ms|s)\b")
_OUT: Final[dict[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _details(error: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = error.get("details")
    rows = rows if isinstance(rows, list) else []
    return [each for each in rows if isinstance(each, dict) and str(each.get("@type")).endswith(f".{name}")]


def _first(rows: list[dict[str, Any]], name: str) -> Any:
    return next((each[name] for each in rows if name in each), None)


def _violations(error: dict[str, Any], detail: str, name: str) -> list[dict[str, Any]]:
    found = _first(_details(error, detail), name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _wait(error: dict[str, Any], message: str) -> float | None:
    delay = _text(_first(_details(error, "RetryInfo"), "retryDelay"))
    if delay is not None and re.fullmatch(r"\d{1,9}(\.\d+)?s", delay):
        return float(delay[:-1])
    match = _RETRY.search(message)
    return float(match[1][:12]) / (1000 if match[2] == "ms" else 1) if match is not None else None


def failure_of(error: Any, status: int | None, retry_after: float | None = None) -> Failure:
    """The failure that an `error` value stands for; `status` is None inside a 200, where the body's own code counts."""
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        error = {}
    word = _text(error.get("status"))
    code = error.get("code")
    if status is None:
        number = isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600
        status = code if number else _WORDS.get(word or "")
    message = _text(error.get("message")) or "the upstream gave no message"
    reason = _text(_first(_details(error, "ErrorInfo"), "reason"))
    wait = _wait(error, message)
    return Failure(
        kind=_kind(status, word, reason, message, error),
        message=message[:2000],
        status=status,
        retry_after=retry_after if wait is None else wait,
        code=reason or _text(code) or word,
        param=_text(_first(_violations(error, "BadRequest", "fieldViolations"), "field")),
        type=word,
    )


def _kind(status: int | None, word: str | None, reason: str | None, message: str, error: dict[str, Any]) -> Kind:
    if reason is not None and reason in _REASONS:
        return _REASONS[reason]
    lowered = message.lower()
    if status == 429:
        ids = [str(each.get("quotaId")) for each in _violations(error, "QuotaFailure", "violations")]
        daily = any("PerDay" in each for each in ids)
        return Kind.QUOTA if daily or "prepay" in lowered or "credits are depleted" in lowered else Kind.RATE_LIMIT
    if status is None:
        return Kind.BAD_RESPONSE
    if status in (400, 413, 422):
        if "api key" in lowered and ("not valid" in lowered or "expired" in lowered):
            return Kind.AUTH
        if any(words in lowered for words in _TOO_LONG):
            return Kind.CONTEXT_WINDOW
        if word == "FAILED_PRECONDITION":
            return Kind.QUOTA if "billing" in lowered else Kind.AUTH
        if _UNSUPPORTED.search(message) is not None:
            return Kind.UNSUPPORTED
    if status == 503 and any(words in lowered for words in _OVERLOADED):
        return Kind.OVERLOADED
    return statuses.kind_of(status, _STATUSES)


def decode_error(status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. `now`: seconds since the epoch, for hints that are dates."""
    retry_after = hints.retry_after(headers, now)
    text = body.removeprefix(b"data:").strip()
    value = json_or_none(text)
    if isinstance(value, list) and value:
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(value, dict) and not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else value.get("message")}
    failure = failure_of(error, status, retry_after)
    if error is None:
        return msgspec.structs.replace(failure, message=f"HTTP {status} without an error that could be read")
    return failure


def _envelope(refusal: Refusal, request_id: str) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {
            "@type": f"{_TYPE}ErrorInfo",
            "reason": refusal.code.upper() if refusal.code != "invalid_api_key" else "API_KEY_INVALID",
            "domain": "gateway",
        },
        {"@type": f"{_TYPE}RequestInfo", "requestId": request_id},
    ]
    if refusal.retry_after is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{refusal.retry_after:g}s"})
    if refusal.param is not None:
        row = {"field": refusal.param, "description": refusal.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [row]})
    word = _OUT.get(refusal.status) or ("INTERNAL" if refusal.status >= 500 else "INVALID_ARGUMENT")
    return {"code": refusal.status, "message": refusal.message, "status": word, "details": details}


def encode_error(refusal: Refusal, request_id: str) -> bytes:
    """Google's error body; the parts of OpenAI's vocabulary that it has no field for stand in its details."""
    return msgspec.json.encode({"error": _envelope(refusal, request_id)})


def encode_stream_error(refusal: Refusal, request_id: str) -> bytes:
    """A last event that is the error body; Google's SDKs raise on it."""
    return b"data: " + encode_error(refusal, request_id) + b"\n\n"
