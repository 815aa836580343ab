"""Where shared state is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.config.checks.subject import Subject
from gateway.config.model import Disk, Redis
from gateway.diagnostics.diagnostic import Diagnostic

SCHEMES: Final = ("redis", "rediss", "unix")


def usable_state(subject: Subject) -> Iterator[Diagnostic]:
    """A directory has a name and can be had, and the URL of a Redis is one. Whether it answers is seen when the server
    runs."""
    state = subject.config.gateway.state
    if isinstance(state, Disk):
        path = ("gateway", "state", "disk")
        detail: str | None = None
        if not state.disk.strip():
            detail = "The directory has no name. Write one, such as `disk: ./state`."
        elif subject.here:
            detail = subject.known.folder(subject.directory(path) / state.disk)
        if detail is not None:
            yield subject.report("unusable-state", detail, path)
    if not isinstance(state, Redis):
        return
    ref = state.redis.url
    url = "" if ref.none else subject.secrets.get(ref.key)
    why = _unusable(url) if url is not None else None
    if why is not None:
        detail = f"{why} The URL of a Redis is like redis://HOST:6379/0, rediss://USER:PASSWORD@HOST:6379/0 (with TLS) "
        detail += "or unix:///run/redis.sock."
        yield subject.report("unusable-state", detail, ("gateway", "state", "redis", "url"))


def _unusable(url: str) -> str | None:
    """Why; it quotes nothing, since a URL may hold a password."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return "It is not a URL."
    if parts.scheme not in SCHEMES:
        return f"It does not begin with {', '.join(f'{scheme}://' for scheme in SCHEMES[:-1])} or {SCHEMES[-1]}://."
    if parts.scheme == "unix":
        return None if parts.path else "It names no socket."
    if port == 0:
        return "Port 0 is none."
    return None if parts.hostname else "It names no host."
