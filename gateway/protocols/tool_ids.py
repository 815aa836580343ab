"""Tool-call ids that every wire accepts: `[a-zA-Z0-9_-]`, at most 64 characters (40 on OpenAI's chat wire).

Anthropic and Bedrock refuse other characters, OpenAI longer ids, Mistral everything but nine letters and digits. An id
that fits is left alone; another is replaced by what fits of it and a hash of the whole, so that a call and its result,
and the same turn sent again, always get the same id, and two ids never become one.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

MOST: Final = 64
_GOOD: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NINE: Final = re.compile(r"[a-zA-Z0-9]{9}")
_BAD: Final = re.compile(r"[^a-zA-Z0-9_-]")


def fit(id_: str, most: int = MOST) -> str:
    """An id for a wire that is strict."""
    if _GOOD.fullmatch(id_) and len(id_) <= most:
        return id_
    return f"{_BAD.sub('_', id_)[: most - 13]}_{_hash(id_)[:12]}"


def nine(id_: str) -> str:
    """An id for Mistral (https://docs.mistral.ai/capabilities/function_calling)."""
    return id_ if _NINE.fullmatch(id_) else _hash(id_)[:9]


def _hash(id_: str) -> str:
    return sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()


def made(salt: str, nth: int, name: str) -> str:
    """An id for a call that came without one: the same for the same place of the same answer."""
    digest = sha256(f"{salt}\0{nth}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return f"call_{digest}"
