"""What an error means: its exception's name, and, where the name says little, words of its message.

The name is in `x-amzn-errortype`, in the body's `__type` or `code`, or in a stream's `:exception-type`, with or without
a namespace. Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, the errors of
API_runtime_Converse and API_runtime_ConverseStream, and /userguide/troubleshooting-api-error-codes.html.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.failure import Failure, Kind
from gateway.protocols import hints, statuses
from gateway.protocols.contract import Headers
from gateway.protocols.reading import json_or_none

_TYPES: Final[dict[str, Kind]] = {
    "throttlingexception": Kind.RATE_LIMIT,
    "throttling": Kind.RATE_LIMIT,
    "toomanyrequestsexception": Kind.RATE_LIMIT,
    "requestlimitexceeded": Kind.RATE_LIMIT,
    "servicequotaexceededexception": Kind.QUOTA,
    "modelnotreadyexception": Kind.OVERLOADED,
    "serviceunavailableexception": Kind.OVERLOADED,
    "serviceunavailable": Kind.OVERLOADED,
    "modeltimeoutexception": Kind.TIMEOUT,
    "requesttimeoutexception": Kind.TIMEOUT,
    "modelerrorexception": Kind.SERVER_ERROR,
    "modelstreamerrorexception": Kind.SERVER_ERROR,
    "internalserverexception": Kind.SERVER_ERROR,
    "internalfailure": Kind.SERVER_ERROR,
    "accessdeniedexception": Kind.AUTH,
    "unrecognizedclientexception": Kind.AUTH,
    "expiredtokenexception": Kind.AUTH,
    "expiredtoken": Kind.AUTH,
    "requestexpired": Kind.AUTH,
    "invalidsignatureexception": Kind.AUTH,
    "signaturedoesnotmatch": Kind.AUTH,
    "incompletesignature": Kind.AUTH,
    "incompletesignatureexception": Kind.AUTH,
    "invalidclienttokenid": Kind.AUTH,
    "missingauthenticationtoken": Kind.AUTH,
    "missingauthenticationtokenexception": Kind.AUTH,
    "notauthorized": Kind.AUTH,
    "optinrequired": Kind.AUTH,
    "resourcenotfoundexception": Kind.NOT_FOUND,
    "unknownoperationexception": Kind.NOT_FOUND,
    "validationexception": Kind.INVALID_REQUEST,
    "validationerror": Kind.INVALID_REQUEST,
    "serializationexception": Kind.INVALID_REQUEST,
    "malformedhttprequestexception": Kind.INVALID_REQUEST,
}

_STATUSES: Final[dict[int, Kind]] = {
    401: Kind.AUTH,
    403: Kind.AUTH,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    413: Kind.CONTEXT_WINDOW,
    424: Kind.SERVER_ERROR,
    429: Kind.RATE_LIMIT,
    503: Kind.OVERLOADED,
}

# Words of messages, for the kinds of which one name stands for several things; the first that is found counts.
_WORDS: Final[dict[Kind, tuple[tuple[str, Kind], ...]]] = {
    Kind.INVALID_REQUEST: (
        ("input is too long", Kind.CONTEXT_WINDOW),
        ("prompt is too long", Kind.CONTEXT_WINDOW),
        ("input tokens exceeded", Kind.CONTEXT_WINDOW),
        ("too many input tokens", Kind.CONTEXT_WINDOW),
        ("exceeds maximum length", Kind.CONTEXT_WINDOW),
        ("exceed context limit", Kind.CONTEXT_WINDOW),
        ("maximum context length", Kind.CONTEXT_WINDOW),
        ("context window", Kind.CONTEXT_WINDOW),
        ("model identifier is invalid", Kind.NOT_FOUND),
        ("on-demand throughput isn", Kind.NOT_FOUND),
        ("with on-demand throughput", Kind.NOT_FOUND),
        ("end of its life", Kind.NOT_FOUND),
        ("model doesn't exist", Kind.NOT_FOUND),
        ("model does not exist", Kind.NOT_FOUND),
        ("isn't supported in this region", Kind.NOT_FOUND),
        ("operation not allowed", Kind.AUTH),
        ("not authorized to invoke", Kind.AUTH),
        ("content filter", Kind.CONTENT_FILTER),
        ("blocked by", Kind.CONTENT_FILTER),
        ("doesn't support", Kind.UNSUPPORTED),
        ("does not support", Kind.UNSUPPORTED),
        ("isn't supported", Kind.UNSUPPORTED),
        ("is not supported", Kind.UNSUPPORTED),
        ("not supported by", Kind.UNSUPPORTED),
        ("extraneous key", Kind.UNSUPPORTED),
        ("deprecated for this model", Kind.UNSUPPORTED),
    ),
    # Access is granted model by model: the credential is good for others.
    Kind.AUTH: (
        ("access to the model", Kind.NOT_FOUND),
        ("model access is denied", Kind.NOT_FOUND),
        ("access to this model", Kind.NOT_FOUND),
    ),
    Kind.RATE_LIMIT: (("per day", Kind.QUOTA),),
}


def _text(*values: Any) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)


def _name(word: str | None) -> str | None:
    """`ns#Name` and `Name:http://…` as `Name`."""
    return None if word is None else word.rpartition("#")[2].partition(":")[0].strip() or None


def failure_of(body: Any, name: str | None, status: int | None, retry_after: float | None = None) -> Failure:
    """The failure of an error's body. `name` is the exception's, where a header says it; `status` is None in a 200."""
    fields = body if isinstance(body, dict) else {}
    if isinstance(fields.get("error"), dict):  # the words of a proxy in between
        fields = fields | fields["error"]
    name = _name(_text(name, fields.get("__type"), fields.get("code"), fields.get("type")))
    message = _text(
        fields.get("message"), fields.get("Message"), fields.get("originalMessage"), fields.get("errorMessage")
    )
    kind = _kind(name, status, fields.get("originalStatusCode"), message or "")
    if message is None:
        message = name or (f"HTTP {status} without an error that could be read" if status else "an error without words")
    return Failure(kind=kind, message=message[:2000], status=status, retry_after=retry_after, code=name, type=name)


def _kind(name: str | None, status: int | None, original: Any, message: str) -> Kind:
    kind = _TYPES.get(name.lower()) if name is not None else None
    if kind is None:
        kind = _by_status(status)
    if kind is Kind.SERVER_ERROR and original in (429, 503, 529):
        return Kind.OVERLOADED
    words = _WORDS.get(kind)
    if words is None:
        return kind
    lowered = message.lower().replace("\u2019", "'")
    return next((found for word, found in words if word in lowered), kind)


def _by_status(status: int | None) -> Kind:
    return statuses.kind_of(status, _STATUSES)


def decode_error(status: int, headers: Headers, body: bytes, now: float) -> Failure:
    """What a non-2xx answer means. `now`: seconds since the epoch, for hints that are dates."""
    value = json_or_none(body)
    return failure_of(value, headers.get("x-amzn-errortype"), status, hints.retry_after(headers, now))
