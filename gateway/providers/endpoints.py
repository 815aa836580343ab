"""Where a provider is: its base URL as the origin that connections share and the path that precedes the wire's own."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from gateway.transport.contract import Origin, split_url


class Tls(Protocol):
    """What a provider says of TLS."""

    @property
    def ca(self) -> str | None: ...

    @property
    def verify(self) -> bool: ...


class Place(Protocol):
    """The settings of a provider that may stand in braces in its base URL."""

    @property
    def region(self) -> str | None: ...

    @property
    def project(self) -> str | None: ...

    @property
    def resource(self) -> str | None: ...


PLACES: Final = ("region", "project", "resource")


def placed(base_url: str, place: Place, protocol: str) -> str:
    """The base URL with a provider's settings in their places. Raises ValueError for one that is missing."""
    base_url = base_url.replace("{protocol}", protocol)
    if place.region == "global":  # Google's has a host without a region, and one for each union of regions
        base_url = base_url.replace("{region}-", "")
    elif place.region in ("us", "eu"):
        base_url = base_url.replace("{region}-aiplatform.googleapis", "aiplatform.{region}.rep.googleapis")
    for word in PLACES:
        if f"{{{word}}}" in base_url:
            value = getattr(place, word)
            if not value:
                raise ValueError(f"the base URL needs `{word}:`")
            base_url = base_url.replace(f"{{{word}}}", value)
    return base_url


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
