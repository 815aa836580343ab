"""Stop reasons and usage of the messages wire, both ways.

https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons; the three input counts are separate here
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance) and are added up.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.ir.chat import Finish
from gateway.ir.usage import Usage
from gateway.protocols.reading import count

_IN: Final[dict[str, Finish]] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "max_tokens": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "pause_turn": Finish.PAUSE,
    "refusal": Finish.REFUSAL,
    "model_context_window_exceeded": Finish.CONTEXT,
}
_OUT: Final[dict[Finish, str]] = {
    **{finish: word for word, finish in _IN.items()},
    Finish.CONTENT_FILTER: "refusal",
    Finish.MALFORMED_CALL: "end_turn",
    Finish.OTHER: "end_turn",
}


def finish_of(word: Any) -> Finish:
    """The finish that a stop reason stands for."""
    return _IN.get(word, Finish.OTHER) if isinstance(word, str) else Finish.OTHER


def word_of(finish: Finish) -> str:
    """The stop reason of a finish."""
    return _OUT[finish]


def tier_of(usage: Any) -> str | None:
    """The tier that a `usage` object names, in the IR's word."""
    word = usage.get("service_tier") if isinstance(usage, dict) else None
    return {"standard": "default"}.get(word, word) if isinstance(word, str) else None


def usage_of(value: Any) -> Usage | None:
    """The neutral counts of a `usage` object."""
    if not isinstance(value, dict):
        return None
    read, written = count(value.get("cache_read_input_tokens")), count(value.get("cache_creation_input_tokens"))
    parts = value.get("cache_creation")
    hour = count(parts.get("ephemeral_1h_input_tokens")) if isinstance(parts, dict) else 0
    details = value.get("output_tokens_details")
    thought = count(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    return Usage(
        input=count(value.get("input_tokens")) + read + written,
        output=count(value.get("output_tokens")),
        cached=read,
        cache_write=written,
        cache_write_1h=hour,
        reasoning=thought,
    )


def usage_out(usage: Usage) -> dict[str, Any]:
    """The `usage` object."""
    return {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
