"""Statuses and usage of the responses wire, both ways.

Source of facts: https://platform.openai.com/docs/api-reference/responses/object (`status`, `incomplete_details`,
`usage`).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.ir.chat import Finish
from gateway.ir.usage import Usage
from gateway.protocols.reading import count

_REASONS: Final[dict[str, Finish]] = {
    "max_output_tokens": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "content_filter": Finish.CONTENT_FILTER,
    "max_messages": Finish.PAUSE,
    "max_tool_calls": Finish.PAUSE,
}
_INCOMPLETE: Final[dict[Finish, str]] = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT: "max_output_tokens",
    Finish.CONTENT_FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
    Finish.MALFORMED_CALL: "content_filter",
}


def finish_of(status: Any, details: Any, called: bool) -> Finish:
    """The finish that `status` and `incomplete_details` stand for. Incomplete for no reason is cut off."""
    if status == "incomplete":
        reason = details.get("reason") if isinstance(details, dict) else None
        return _REASONS.get(reason, Finish.OTHER) if isinstance(reason, str) else Finish.LENGTH
    if status in ("completed", None):
        return Finish.TOOL_CALLS if called else Finish.STOP
    return Finish.OTHER


def status_of(finish: Finish, declined: bool) -> tuple[str, dict[str, str] | None]:
    """(`status`, `incomplete_details`). An answer that says its refusal in words is complete."""
    reason = _INCOMPLETE.get(finish)
    if reason is None or (declined and finish is Finish.REFUSAL):
        return "completed", None
    return "incomplete", {"reason": reason}


def usage_of(value: Any) -> Usage | None:
    """The neutral counts of a `usage` object; cached tokens are inside the input, reasoning inside the output."""
    if not isinstance(value, dict):
        return None
    given, made = value.get("input_tokens_details"), value.get("output_tokens_details")
    given = given if isinstance(given, dict) else {}
    made = made if isinstance(made, dict) else {}
    return Usage(
        input=count(value.get("input_tokens")),
        output=count(value.get("output_tokens")),
        cached=count(given.get("cached_tokens")),
        cache_write=count(given.get("cache_write_tokens")),
        reasoning=count(made.get("reasoning_tokens")),
        audio_input=count(given.get("audio_tokens")),
        audio_output=count(made.get("audio_tokens")),
    )


def usage_out(usage: Usage) -> dict[str, Any]:
    """The `usage` object."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
