"""What commands ask of a running gateway: one request with an administrator's key.

The key comes from an environment variable, never from the command line, where other users of the host could read it.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

KEY_VARIABLE: Final = "GATEWAY_KEY"
WITHIN: Final = 90.0  # seconds: a change is prepared by every worker first


class Refused(Exception):  # noqa: N818 - it says what the gateway did
    """The gateway cannot be reached or did not do it; the message says why, `answer` is its own where there was one."""

    def __init__(self, why: str, answer: dict[str, Any] | None = None) -> None:
        super().__init__(why)
        self.answer = answer


def ask(url: str, method: str, path: str, key_variable: str = KEY_VARIABLE) -> dict[str, Any]:
    """The JSON answer of the gateway at `url`. Raises `Refused`, also for an answer that is no 2xx."""
    import http.client  # with TLS some 20 ms, which no other command needs
    import urllib.error
    import urllib.request

    headers = {"accept": "application/json"}
    if key := os.environ.get(key_variable):
        headers["authorization"] = f"Bearer {key}"
    try:
        request = urllib.request.Request(url.rstrip("/") + path, method=method, headers=headers)  # noqa: S310
        if request.type not in ("http", "https"):
            raise Refused(f"{url} is no http:// or https:// URL")
        with urllib.request.urlopen(request, timeout=WITHIN) as response:  # noqa: S310 - the scheme was looked at
            return _object(response.read(), url)
    except urllib.error.HTTPError as error:
        answer = _object(error.read(), url)
        told = answer.get("error")
        why = told.get("message") if isinstance(told, dict) else answer.get("detail")
        hint = f" Put an administrator's key into {key_variable}." if error.code in (401, 403) else ""
        raise Refused(f"{why or f'{url} answered {error.code}'}{hint}", answer) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(f"{url} cannot be asked: {getattr(error, 'reason', None) or error}") from None


def _object(body: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(f"{url} does not answer as a gateway does")
    return found
