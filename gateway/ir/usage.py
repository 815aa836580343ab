"""Token counts of one answer, in one convention for every wire.

`input` holds every prompt token, cached ones included (OpenAI and Gemini report so; Anthropic's and Bedrock's separate
counts are added up by their decoders); `cached`, `cache_write` and `audio_input` are parts of `input`; `reasoning` and
`audio_output` are parts of `output`.
"""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens. `cache_write_1h` is the part of `cache_write` that is kept for an hour. `estimated` is True where the
    provider did not say and the gateway counted."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    estimated: bool = False

    def plus(self, other: Usage) -> Usage:
        """The sum; estimated where either is."""
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            reasoning=self.reasoning + other.reasoning,
            audio_input=self.audio_input + other.audio_input,
            audio_output=self.audio_output + other.audio_output,
            estimated=self.estimated or other.estimated,
        )
