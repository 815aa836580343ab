"""Finish reasons, usage and log probabilities, both ways.

Source of facts: https://ai.google.dev/api/generate-content (FinishReason, UsageMetadata, LogprobsResult).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Finish
from gateway.ir.usage import Usage
from gateway.protocols.reading import count

_IN: Final[dict[str, Finish]] = {
    "STOP": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    "SAFETY": Finish.CONTENT_FILTER,
    "RECITATION": Finish.CONTENT_FILTER,
    "BLOCKLIST": Finish.CONTENT_FILTER,
    "PROHIBITED_CONTENT": Finish.CONTENT_FILTER,
    "SPII": Finish.CONTENT_FILTER,
    "MODEL_ARMOR": Finish.CONTENT_FILTER,
    "IMAGE_SAFETY": Finish.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": Finish.CONTENT_FILTER,
    "IMAGE_RECITATION": Finish.CONTENT_FILTER,
    "LANGUAGE": Finish.OTHER,
    "MALFORMED_FUNCTION_CALL": Finish.MALFORMED_CALL,
    "UNEXPECTED_TOOL_CALL": Finish.MALFORMED_CALL,
    "OTHER": Finish.OTHER,
}
_OUT: Final[dict[Finish, str]] = {
    Finish.STOP: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.CONTEXT: "MAX_TOKENS",
    Finish.TOOL_CALLS: "STOP",
    Finish.CONTENT_FILTER: "SAFETY",
    Finish.REFUSAL: "SAFETY",
    Finish.PAUSE: "STOP",
    Finish.MALFORMED_CALL: "MALFORMED_FUNCTION_CALL",
    Finish.OTHER: "OTHER",
}


def finish_of(word: Any, called: bool) -> Finish:
    """The finish that a word stands for. Gemini says STOP where it called functions; no word at all is STOP."""
    finish = _IN.get(word, Finish.OTHER) if isinstance(word, str) else Finish.STOP
    return Finish.TOOL_CALLS if called and finish in (Finish.STOP, Finish.OTHER) else finish


def word_of(finish: Finish) -> str:
    """The word for a finish."""
    return _OUT[finish]


def blocked(feedback: Any) -> bool:
    """Whether a `promptFeedback` says that the prompt was refused."""
    return isinstance(feedback, dict) and isinstance(feedback.get("blockReason"), str)


def _of(details: Any, modality: str) -> int:
    if not isinstance(details, list):
        return 0
    total = 0
    for each in details:
        if isinstance(each, dict) and each.get("modality") == modality:
            total += count(each.get("tokenCount"))
    return total


def usage_of(value: Any) -> Usage | None:
    """The neutral counts of a `usageMetadata`.

    Cached tokens are inside the prompt's; what tools read stands beside the prompt, thoughts beside the candidates.
    """
    if not isinstance(value, dict):
        return None
    thoughts = count(value.get("thoughtsTokenCount"))
    return Usage(
        input=count(value.get("promptTokenCount")) + count(value.get("toolUsePromptTokenCount")),
        output=count(value.get("candidatesTokenCount")) + thoughts,
        cached=count(value.get("cachedContentTokenCount")),
        reasoning=thoughts,
        audio_input=_of(value.get("promptTokensDetails"), "AUDIO"),
        audio_output=_of(value.get("candidatesTokensDetails"), "AUDIO"),
    )


class _Tokens(msgspec.Struct, rename="camel", gc=False):
    modality: Any = None
    token_count: int = 0


class Counts(msgspec.Struct, rename="camel", gc=False):
    """A `usageMetadata` where it is read often."""

    prompt_token_count: int | None = 0
    candidates_token_count: int | None = 0
    thoughts_token_count: int | None = 0
    cached_content_token_count: int | None = 0
    tool_use_prompt_token_count: int | None = 0
    prompt_tokens_details: list[_Tokens] | None = None
    candidates_tokens_details: list[_Tokens] | None = None
    service_tier: Any = None


def _audio(rows: list[_Tokens] | None) -> int:
    return sum(row.token_count for row in rows if row.modality == "AUDIO") if rows else 0


def counted(given: Counts) -> Usage:
    """The same of a typed one."""
    thoughts = given.thoughts_token_count or 0
    return Usage(
        input=(given.prompt_token_count or 0) + (given.tool_use_prompt_token_count or 0),
        output=(given.candidates_token_count or 0) + thoughts,
        cached=given.cached_content_token_count or 0,
        reasoning=thoughts,
        audio_input=_audio(given.prompt_tokens_details),
        audio_output=_audio(given.candidates_tokens_details),
    )


def _details(whole: int, audio: int) -> list[dict[str, Any]]:
    rows = [{"modality": "TEXT", "tokenCount": whole - audio}]
    return [*rows, {"modality": "AUDIO", "tokenCount": audio}] if audio else rows


def usage_out(usage: Usage) -> dict[str, Any]:
    """The `usageMetadata`."""
    said = usage.output - usage.reasoning
    out: dict[str, Any] = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": said,
        "totalTokenCount": usage.input + usage.output,
    }
    if usage.cached:
        out["cachedContentTokenCount"] = usage.cached
    out["promptTokensDetails"] = _details(usage.input, usage.audio_input)
    if usage.audio_output:
        out["candidatesTokensDetails"] = _details(said, usage.audio_output)
    if usage.reasoning:
        out["thoughtsTokenCount"] = usage.reasoning
    return out


def _row(value: Any) -> dict[str, Any]:
    value = value if isinstance(value, dict) else {}
    token = value.get("token")
    token = token if isinstance(token, str) else ""
    chance = value.get("logProbability")
    number = chance if isinstance(chance, int | float) and not isinstance(chance, bool) else 0.0
    return {"token": token, "logprob": number, "bytes": list(token.encode("utf-8", "surrogatepass"))}


def logprobs_of(value: Any) -> list[dict[str, Any]] | None:
    """A `logprobsResult` as the rows of OpenAI's `logprobs.content`, None where it is none."""
    chosen = value.get("chosenCandidates") if isinstance(value, dict) else None
    if not isinstance(chosen, list):
        return None
    tops = value.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    rows = []
    for at, each in enumerate(chosen):
        top = tops[at].get("candidates") if at < len(tops) and isinstance(tops[at], dict) else None
        rows.append({**_row(each), "top_logprobs": [_row(one) for one in top] if isinstance(top, list) else []})
    return rows


def logprobs_out(rows: Any) -> dict[str, Any] | None:
    """Rows of OpenAI's shape as a `logprobsResult`, None where there are none."""
    if not isinstance(rows, list) or not rows:
        return None

    def one(row: Any) -> dict[str, Any]:
        row = row if isinstance(row, dict) else {}
        return {"token": row.get("token", ""), "logProbability": row.get("logprob", 0.0)}

    tops = [row.get("top_logprobs") or [] if isinstance(row, dict) else [] for row in rows]
    out: dict[str, Any] = {"chosenCandidates": [one(row) for row in rows]}
    if any(tops):
        out["topCandidates"] = [{"candidates": [one(row) for row in top]} for top in tops]
    return out
