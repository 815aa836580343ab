"""What the big families of models can do and how long their answers may be: a small table with its sources.

A row is a pattern over the provider's id, in lower case, for some catalogs (`models.CATALOGS`). The first that matches
counts; what no row says is unknown, and what is unknown is never held against a model. Where sources differ a row
says the more capable; only `prefill`, which nobody may be told to use in vain, is said where a maker's page says it.
Read on `READ` from each row's `source`: the makers' pages, and models.dev (github.com/anomalyco/models.dev), which
names them. A model that deserves better is described in router.yaml, which outranks these rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

# The words of `supports`, and what each means of a model.
SUPPORTS: Final[Mapping[str, str]] = {
    "tools": "calls tools that a request declares",
    "vision": "reads images",
    "audio": "hears sound in the prompt",
    "video": "watches video in the prompt",
    "documents": "reads files such as PDF",
    "json_schema": "keeps to a JSON schema",
    "json_object": "answers with any JSON object",
    "reasoning": "thinks before it answers",
    "prefill": "goes on from the beginning of an answer",
}


class Capable(msgspec.Struct, frozen=True):
    """One row without its pattern; None is unknown."""

    context: int | None = None
    max_output: int | None = None
    supports: frozenset[str] | None = None


class Row(msgspec.Struct, frozen=True):
    """`pattern` must match the whole id."""

    catalogs: frozenset[str]
    pattern: re.Pattern[str]
    known: Capable
    source: str


READ: Final = "2026-11-21"

_CLAUDE: Final = "anthropic aws azure google openrouter"
_GPT: Final = "azure openai openrouter"
_GEMINI: Final = "google openrouter"
_HOSTS: Final = "aws cerebras fireworks groq novita openrouter together"

_MODELS: Final = "https://platform.claude.com/docs/en/about-claude/models/overview"
_NO_PREFILL: Final = "https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6#prefill-removal"
_PLATFORM: Final = "https://platform.openai.com/docs/models"
_FILES: Final = "https://platform.openai.com/docs/guides/pdf-files"
_AI_STUDIO: Final = "https://ai.google.dev/gemini-api/docs/models"
_LA_PLATEFORME: Final = "https://docs.mistral.ai/getting-started/models"
_DEV: Final = "https://models.dev"

_JSON: Final = "json_schema json_object"
_SEES: Final = f"tools vision documents {_JSON}"


def _row(
    catalogs: str,
    pattern: str,
    supports: str,
    source: str,
    *,
    context: int | None = None,
    max_output: int | None = None,
) -> Row:
    known = Capable(context, max_output, frozenset(supports.split()))
    return Row(frozenset(catalogs.split()), re.compile(pattern), known, source)


ROWS: Final[tuple[Row, ...]] = (
    _row(_CLAUDE, r".*claude-3-(opus|sonnet|haiku).*", f"{_SEES} prefill", _MODELS, max_output=4_096),
    _row(_CLAUDE, r".*claude-3[-.]5-.*", f"{_SEES} prefill", _MODELS, max_output=8_192),
    _row(_CLAUDE, r".*claude-(3[-.]7-sonnet|sonnet-3[-.]7).*", f"{_SEES} reasoning prefill", _MODELS, max_output=64_000),
    _row(_CLAUDE, r".*claude-(sonnet|haiku|opus)-4[-.]5.*", f"{_SEES} reasoning prefill", _MODELS, max_output=64_000),
    _row(_CLAUDE, r".*claude-sonnet-4[-.]6.*", f"{_SEES} reasoning", _NO_PREFILL, max_output=64_000),
    _row(_CLAUDE, r".*claude-opus-4[-.][678].*", f"{_SEES} reasoning", _NO_PREFILL, max_output=128_000),
    _row(_CLAUDE, r".*claude-opus-4(?![-.][2-9](?!\d)).*", f"{_SEES} reasoning prefill", _MODELS, max_output=32_000),
    _row(_CLAUDE, r".*claude-sonnet-4(?![-.][1-9](?!\d)).*", f"{_SEES} reasoning prefill", _MODELS, max_output=64_000),
    _row(_CLAUDE, r".*claude-((sonnet|opus)-5|haiku-5[-.]5)(?![-.]\d(?!\d)).*", f"{_SEES} reasoning", _DEV, max_output=128_000),
    _row(_GPT, r"(openai/)?gpt-(4o-(mini-)?)?audio.*", "tools audio", _PLATFORM, max_output=16_384),
    _row(_GPT, r"(openai/)?gpt-4o(-mini)?(-\d{4}-\d\d-\d\d)?", _SEES, _FILES, context=128_000, max_output=16_384),
    _row(_GPT, r"(openai/)?gpt-4\.1(-mini|-nano)?(-\d{4}-\d\d-\d\d)?", _SEES, _FILES, context=1_047_576, max_output=32_768),
    _row(_GPT, r"(openai/)?gpt-4-turbo.*", "tools vision json_object", _PLATFORM, max_output=4_096),
    _row(_GPT, r"(openai/)?gpt-4(-0613)?", "tools", _PLATFORM, max_output=8_192),
    _row(_GPT, r"(openai/)?gpt-3\.5-turbo(-0125|-1106)?", "tools json_object", _PLATFORM, max_output=4_096),
    _row(_GPT, r"(openai/)?o3-mini(-\d{4}-\d\d-\d\d)?", f"tools {_JSON} reasoning", _PLATFORM, max_output=100_000),
    _row(_GPT, r"(openai/)?(o1|o3|o4-mini)(-pro)?(-\d{4}-\d\d-\d\d)?", f"{_SEES} reasoning", _FILES, max_output=100_000),
    _row(_GPT, r"(openai/)?gpt-5(-mini|-nano)?(-\d{4}-\d\d-\d\d)?", f"{_SEES} reasoning", _PLATFORM, max_output=128_000),
    _row(_GPT, r"(openai/)?gpt-(5\.[45]|5\.6-sol|6-sol)(-\d{4}-\d\d-\d\d)?", f"{_SEES} reasoning", _PLATFORM, context=1_050_000, max_output=128_000),
    _row(_HOSTS, r"(openai/|accounts/fireworks/models/)?gpt-oss-(120b|20b)", f"tools {_JSON} reasoning", _DEV),
    _row(_GEMINI, r"(google/)?gemini-2\.0-flash(-001)?", f"{_SEES} audio video", _AI_STUDIO, context=1_048_576, max_output=8_192),
    _row(
        _GEMINI,
        r"(google/)?gemini-(2\.5-pro|2\.5-flash|2\.5-flash-lite|3-pro-preview|3-flash-preview|3\.1-pro-preview|3\.8-flash)",
        f"{_SEES} audio video reasoning",
        _AI_STUDIO,
        context=1_048_576,
        max_output=65_536,
    ),
    _row("mistral openrouter", r"(mistralai/)?mistral-(large|medium)(-latest|-25\d\d|-3(\.1)?)?", _SEES, _LA_PLATEFORME),
    _row("mistral openrouter", r"(mistralai/)?mistral-small(-latest|-2603)?", f"{_SEES} reasoning", _LA_PLATEFORME),
    _row("mistral openrouter", r"(mistralai/)?codestral(-latest|-2501|-2508)?", f"tools {_JSON}", _LA_PLATEFORME),
    _row("deepseek", r"deepseek-(chat|reasoner)", "tools json_object reasoning", "https://api-docs.deepseek.com/guides/json_mode", context=1_000_000, max_output=384_000),
    _row("deepseek", r"deepseek-v4-(pro|flash)", f"tools {_JSON} reasoning", _DEV, max_output=384_000),
    _row("x-ai", r"grok-3(-fast|-beta)?(-latest)?", f"tools {_JSON}", "https://x.ai/news/grok-3"),
    _row("x-ai", r"grok-4(-0709|-latest|\.7)?", f"tools vision documents {_JSON} reasoning", "https://docs.x.ai/developers/models"),
    _row("cohere", r"command-a-03-2025", f"tools {_JSON} reasoning", "https://docs.cohere.com/docs/models", context=256_000, max_output=8_000),
    _row("cohere", r"command-r(-plus)?-08-2024", f"tools {_JSON} reasoning", "https://docs.cohere.com/docs/models", context=128_000, max_output=4_000),
    _row(_HOSTS, r"(.*/|.*\.)?(meta-)?llama-?v?3[-.p]?[13]-(8b|70b|405b).*", f"tools {_JSON}", "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/llama/llama3-3"),
)  # fmt: skip


def capable(catalog: str, upstream: str) -> Capable:
    """What the rows say of a model."""
    wanted = upstream.lower()
    for row in ROWS:
        if catalog in row.catalogs and row.pattern.fullmatch(wanted):
            return row.known
    return Capable()
