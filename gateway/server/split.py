"""Which of two revisions a request goes to, while one is tried out.

What belongs together stays together: a session is what `routing/sessions.py` says it is, of the key that the client
presents. A request that has no body to read one from, or none that can be read, goes by its key alone, or by its
address where it has none. Nothing is looked up here but the request itself, since what a key or a name means is the
revision's to say.
"""

from __future__ import annotations

from collections.abc import Callable

from sanic import Request

from gateway.engine.live import Live, Pin
from gateway.failure import Refused
from gateway.protocols.surfaces import Asked
from gateway.routing.sessions import SESSION_HEADERS, session_of


def pinned(live: Live, request: Request, asked: Asked, key_of: Callable[[Request], str | None]) -> Pin:
    """The Engine for a request, by what it belongs to; `key_of` is the key that its client presents."""
    if live.tried is None:
        return live.pin()
    return live.pin_for(belongs(request, asked, key_of(request)))


def belongs(request: Request, asked: Asked, key: str | None) -> str:
    """What the request's session is called, the same for all its requests in whatever worker."""
    owner = key or request.ip
    headers = request.headers
    header = next((str(headers[name]) for name in SESSION_HEADERS if name in headers), "")
    if header:
        return f"{owner}\0{header}"
    decode = asked.protocol.counting.decode_head if asked.counts and asked.protocol.counting is not None else None
    try:
        if decode is not None:
            head = decode(request.body, asked.model)
        else:
            head = asked.protocol.decode_head(request.body, asked.model, asked.stream)
    except Refused:
        return f"{owner}\0"
    return f"{owner}\0{session_of('', head.fields)}"
