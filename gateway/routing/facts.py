"""What is known of a request beside its body: who calls, from where, and what its headers say.

Policies, strategies, limits and the ledger read it. What depends on the body is asked of the `Job`, which reads no
more of it than is needed. Nothing here is believed of a client unless its key says `trust`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Facts(msgspec.Struct, kw_only=True):
    """One per request.

    - `key`, `team`: the authenticated caller's; `user` where its key says `trust: [user]`; `tags` its key's, and those
      that policies add.
    - `session`: what the client calls its conversation, "" where it does not say. It belongs to the key: two keys never
      share one.
    - `headers`: by lower-case name. `client_ip`: believed of the proxies in `gateway.trusted_proxies` only.
    - `asked`: the name that was asked for. `wall`: seconds since the epoch at its beginning.
    - `policies`: the names of those that held, up to the one that denied it.
    """

    key: str | None = None
    team: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    session: str = ""
    headers: Mapping[str, str] = {}
    client_ip: str = ""
    operation: str = "chat"
    protocol: str = ""
    asked: str = ""
    stream: bool = False
    wall: float = 0.0
    request_id: str = ""
    policies: Sequence[str] = ()
