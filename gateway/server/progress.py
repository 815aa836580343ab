"""Progress of a stream, for clients that ask for it: an event every two seconds beside the wire's own.

`x-gateway-progress: true`, or OmniRoute's `X-OmniRoute-Progress: true`, asks; the answer's headers say whether it is
given. The event is called `progress`, so whoever reads events by their names passes it over. Not every client does:
OpenAI's SDKs take every event for one of the wire's, so clients that say to be one of them (`x-stainless-lang`) get
none; nor does anybody on wires whose clients do not look at names (Gemini) or that have none (NDJSON, arrays).

`tokens_generated` counts the stream's own events while it runs, about one a token with most providers; the last one,
which has `"done":true`, says the provider's count where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

EVERY: Final = 2.0
NAMES: Final = ("x-gateway-progress", "x-omniroute-progress")
HEADERS: Final = {"x-gateway-progress": "enabled", "x-omniroute-progress": "enabled"}

# wire → whether clients that are built on OpenAI's SDK generator read events by their names
_WIRES: Final[dict[str, bool]] = {"anthropic": True, "openai-chat": False, "openai-responses": False}


class Progress:
    """What is known of one stream. `clock`: monotonic seconds."""

    __slots__ = ("_began", "_clock", "_events", "tokens")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._events = 0
        self.tokens: int | None = None  # by the provider's count

    def passed(self, data: bytes) -> None:
        """Whole frames went to the client."""
        self._events += data.count(b"\n\n")

    def event(self, done: bool = False) -> bytes:
        """The event that says where the stream stands."""
        tokens = self.tokens if self.tokens is not None else self._events
        said: dict[str, int | bool] = {
            "tokens_generated": tokens,
            "elapsed_ms": round((self._clock() - self._began) * 1000),
        }
        if done:
            said["done"] = True
        return b"event: progress\ndata: %b\n\n" % msgspec.json.encode(said)


def progress_of(protocol: str, framed: bool, headers: Mapping[str, str], clock: Callable[[], float]) -> Progress | None:
    """The progress that a client asks for, None where it gets none. `framed`: its stream has another framing."""
    if framed or not any(headers.get(name, "").lower() == "true" for name in NAMES):
        return None
    named = _WIRES.get(protocol)
    if named is None or (not named and "x-stainless-lang" in headers):
        return None
    return Progress(clock)
