"""Bedrock's errors: {"message"}, and the exception's name in the header `x-amzn-errortype`; in a stream, a message.

Sources: the errors of Converse in the service model that AWS publishes with its SDKs, and the list of error codes at
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html. AWS says 403 to a wrong key,
so the word `auth` does; an overloaded service is 503, so the word `overloaded` is. A word `code=X` is the exception's
name; in the middle of a stream its first letter is small.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.sandbox.cohere_errors import uuid_of
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import JSON, Bad, Headers

SERIALIZATION: Final = "SerializationException"
_SPACE: Final = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_INTERNAL: Final = "The system encountered an unexpected error during processing. Try your request again."
_BUSY: Final = "Bedrock is unable to process your request."

LATE: Final = Bad(_INTERNAL, status=500)


class _Known(msgspec.Struct, frozen=True):
    type: str
    message: str
    status: int | None = None


_BY_STATUS: Final = {
    400: _Known("ValidationException", "The request is not valid."),
    401: _Known("UnrecognizedClientException", "The security token included in the request is invalid."),
    402: _Known("INVALID_PAYMENT_INSTRUMENT", "A valid payment instrument must be provided."),
    403: _Known("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: _Known("ResourceNotFoundException", "Could not resolve the foundation model from the model identifier."),
    408: _Known("ModelTimeoutException", "The request took too long to process."),
    413: _Known("RequestEntityTooLargeException", "The request is too large."),
    424: _Known("ModelErrorException", "The request failed due to an error while processing the model."),
    429: _Known("ThrottlingException", "Too many requests, please wait before trying again."),
    500: _Known("InternalServerException", _INTERNAL),
    503: _Known("ServiceUnavailableException", _BUSY),
}
_BY_CODE: Final = {
    "invalid_api_key": msgspec.structs.replace(_BY_STATUS[401], status=403),
    "model_not_found": _BY_STATUS[404],
    "insufficient_quota": _Known("ThrottlingException", "Too many tokens per day, please wait before trying again."),
    "overloaded_error": _Known("ServiceUnavailableException", _BUSY, 503),
    "server_is_overloaded": _Known("ServiceUnavailableException", _BUSY),
    "context_length_exceeded": _Known(
        "ValidationException", "The model returned the following errors: Input is too long for requested model."
    ),
    "content_filter": _Known(
        "ValidationException", "The model returned the following errors: Output blocked by content filtering policy"
    ),
    "unsupported_parameter": _Known(
        "ValidationException", "This model doesn't support the {param} field. Remove {param} and try again."
    ),
    "invalid_value": _BY_STATUS[400],
    "method_not_supported": _Known("UnknownOperationException", ""),
    "unknown_operation": _Known("UnknownOperationException", ""),
    "server_error": _BY_STATUS[500],
}
_IN_A_STREAM: Final = {
    "ModelStreamErrorException": "An error occurred while streaming the response. Retry your request.",
    **{known.type: known.message for known in _BY_STATUS.values()},
}


def in_a_stream(code: str | None) -> tuple[str, bytes]:
    """The type and the payload of the exception of `error-at`: the one that a word `code=…Exception` names."""
    kind = code if code is not None and code.endswith("Exception") else "InternalServerException"
    kind = kind[:1].upper() + kind[1:]
    body = msgspec.json.encode({"message": _IN_A_STREAM.get(kind, _INTERNAL)})
    return kind[:1].lower() + kind[1:], body


def error(bad: Bad, digest: str) -> Plan:
    """The answer; without a message, the words that go with the code or the status."""
    code = bad.code
    if bad.message is not None and bad.status == 404 and code is None:
        code = "unknown_operation"  # only a path that leads nowhere is refused so
    of_status = _BY_STATUS.get(bad.status)
    if of_status is None:
        of_status = _Known("ValidationException" if bad.status < 500 else "InternalServerException", "")
    known = _BY_CODE.get(code or "", of_status)
    kind = code if code is not None and code not in _BY_CODE else known.type
    message = known.message.format(param=bad.param) if bad.message is None else bad.message
    status = known.status if known.status is not None and bad.message is None else bad.status
    body = msgspec.json.encode({"message": message or f"Status {bad.status}."})
    return Plan(status=status, headers=(*headers(digest), ("x-amzn-errortype", f"{kind}:{_SPACE}")), body=body)


def headers(digest: str) -> Headers:
    """Those of every answer; without a digest there was no request to name."""
    return (*JSON, ("x-amzn-requestid", uuid_of(digest))) if digest else JSON
