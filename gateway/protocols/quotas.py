"""What is left of a quota, as providers say it in the headers of every answer.

OpenAI's names (https://platform.openai.com/docs/guides/rate-limits), which most others use, and Anthropic's
(https://platform.claude.com/docs/en/api/rate-limits). Of several quotas the one counts that is nearest to its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# The header of a limit → the one of what remains of it.
_PAIRS: Final = {
    "x-ratelimit-limit-requests": "x-ratelimit-remaining-requests",
    "x-ratelimit-limit-tokens": "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-requests-limit": "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-tokens-limit": "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-input-tokens-limit": "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-output-tokens-limit": "anthropic-ratelimit-output-tokens-remaining",
}


def share_left(headers: Iterable[tuple[str, str]]) -> float | None:
    """Between 0 and 1, None where the headers (names in lower case) do not say."""
    said = {name: value for name, value in headers if "ratelimit-" in name}
    shares = [
        min(1.0, int(remaining) / int(limit))
        for name, other in _PAIRS.items()
        if (limit := said.get(name, "")).isdecimal()
        and (remaining := said.get(other, "")).isdecimal()
        and int(limit) > 0
    ]
    return min(shares, default=None)
