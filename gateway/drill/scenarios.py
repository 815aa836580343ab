"""What can go wrong: the standard faults, one row each.

A row says how an ill upstream behaves (in the words of the sandbox, docs/sandbox.md, or by refusing connections), who
is ill, and what a route can be expected to do about it. The rows are the order in which scorecards show them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Reach(StrEnum):
    """Who is ill: one credential of the primary provider, the whole of it, or everybody."""

    CREDENTIAL = "credential"
    PROVIDER = "provider"
    ALL = "all"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `words`: what the sandbox is told; None refuses connections.

    `rests`: the gateway keeps away for an hour or until a reload, by design, so the way back is not judged.
    """

    name: str
    title: str
    words: str | None
    reach: Reach = Reach.PROVIDER
    rests: bool = False


SCENARIOS: Final[dict[str, Scenario]] = {
    row.name: row
    for row in (
        Scenario(
            name="credential-dead",
            title="one credential of the primary provider answers 401",
            words="auth",
            reach=Reach.CREDENTIAL,
            rests=True,
        ),
        Scenario(
            name="quota-exhausted",
            title="the primary provider's account has no money left",
            words="quota",
            rests=True,
        ),
        Scenario(
            name="rate-limited",
            title="the primary provider answers 429, retry-after 20 s",
            words="status=429; retry-after=20",
        ),
        Scenario(name="overloaded", title="the primary provider says that it is overloaded", words="overloaded"),
        Scenario(name="server-error", title="the primary provider answers 500", words="status=500"),
        Scenario(name="provider-down", title="the primary provider refuses connections", words=None),
        Scenario(name="black-hole", title="the primary provider takes requests and never answers", words="stall"),
        Scenario(
            name="slow-drip",
            title="the primary provider needs 5 s for each token, 60 s for an answer",
            words="tokens=12; rate=0.2/s",
        ),
        Scenario(name="stops-midway", title="the primary provider's streams stop after two tokens", words="stall-at=2"),
        Scenario(name="cut-midway", title="the primary provider resets connections in the middle", words="cut"),
        Scenario(name="malformed", title="the primary provider answers what is no JSON", words="garbage"),
        Scenario(name="everything-down", title="every provider refuses connections", words=None, reach=Reach.ALL),
    )
}
