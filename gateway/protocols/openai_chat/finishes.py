"""Finish reasons and usage of the chat wire, both ways."""

from __future__ import annotations

from typing import Any, Final

from gateway.ir.chat import Finish
from gateway.ir.usage import Usage
from gateway.protocols.reading import count

# The last four are Mistral's, Together's and DeepSeek's.
_IN: Final[dict[str, Finish]] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
    "model_length": Finish.CONTEXT,
    "eos": Finish.STOP,
    "end_turn": Finish.STOP,
    "insufficient_system_resource": Finish.OTHER,
}
_OUT: Final[dict[Finish, str]] = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.CONTEXT: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.CONTENT_FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
    Finish.PAUSE: "stop",
    Finish.MALFORMED_CALL: "content_filter",
    Finish.OTHER: "stop",
}


def finish_of(word: Any, called: bool) -> Finish:
    """The finish that a word stands for. Some servers say `stop` where they called tools."""
    finish = _IN.get(word, Finish.OTHER) if isinstance(word, str) else Finish.STOP
    return Finish.TOOL_CALLS if called and finish in (Finish.STOP, Finish.OTHER) else finish


def word_of(finish: Finish) -> str:
    """The word for a finish."""
    return _OUT[finish]


def usage_of(value: Any) -> Usage | None:
    """The neutral counts of a `usage` object. Cached tokens are inside the prompt's, reasoning inside the completion's.

    DeepSeek says `prompt_cache_hit_tokens`, Moonshot `cached_tokens` at the top, xAI counts reasoning beside the
    completion, which the total gives away.
    """
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    prompt = prompt if isinstance(prompt, dict) else {}
    completion = completion if isinstance(completion, dict) else {}
    given, made = count(value.get("prompt_tokens")), count(value.get("completion_tokens"))
    reasoning = count(completion.get("reasoning_tokens")) or count(value.get("reasoning_tokens"))
    total = count(value.get("total_tokens"))
    if reasoning and total == given + made + reasoning:
        made += reasoning
    cached = prompt.get("cached_tokens")
    if cached is None:
        cached = value.get("prompt_cache_hit_tokens", value.get("cached_tokens", value.get("num_cached_tokens")))
    return Usage(
        input=given,
        output=made,
        cached=count(cached),
        cache_write=count(prompt.get("cache_write_tokens")),
        reasoning=reasoning,
        audio_input=count(prompt.get("audio_tokens")),
        audio_output=count(completion.get("audio_tokens")),
    )


def usage_out(usage: Usage) -> dict[str, Any]:
    """The `usage` object."""
    prompt: dict[str, Any] = {"cached_tokens": usage.cached, "audio_tokens": usage.audio_input}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
