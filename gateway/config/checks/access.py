"""Who may call: addresses, keys and allow-lists."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from gateway.config.checks.subject import Subject
from gateway.config.patterns import matches
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

_LISTEN: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LEAST: Final = 16  # characters of a secret: shorter ones are guessed


def listening(subject: Subject) -> Iterator[Diagnostic]:
    """The address can be listened on; being open beyond this machine is said twice."""
    gateway = subject.config.gateway
    match = _LISTEN.fullmatch(gateway.listen)
    if match is None or int(match[2]) > 65535:
        detail = f"{gateway.listen!r} is not an address with a port, such as 127.0.0.1:8080 or [::]:8080."
        yield subject.report("bad-listen", detail, ("gateway", "listen"))
        return
    if gateway.auth == "open" and not gateway.open_to_network and not _loopback(match[1]):
        detail = f"`auth: open` on {gateway.listen} lets everybody who can reach it spend your money."
        fix = "use `auth: keys`, listen on 127.0.0.1, or say `open_to_network: true` too"
        yield subject.report("open-to-network", detail, ("gateway", "auth"), suggestion=fix)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def somebody_may_call(subject: Subject) -> Iterator[Diagnostic]:
    """With `auth: keys` there is a key."""
    if subject.config.gateway.auth == "keys" and not subject.config.keys:
        detail = "`gateway.auth` is `keys` (the default), and `keys:` has none."
        fix = "add `keys: {me: {from: {env: MY_KEY}}}`, or `auth: open` on 127.0.0.1"
        written: Path = ("gateway", "auth") if "auth" in subject.written.get("gateway", {}) else ("gateway",)
        yield subject.report("no-keys", detail, written, suggestion=fix)


def keys(subject: Subject) -> Iterator[Diagnostic]:
    """Each key has one secret, well formed, and no two have the same."""
    first: dict[str, str] = {}
    for name, key in subject.config.keys.items():
        if (key.hash is None) == (key.from_ is None):
            detail = f"{name!r} needs either `hash: sha256:…` or `from: {{env: NAME}}`, not both."
            yield subject.report("bad-key", detail, ("keys", name), key=True)
            continue
        if key.hash is not None:
            digest = key.hash.removeprefix("sha256:")
            if not _HASH.fullmatch(key.hash):
                detail = 'A hash is `sha256:` and 64 lower-case hex digits: `printf %s "$KEY" | sha256sum` prints them.'
                yield subject.report("bad-key", detail, ("keys", name, "hash"))
                continue
        else:
            secret = subject.secrets.get(key.from_.key) if key.from_ is not None else None
            if secret is None:
                continue
            if len(secret) < _LEAST or not secret.isascii() or not secret.isprintable() or " " in secret:
                detail = (
                    f"Its secret is not usable: at least {_LEAST} printable ASCII characters without spaces are needed."
                )
                yield subject.report("bad-key", detail, ("keys", name, "from"))
                continue
            digest = sha256(secret.encode()).hexdigest()
        digests = [digest]
        if key.former is not None:
            digests.append(key.former.hash.removeprefix("sha256:"))
            if not _HASH.fullmatch(key.former.hash):
                detail = "A hash is `sha256:` and 64 lower-case hex digits."
                yield subject.report("bad-key", detail, ("keys", name, "former", "hash"))
                continue
        for each in digests:
            if each in first:
                detail = f"{name!r} has the same secret as {first[each]!r}, so one of them would never be found."
                yield subject.report(
                    "same-key", detail, ("keys", name), key=True, first=("the other one", ("keys", first[each]))
                )
            first.setdefault(each, name)


def allow_lists(subject: Subject) -> Iterator[Diagnostic]:
    """What a key is allowed exists."""
    names = (*subject.routes, *subject.places)
    for name, key in subject.config.keys.items():
        for index, entry in enumerate(key.allow or ()):
            path: Path = ("keys", name, "allow", index)
            if entry.count("*") > 1:
                yield subject.report("bad-pattern", f"{entry!r} has more than one `*`.", path)
            elif "*" in entry:
                if not any(matches(entry, each) for each in names):
                    detail = f"No model, combo or alias matches {entry!r}."
                    yield subject.report("allow-matches-nothing", detail, path)
            elif not subject.known_route(entry):
                detail = f"{entry!r} is no model, combo or alias of this configuration."
                yield subject.report("unknown-model", detail, path, suggestion=subject.did_you_mean(entry))
