"""OpenAI's error bodies: {"error": {"message", "type", "param", "code"}}, all four always there.

Messages, types and codes are those that the API was seen to send; where a status has none of its own, the type is
the status's class and the code null.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.sandbox.plan import Plan
from gateway.sandbox.script import Script

JSON: Final = (("content-type", "application/json"),)


class Bad(Exception):  # noqa: N818 - it reads as what the request is
    """A request that is refused, in the words of the wire."""

    def __init__(
        self, message: str, code: str | None = None, param: str | None = None, *, status: int = 400, allow: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.allow = allow  # the methods that a 405 names


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


def body(status: int, message: str | None = None, code: str | None = None, param: str | None = None) -> bytes:
    """An error body; without a message, the one that goes with the code or the status."""
    of_status = _BY_STATUS.get(status)
    if of_status is None:
        of_status = _Known("invalid_request_error" if status < 500 else "server_error", f"Status {status}.")
    known = _BY_CODE.get(code or "", of_status)
    if message is None:
        message = known.message.format(param=param)
    return msgspec.json.encode({"error": {"message": message, "type": known.type, "param": param, "code": code}})


def refused(bad: Bad) -> Plan:
    """The answer to a request that is refused."""
    allow = (("allow", bad.allow),) if bad.allow else ()
    text = body(bad.status, str(bad), bad.code, bad.param)
    return Plan(status=bad.status, headers=(*JSON, *allow), body=text)


def scripted(status: int, script: Script) -> Plan:
    """The error that a script asks for."""
    code = script.code
    if code is None and status in _BY_STATUS:
        code = _BY_STATUS[status].code
    extra = (("retry-after", script.retry_after),) if script.retry_after is not None else ()
    return Plan(status=status, headers=(*JSON, *extra), body=body(status, code=code, param=script.param))


def in_the_middle() -> bytes:
    """The error of `error-in-200` and `error-at`: the status is 200, so the body alone says it."""
    return body(500, code="server_error")
