"""What crosses the transport's door: a request that is ready to be sent, and a response that is being read.

Every upstream client (the keep-alive pool, the in-process sandbox, a fake in a test) is a `Send`. Nothing here
knows about models or protocols, and no name of an HTTP library passes this door.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """Where connections go. Equal origins share connections; everything that shapes a connection is in it.

    `ca` is a path of PEM certificates to trust instead of the system's; `proxy` is `http://[user:pass@]host:port`.
    """

    scheme: str  # "http" | "https" | "sandbox"
    host: str
    port: int
    ca: str | None = None
    verify: bool = True
    proxy: str | None = None

    @property
    def authority(self) -> str:
        """The value of the `Host` header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}.get(self.scheme)
        return host if self.port == default else f"{host}:{self.port}"


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; None is no bound. `first_byte` counts from the end of sending to the response's head."""

    connect: float | None = 5.0
    first_byte: float | None = None
    idle: float | None = 60.0
    total: float | None = 600.0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `target` is the path with its query, percent-encoded, beginning with `/`.

    `headers` are complete but for `Host`, `Content-Length` and `Connection`, which the transport writes; names
    and values are checked when the configuration is compiled, never here.
    """

    origin: Origin
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    method: str = "POST"
    timeouts: Timeouts = Timeouts()


class Response(Protocol):
    """A response whose head has arrived. Exactly one reader; `close` is idempotent and always owed."""

    status: int
    headers: tuple[tuple[str, str], ...]  # names in lower case, in the order of arrival

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        ...

    async def read(self, within: float | None = None) -> bytes:
        """The next bytes of the body, as soon as there are any; b"" at its end.

        `within` bounds this wait in seconds in place of the idle timeout. Raises `Failed`: `timeout` for idle and
        total, `connection` when the body ends before its framing says so.
        """
        ...

    async def read_all(self, limit: int) -> bytes:
        """The whole rest of the body. Raises `Failed(bad_response)` past `limit` bytes, and what `read` raises."""
        ...

    def close(self) -> None:
        """Ends the exchange: a finished one gives its connection back, an unfinished one closes it."""
        ...


class Send(Protocol):
    """The door. Raises `Failed`: `connection` (with `sent=False` when nothing can have arrived) or `timeout`."""

    async def __call__(self, request: Request) -> Response: ...


def split_url(url: str) -> tuple[Origin, str]:
    """An absolute http(s) URL as its origin and its target. Raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"not an absolute http(s) URL without credentials: {url!r}")
    port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, parts.hostname, port), target
