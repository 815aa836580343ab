"""How a provider's credential becomes request headers: one row per scheme.

Schemes that sign each request (SigV4) or fetch tokens are a `Signer`, made by signing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Signer(Protocol):
    """Signs each request. Raises `Failed` (auth) where there is no credential to sign with."""

    async def headers(self, method: str, host: str, target: str, body: bytes) -> Headers: ...


def _bearer(secret: str) -> Headers:
    return (("authorization", f"Bearer {secret}"),)


def _header(name: str) -> Callable[[str], Headers]:
    return lambda secret: ((name, secret),)


AUTH: Final[dict[str, Callable[[str], Headers]]] = {
    "bearer": _bearer,
    "x-api-key": _header("x-api-key"),
    "x-goog-api-key": _header("x-goog-api-key"),
    "api-key": _header("api-key"),
}
