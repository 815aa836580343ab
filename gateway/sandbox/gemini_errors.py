"""Gemini's error bodies: {"error": {"code", "message", "status", "details"}}, a google.rpc.Status.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting and google.rpc's error_details.proto. There is no
Retry-After: a RetryInfo among the details says when. A wrong key is a 400, and being overloaded a 503, whatever the
status of the word; a `code` that is none of the words' is the reason of an ErrorInfo.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gateway.sandbox.gemini_shape import VIOLATION
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad, Headers

JSON: Final[Headers] = (("content-type", "application/json; charset=UTF-8"),)
_TYPE: Final = "type.googleapis.com/google.rpc."
_QUOTA: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)
_BUSY: Final = "The model is overloaded. Please try again later."

_BY_STATUS: Final = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Your API key doesn't have the required permissions."),
    404: ("NOT_FOUND", "Requested entity was not found."),
    409: ("ABORTED", "The operation was aborted."),
    429: ("RESOURCE_EXHAUSTED", _QUOTA),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"),
    501: ("UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled."),
    503: ("UNAVAILABLE", _BUSY),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}  # fmt: skip
_BY_CODE: Final = {
    "invalid_api_key": (400, "API key not valid. Please pass a valid API key."),
    "insufficient_quota": (429, _QUOTA),
    "model_not_found": (
        404,
        "models/not-found is not found for API version v1beta, or is not supported for generateContent. Call "
        "ListModels to see the list of available models and their supported methods.",
    ),
    "context_length_exceeded": (
        400,
        "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "unsupported_parameter": (400, 'Invalid JSON payload received. Unknown name "{param}": Cannot find field.'),
    "overloaded_error": (503, _BUSY),
    "server_is_overloaded": (503, _BUSY),
}

LATE: Final = Bad(None, "server_is_overloaded", status=503)


def error(bad: Bad, _: str) -> Plan:
    """The answer."""
    status, value = told(bad)
    return Plan(status=status, headers=JSON, body=msgspec.json.encode(value))


def error_in_array(bad: Bad, _: str) -> Plan:
    """The answer to who asked for a stream that is an array."""
    status, value = told(bad)
    return Plan(status=status, headers=JSON, body=msgspec.json.encode([value]))


def told(bad: Bad) -> tuple[int, dict[str, Any]]:
    """Its status and its body."""
    status, message = bad.status, bad.message
    if message is None and bad.code in _BY_CODE:
        status, message = _BY_CODE[bad.code]
        message = message.format(param=bad.param)
    name, usual = _BY_STATUS.get(status, ("FAILED_PRECONDITION" if status < 500 else "UNKNOWN", f"Status {status}."))
    told: dict[str, Any] = {"code": status, "message": usual if message is None else message, "status": name}
    details = _details(bad, status, told["message"])
    if details:
        told["details"] = details
    return status, {"error": told}


def _details(bad: Bad, status: int, message: str) -> list[dict[str, Any]]:
    if bad.code == VIOLATION:
        field = {"field": bad.param} if bad.param else {}
        return [{"@type": f"{_TYPE}BadRequest", "fieldViolations": [{**field, "description": message}]}]
    if bad.message is not None:
        return []
    if status == 429:
        daily = bad.code == "insufficient_quota"
        violation = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": f"GenerateRequestsPer{'Day' if daily else 'Minute'}PerProjectPerModel-FreeTier",
            "quotaDimensions": {"location": "global", "model": "sandbox"},
            "quotaValue": "50" if daily else "10",
        }
        wait = bad.retry_after if re.fullmatch(r"\d+(\.\d+)?", bad.retry_after or "") else "7"
        return [
            {"@type": f"{_TYPE}QuotaFailure", "violations": [violation]},
            {"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{wait}s"},
        ]
    if bad.code == "invalid_api_key":
        return [_info("API_KEY_INVALID")]
    return [] if bad.code is None or bad.code in _BY_CODE else [_info(bad.code)]


def _info(reason: str) -> dict[str, Any]:
    metadata = {"service": "generativelanguage.googleapis.com"}
    return {"@type": f"{_TYPE}ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}
