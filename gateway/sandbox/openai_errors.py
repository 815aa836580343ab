"""OpenAI's error bodies: {"error": {"message", "type", "param", "code"}}, all four always there.

Messages, types and codes are those that the API was seen to send; where a status has none of its own, the type is
the status's class and the code null.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import JSON, Bad, Headers


class _Known(msgspec.Struct, frozen=True):
    type: str
    message: str
    code: str | None = None


_BY_STATUS: Final = {
    400: _Known("invalid_request_error", "The request could not be processed."),
    401: _Known(
        "invalid_request_error", "Incorrect API key provided: sk-sandb***************test.", "invalid_api_key"
    ),
    402: _Known("insufficient_quota", "Insufficient balance."),
    403: _Known(
        "request_forbidden", "Country, region, or territory not supported", "unsupported_country_region_territory"
    ),
    404: _Known("invalid_request_error", "The model does not exist or you do not have access.", "model_not_found"),
    408: _Known("server_error", "The request timed out."),
    409: _Known("conflict_error", "The request conflicts with another."),
    413: _Known("invalid_request_error", "The request is too large."),
    422: _Known("invalid_request_error", "The request was well formed, but it cannot be processed."),
    429: _Known(
        "requests", "Rate limit reached on requests per min (RPM): Limit 3, Used 3.", "rate_limit_exceeded"
    ),
    500: _Known("server_error", "The server had an error while processing your request. Sorry about that!"),
    502: _Known("server_error", "Bad gateway."),
    503: _Known("server_error", "The engine is currently unavailable, please try again later."),
    504: _Known("server_error", "The upstream did not answer in time."),
    529: _Known("overloaded_error", "Overloaded", "overloaded_error"),
}  # fmt: skip

_BY_CODE: Final = {
    "insufficient_quota": _Known(
        "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
    ),
    "context_length_exceeded": _Known(
        "invalid_request_error",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in more tokens. "
        "Please reduce the length of the messages.",
    ),
    "content_filter": _Known(
        "invalid_request_error",
        "The response was filtered due to the prompt triggering the content management policy. "
        "Please modify your prompt and retry.",
    ),
    "server_is_overloaded": _Known(
        "service_unavailable_error", "Our servers are currently overloaded. Please try again later."
    ),
    "slow_down": _Known("requests", "Please slow down the rate at which you send requests."),
    "unsupported_parameter": _Known(
        "invalid_request_error", "Unsupported parameter: {param!r} is not supported with this model."
    ),
}


LATE: Final = Bad(None, "server_error", status=500)


def error(bad: Bad, digest: str) -> Plan:
    """The answer; without a message, the words that go with the code or the status."""
    return Plan(status=bad.status, headers=headers(digest), body=_body(bad))


def headers(digest: str) -> Headers:
    """Those of every answer; without a digest there was no request to name."""
    return (*JSON, ("x-request-id", f"req_{digest[:32]}")) if digest else JSON


def late() -> bytes:
    """The error of `error-at`: the status is 200, so the body alone says it."""
    return _body(LATE)


def _body(bad: Bad) -> bytes:
    of_status = _BY_STATUS.get(bad.status)
    if of_status is None:
        of_status = _Known("invalid_request_error" if bad.status < 500 else "server_error", f"Status {bad.status}.")
    code = of_status.code if bad.code is None and bad.message is None else bad.code
    known = _BY_CODE.get(code or "", of_status)
    message = known.message.format(param=bad.param) if bad.message is None else bad.message
    return msgspec.json.encode({"error": {"message": message, "type": known.type, "param": bad.param, "code": code}})
