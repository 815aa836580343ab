"""Who may call, and what they may reach.

Keys are found by the SHA-256 of what the caller presents; the secret itself is never kept. An allow-list speaks of
what a name resolves to: a combo or alias that is listed by its exact name is granted with all it leads to; through
any other name a caller reaches only models that the list names, exactly or by pattern.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date
from hashlib import sha256

import msgspec

from gateway.config.model import Key
from gateway.config.patterns import matches


class Allowed(msgspec.Struct, frozen=True):
    """An allow-list: names, and entries with a `*`."""

    names: frozenset[str]
    patterns: tuple[str, ...] = ()

    def may(self, name: str, models: tuple[str, ...]) -> bool:
        """Whether `name`, which can reach `models`, is on it, or all that it reaches is."""
        return name in self.names or (bool(models) and all(self._names(model) for model in models))

    def _names(self, model: str) -> bool:
        return model in self.names or any(matches(pattern, model) for pattern in self.patterns)


class Caller(msgspec.Struct, frozen=True):
    """An authenticated key. `allow` None is everything; `patterns` are its entries with a `*`. `team_allows` is what
    all members of its team may use, which its own list narrows. `hints`: whether its requests may choose among the
    targets that it may use; `explain`: whether they may ask why they are routed as they are."""

    name: str
    team: str | None = None
    tags: tuple[str, ...] = ()
    trust: frozenset[str] = frozenset()
    admin: bool = False
    allow: frozenset[str] | None = None
    patterns: tuple[str, ...] = ()
    expires: date | None = None
    disabled: bool = False
    hints: bool = True
    explain: bool = False
    digest: bytes = b""
    team_allows: Allowed | None = None

    def objection(self, today: date) -> str | None:
        """Why it may not call at all, None where it may."""
        if self.disabled:
            return "This API key is disabled."
        if self.expires is not None and today > self.expires:
            return f"This API key expired on {self.expires.isoformat()}."
        return None

    @property
    def own(self) -> Allowed | None:
        """Its own allow-list."""
        return None if self.allow is None else Allowed(self.allow, self.patterns)

    def may(self, name: str, models: tuple[str, ...]) -> bool:
        """Whether this caller may use `name`, which can reach `models`."""
        team = self.team_allows
        if team is not None and not team.may(name, models):
            return False
        if self.allow is None or name in self.allow:
            return True
        return Allowed(self.allow, self.patterns).may(name, models)


def former(caller: Caller, key: Key) -> dict[bytes, Caller]:
    """The same caller by the secret that it had before, for as long as that works."""
    if key.former is None:
        return {}
    digest = bytes.fromhex(key.former.hash.removeprefix("sha256:"))
    until = key.former.until if caller.expires is None else min(key.former.until, caller.expires)
    return {digest: msgspec.structs.replace(caller, digest=digest, expires=until)}


ANYONE = Caller(name="anonymous")


class Keyring(msgspec.Struct, frozen=True):
    """Callers by digest. `open`: a request without a key, or with any, is `ANYONE`."""

    open: bool
    callers: Mapping[bytes, Caller]

    def find(self, secret: str | None, today: date) -> Caller | str:
        """The caller who presents this secret, or why there is none (for the client; it names no other key)."""
        if secret is not None:
            digest = sha256(secret.encode()).digest()
            caller = self.callers.get(digest)
            if caller is not None and hmac.compare_digest(caller.digest, digest):
                return caller.objection(today) or caller
        if self.open:
            return ANYONE
        if secret is None:
            return "No API key was given. Send 'Authorization: Bearer KEY', 'x-api-key', 'x-goog-api-key' or '?key='."
        return "Incorrect API key."
