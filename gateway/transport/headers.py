"""Header names and values that may be sent: a value that could split a header never reaches a socket."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# RFC 9110 §7.6.1, with what the transport writes itself.
RESERVED: Final = frozenset(
    "connection content-length host keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)


def check(name: str, value: str) -> str | None:
    """Why a header may not be sent, None where it may."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is not a header name (RFC 9110 §5.1)"
    if name.lower() in RESERVED:
        return f"the transport writes {name.lower()!r} itself"
    if not _VALUE.fullmatch(value) or value != value.strip(" \t"):
        return f"the value of {name!r} has characters that a header cannot carry (RFC 9110 §5.5)"
    return None
