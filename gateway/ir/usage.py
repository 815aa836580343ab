"""Token counts of one answer, in one convention for every wire.

`input` holds every prompt token, cached ones included (OpenAI and Gemini report so; Anthropic's separate counts are
added up by its decoder); `cached` and `cache_write` are parts of `input`; `reasoning` is a part of `output`.
"""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens. `estimated` is True where the provider did not say and the gateway counted."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False
