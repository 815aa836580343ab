"""Reasons for the end, counts and probabilities: https://docs.cohere.com/reference/chat#response.

`usage.tokens` counts what the model read and wrote, with the provider's own prompt; `billed_units` what is paid for.
Cached tokens are part of the input's.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.failure import Failure, Kind
from gateway.ir.chat import Finish
from gateway.ir.usage import Usage
from gateway.protocols.reading import count

_FINISHES: Final[dict[str, Finish]] = {
    "COMPLETE": Finish.STOP,
    "STOP_SEQUENCE": Finish.STOP_SEQUENCE,
    "MAX_TOKENS": Finish.LENGTH,
    "TOOL_CALL": Finish.TOOL_CALLS,
    "ERROR_LIMIT": Finish.CONTEXT,
    "ERROR_TOXIC": Finish.CONTENT_FILTER,
}
_FAILURES: Final[dict[str, tuple[Kind, str]]] = {
    "ERROR": (Kind.SERVER_ERROR, "the generation failed"),
    "TIMEOUT": (Kind.TIMEOUT, "the generation took too long"),
}


def finish_of(word: Any, called: bool) -> Finish:
    """The finish that a word stands for; no word is `COMPLETE`."""
    finish = _FINISHES.get(word, Finish.OTHER) if isinstance(word, str) else Finish.STOP
    return Finish.TOOL_CALLS if called and finish in (Finish.STOP, Finish.OTHER) else finish


def failure_in(word: Any, message: Any) -> Failure | None:
    """The failure that an answer ends in, None for a good one. `message` is the provider's words, if it has any."""
    if not isinstance(message, str) or not message:
        message = None
    found = _FAILURES.get(word) if isinstance(word, str) else None
    if found is None:
        return None if message is None else Failure(kind=Kind.SERVER_ERROR, message=message[:2000])
    return Failure(kind=found[0], message=(message or found[1])[:2000])


def usage_of(value: Any) -> Usage | None:
    """The neutral counts of a `usage` object."""
    if not isinstance(value, dict):
        return None
    tokens, billed = value.get("tokens"), value.get("billed_units")
    counts = tokens if isinstance(tokens, dict) else billed
    if not isinstance(counts, dict):
        return None
    given, cached = count(counts.get("input_tokens")), count(value.get("cached_tokens"))
    return Usage(
        input=max(given, cached),
        output=count(counts.get("output_tokens")),
        cached=cached,
        reasoning=count(counts.get("reasoning_tokens")),
    )


def logprobs_of(value: Any) -> list[dict[str, Any]]:
    """Probabilities in OpenAI's shape: one chunk or a list of them; a chunk of several tokens has their product."""
    rows = []
    for each in value if isinstance(value, list) else [value]:
        given = each.get("logprobs") if isinstance(each, dict) else None
        numbers = [n for n in given if isinstance(n, int | float)] if isinstance(given, list) else []
        if numbers:
            text = each.get("text")
            text = text if isinstance(text, str) else ""
            bytes_ = list(text.encode("utf-8", "surrogatepass"))
            rows.append({"token": text, "logprob": sum(numbers), "bytes": bytes_, "top_logprobs": []})
    return rows
