"""How a provider's credential becomes request headers: one row per scheme.

Schemes that sign each request (SigV4) or fetch tokens will need more than a header; they get a class of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]


def _bearer(secret: str) -> Headers:
    return (("authorization", f"Bearer {secret}"),)


AUTH: Final[dict[str, Callable[[str], Headers]]] = {"bearer": _bearer}
