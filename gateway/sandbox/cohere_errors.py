"""Cohere's error bodies: {"id", "message"}, and beside them an `error_type` where the API was seen to send one.

Source: https://docs.cohere.com/reference/errors. What the API cannot read (a field that it does not know, a value of
the wrong type) is 422, what it reads and does not take is 400. An account without money is 402 there, so the word
`quota` is; an overloaded API is 503, so the word `overloaded` is. A word `code=X` is the `error_type`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import JSON, Bad, Headers

PAGE: Final = "For proper usage, please refer to https://docs.cohere.com/v2/reference/chat"
LATE: Final = Bad("internal server error, please try again", status=500)

_BY_STATUS: Final = {
    400: "invalid request: the request could not be processed.",
    401: "invalid api token",
    402: "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue",
    403: "forbidden",
    404: "model 'sandbox' not found, make sure the correct model ID was used and that you have access to the model.",
    422: f"unknown field: parameter 'x' is not a valid field. {PAGE}",
    429: "You are past the per minute request limit, please wait and try again later.",
    498: "blocked output: please ensure that your request follows the usage guidelines",
    499: "request cancelled by user",
    500: "internal server error, please try again",
    501: "not implemented",
    503: "service unavailable, please try again",
    504: "gateway timeout, please try again",
}


class _Known(msgspec.Struct, frozen=True):
    """What a code of script.py is here."""

    message: str
    status: int | None = None
    error_type: str | None = None


_BY_CODE: Final = {
    "invalid_api_key": _Known(_BY_STATUS[401]),
    "model_not_found": _Known(_BY_STATUS[404]),
    "invalid_value": _Known(_BY_STATUS[400]),
    "insufficient_quota": _Known(_BY_STATUS[402], 402),
    "overloaded_error": _Known(_BY_STATUS[503], 503),
    "server_is_overloaded": _Known(_BY_STATUS[503]),
    "context_length_exceeded": _Known(
        "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs. "
        "The limit for this model is 8192 tokens.",
        error_type="TOO_MANY_TOKENS",
    ),
    "content_filter": _Known("invalid request: the prompt was blocked by the usage guidelines."),
    "unsupported_parameter": _Known("invalid request: {param} is not supported by the provided model."),
    "method_not_supported": _Known("405 method not allowed"),
}


def error(bad: Bad, digest: str) -> Plan:
    """The answer; without a message, the words that go with the code or the status."""
    known = _BY_CODE.get(bad.code or "")
    status, message, error_type = bad.status, bad.message, bad.code
    if known is not None:
        error_type = known.error_type
    if message is None:
        message = _BY_STATUS.get(status, f"Status {status}.")
        if known is not None:
            status = known.status or status
            message = known.message.format(param=bad.param)
    if status == 404 and message.startswith("Invalid URL"):
        message = "404 page not found"
    body = {"id": uuid_of(digest), "message": message}
    if error_type is not None:
        body = {"error_type": error_type, **body}
    return Plan(status=status, headers=headers(digest), body=msgspec.json.encode(body))


def headers(digest: str) -> Headers:
    """Those of every answer; without a digest there was no request to name."""
    return (*JSON, ("x-debug-trace-id", digest[32:64])) if digest else JSON


def uuid_of(digest: str) -> str:
    """A UUID made of a hash."""
    digest = digest or "0" * 64
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
