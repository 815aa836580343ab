"""Errors of this wire, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failure import Kind, Refusal
from tests.protocols.gemini.kit import GEMINI

RPC = "type.googleapis.com/google.rpc."
BAD_KEY = [{"@type": f"{RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
DAY = [
    {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
    {"@type": f"{RPC}RetryInfo", "retryDelay": "3600s"},
]
MINUTE = [
    {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": "GenerateContentPaidTierInputTokensPerModelPerMinute"}]},
    {"@type": f"{RPC}RetryInfo", "retryDelay": "47.5s"},
]


def kind(status: int, word: str, message: str = "m", details: Any = None) -> Any:
    error = {"code": status, "message": message, "status": word, **({"details": details} if details else {})}
    return GEMINI.decode_error(status, {}, json.dumps({"error": error}).encode(), 0.0)


@pytest.mark.parametrize(
    ("status", "word", "message", "details", "wanted", "wait"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", BAD_KEY, Kind.AUTH, None),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", None, Kind.AUTH, None),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            None,
            Kind.CONTEXT_WINDOW,
            None,
        ),
        (400, "INVALID_ARGUMENT", "Penalty is not enabled for this model", None, Kind.UNSUPPORTED, None),
        (400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "const"', None, Kind.UNSUPPORTED, None),
        (400, "INVALID_ARGUMENT", "contents is not specified", None, Kind.INVALID_REQUEST, None),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", None, Kind.AUTH, None),
        (400, "FAILED_PRECONDITION", "Please enable billing on your project", None, Kind.QUOTA, None),
        (401, "UNAUTHENTICATED", "m", None, Kind.AUTH, None),
        (403, "PERMISSION_DENIED", "m", None, Kind.AUTH, None),
        (404, "NOT_FOUND", "models/x is not found for API version v1beta", None, Kind.NOT_FOUND, None),
        (409, "ABORTED", "m", None, Kind.INVALID_REQUEST, None),
        (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit", None, Kind.CONTEXT_WINDOW, None),
        (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", MINUTE, Kind.RATE_LIMIT, 47.5),
        (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", DAY, Kind.QUOTA, 3600.0),
        (429, "RESOURCE_EXHAUSTED", "Please retry in 12.25s.", None, Kind.RATE_LIMIT, 12.25),
        (500, "INTERNAL", "m", None, Kind.SERVER_ERROR, None),
        (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", None, Kind.OVERLOADED, None),
        (503, "UNAVAILABLE", "m", None, Kind.SERVER_ERROR, None),
        (504, "DEADLINE_EXCEEDED", "m", None, Kind.SERVER_ERROR, None),
    ],
)
def test_errors_table(status: int, word: str, message: str, details: Any, wanted: Kind, wait: float | None) -> None:
    failure = kind(status, word, message, details)
    assert (failure.kind, failure.retry_after, failure.status, failure.type) == (wanted, wait, status, word)
    assert failure.message == message


def test_the_param_and_other_shapes() -> None:
    rows = [{"@type": f"{RPC}BadRequest", "fieldViolations": [{"field": "contents[0]", "description": "d"}]}]
    assert kind(400, "INVALID_ARGUMENT", "m", rows).param == "contents[0]"
    alone = json.dumps([{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}]).encode()
    assert GEMINI.decode_error(429, {"retry-after": "3"}, alone, 0.0).retry_after == 3
    assert GEMINI.decode_error(502, {}, b"<html>", 0.0).kind is Kind.SERVER_ERROR
    assert GEMINI.decode_error(400, {}, b'{"error":"words"}', 0.0).message == "words"


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND"), (418, "INVALID_ARGUMENT"),
     (429, "RESOURCE_EXHAUSTED"), (499, "CANCELLED"), (500, "INTERNAL"), (502, "UNAVAILABLE"), (503, "UNAVAILABLE"),
     (504, "DEADLINE_EXCEEDED"), (599, "INTERNAL")],
)  # fmt: skip
def test_what_clients_are_told(status: int, word: str) -> None:
    refusal = Refusal(status=status, type="t", code="some_code", message="m", param="contents", retry_after=2.5)
    error = json.loads(GEMINI.encode_error(refusal, "req-1"))["error"]
    assert (error["code"], error["status"], error["message"]) == (status, word, "m")
    assert error["details"][0]["reason"] == "SOME_CODE"
    assert {"@type": f"{RPC}RetryInfo", "retryDelay": "2.5s"} in error["details"]
    assert GEMINI.encode_stream_error(refusal, "req-1") == b"data: " + GEMINI.encode_error(refusal, "req-1") + b"\n\n"
    failure = GEMINI.decode_error(status, {}, GEMINI.encode_error(refusal, "req-1"), 0.0)
    assert (failure.param, failure.retry_after, failure.code) == ("contents", 2.5, "SOME_CODE")


@given(st.integers(300, 599), st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.sampled_from(
    ["error", "code", "message", "status", "details", "@type", "violations", "retryDelay", "reason"]), x), max_leaves=12))  # fmt: skip
def test_arbitrary_errors(status: int, value: Any) -> None:
    GEMINI.decode_error(status, {}, json.dumps(value).encode(), 0.0)
