"""What is said where something would have to be counted, and the store of counters cannot be reached."""

from __future__ import annotations

from typing import Final

from gateway.failure import Failure, Kind, Refusal

CODE: Final = "store_unavailable"
RETRY: Final = 1.0  # seconds until the store is looked for again
_MESSAGE: Final = (
    "This request would have to be counted, and the gateway cannot reach the store of its limits and budgets. "
    "Try again soon; its operator finds the reason in the log."
)

# To a caller whose own limits could not be asked.
UNCOUNTED: Final = Refusal(status=503, type="service_unavailable_error", code=CODE, message=_MESSAGE, retry_after=RETRY)


def uncounted() -> Failure:
    """Of a send whose limits or budgets could not be asked: a target without any may still be sent it."""
    return Failure(kind=Kind.OVERLOADED, code=CODE, message=_MESSAGE, retry_after=RETRY, sent=False, ours=True)
