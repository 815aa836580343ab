"""`deny`: the request ends here, with the operator's words in the caller's protocol."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.failure import Refusal, Refused
from gateway.routing.policies.ruling import Hearing

_TYPES: Final = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Deny(msgspec.Struct, frozen=True, tag=True):
    """`status` is 400 to 499."""

    status: int
    message: str


def deny(action: Deny, _hearing: Hearing) -> None:
    """Raises `Refused`."""
    raise Refused(
        Refusal(
            status=action.status,
            type=_TYPES.get(action.status, "invalid_request_error"),
            code="policy_denied",
            message=action.message,
            should_retry=False,
        )
    )
