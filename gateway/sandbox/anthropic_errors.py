"""Anthropic's error bodies: {"type": "error", "error": {"type", "message"}, "request_id"}.

Source: https://platform.claude.com/docs/en/api/errors. An account without money is a 400 there, whatever the status of
the word; a `code` that is none of the words' is the type of the error.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import JSON, Bad, Headers

_BY_STATUS: Final = {
    400: ("invalid_request_error", "The request could not be processed."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is an issue with your billing or payment information."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: not-found"),
    409: ("conflict_error", "The request conflicts with the current state of the resource."),
    413: ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out while processing."),
    529: ("overloaded_error", "Overloaded"),
}  # fmt: skip

_BY_CODE: Final = {
    "invalid_api_key": (401, "authentication_error", "invalid x-api-key"),
    "insufficient_quota": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase credits.",
    ),
    "model_not_found": (404, "not_found_error", "model: not-found"),
    "context_length_exceeded": (
        400,
        "invalid_request_error",
        "prompt is too long: 201000 tokens > 200000 maximum",
    ),
    "content_filter": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "unsupported_parameter": (400, "invalid_request_error", "{param}: Extra inputs are not permitted"),
    "server_is_overloaded": (503, "overloaded_error", "Overloaded"),
}

LATE: Final = Bad(None, "overloaded_error", status=529)


def error(bad: Bad, digest: str) -> Plan:
    """The answer."""
    status, kind, message = _told(bad)
    retry = "true" if status in (408, 409, 429) or status >= 500 else "false"
    text = msgspec.json.encode(value_of(kind, message, digest))
    return Plan(status=status, headers=(*headers(digest), ("x-should-retry", retry)), body=text)


def late(digest: str) -> bytes:
    """The error of a stream that has begun."""
    _, kind, message = _told(LATE)
    return msgspec.json.encode(value_of(kind, message, digest))


def headers(digest: str) -> Headers:
    """Those of every answer."""
    return (*JSON, ("request-id", request_id(digest))) if digest else JSON


def request_id(digest: str) -> str:
    """The id of a request."""
    return f"req_{digest[:24]}"


def value_of(kind: str, message: str, digest: str) -> dict[str, Any]:
    """An error."""
    named = {"request_id": request_id(digest)} if digest else {}
    return {"type": "error", "error": {"type": kind, "message": message}, **named}


def _told(bad: Bad) -> tuple[int, str, str]:
    """Status, type, message."""
    status = bad.status
    kind, message = _BY_STATUS.get(
        status, ("invalid_request_error" if status < 500 else "api_error", f"Status {status}.")
    )
    if bad.message is not None:
        return status, kind, bad.message
    if bad.code in _BY_CODE:
        usual, kind, message = _BY_CODE[bad.code]
        return usual, kind, message.format(param=bad.param)
    return status, bad.code if bad.code is not None else kind, message
