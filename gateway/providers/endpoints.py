"""Where a provider is: its base URL as the origin that connections share and the path that precedes the wire's own."""

from __future__ import annotations

from typing import Protocol

import msgspec

from gateway.transport.contract import Origin, split_url


class Tls(Protocol):
    """What a provider says of TLS."""

    @property
    def ca(self) -> str | None: ...

    @property
    def verify(self) -> bool: ...


def origin_of(base_url: str, tls: Tls | None, proxy: str | None) -> tuple[Origin, str]:
    """(origin, path without a trailing slash). Raises ValueError for what is no usable base URL."""
    if base_url.startswith("sandbox://"):
        host, _, path = base_url.removeprefix("sandbox://").partition("/")
        return Origin("sandbox", host, 0), f"/{path}".rstrip("/")
    origin, path = split_url(base_url)
    if "?" in path or "#" in base_url:
        raise ValueError(f"a base_url has no query and no fragment: {base_url!r}")
    if tls is not None:
        origin = msgspec.structs.replace(origin, ca=tls.ca, verify=tls.verify)
    return msgspec.structs.replace(origin, proxy=proxy), path.rstrip("/")
