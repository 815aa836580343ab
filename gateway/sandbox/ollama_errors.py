"""Ollama's error bodies: {"error": "text"}, whatever the status; in a stream, a line of the same under status 200.

Sources: server/routes.go of https://github.com/ollama/ollama and https://docs.ollama.com/api/errors (429 is a limit of
the rate; that of an account is said in words). A path that is none and a method that is none are plain text, as its
router writes them. An overloaded server is 503 there, so the word `overloaded` is.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad, Headers

HEADERS: Final[Headers] = (("content-type", "application/json; charset=utf-8"),)
LATE: Final = Bad("an error was encountered while running the model: unexpected EOF", status=500)

_TEXT: Final[Headers] = (("content-type", "text/plain"),)
_SIGN_IN: Final = "https://ollama.com/connect?name=sandbox&key=sandbox"
_BUSY: Final = "server busy, please try again.  maximum pending requests exceeded"

_BY_STATUS: Final = {
    400: "invalid request",
    401: "unauthorized",
    403: "this model requires a subscription, upgrade for access: https://ollama.com/upgrade",
    404: "model 'sandbox' not found",
    429: "too many requests",
    499: "request canceled",
    500: "llama runner process has terminated: exit status 2",
    502: "upstream error",
    503: _BUSY,
}
_BY_CODE: Final = {
    "context_length_exceeded": "the input length exceeds the context length",
    "content_filter": "the prompt was refused",
    "insufficient_quota": "you've reached your weekly usage limit, please upgrade to continue",
    "overloaded_error": _BUSY,
    "server_is_overloaded": _BUSY,
}


def error(bad: Bad, digest: str) -> Plan:
    """The answer; nothing of the request is in it but what the message says."""
    del digest
    if bad.message is not None and bad.status in (404, 405) and bad.param is None:
        text = b"404 page not found" if bad.status == 404 else b"405 method not allowed"
        return Plan(status=bad.status, headers=_TEXT, body=text)
    status = 503 if bad.code == "overloaded_error" else bad.status
    return Plan(status=status, headers=HEADERS, body=line(bad))


def line(bad: Bad) -> bytes:
    """The body."""
    message = bad.message
    if message is None and bad.code == "unsupported_parameter":
        message = f'"sandbox" does not support {bad.param}'
    if message is None:
        message = _BY_CODE.get(bad.code or "") or _BY_STATUS.get(bad.status, f"Status {bad.status}.")
    body: dict[str, str] = {"error": message}
    if bad.status == 401:
        body["signin_url"] = _SIGN_IN
    return msgspec.json.encode(body)
