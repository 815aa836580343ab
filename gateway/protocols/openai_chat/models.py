"""What OpenAI's models, and those that others host under known names, take: read off the name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from gateway.ir.chat import Thinking
from gateway.protocols import effort

# https://platform.openai.com/docs/guides/reasoning and the names under which others host reasoning models
_REASONS: Final = re.compile(
    r"(^|/)(o[1-9]|gpt-5(?!.*chat)|gpt-oss|codex|grok-3-mini|grok-4|deepseek-r|qwen3|magistral)"
)
# https://platform.openai.com/docs/guides/latest-model: samplers, penalties and log probabilities are refused
_COLD: Final = re.compile(r"(^|/)(o[1-9]|gpt-5(?!.*chat))")
# `stop` of https://platform.openai.com/docs/api-reference/chat/create: not with the latest reasoning models
_NO_STOP: Final = re.compile(r"(^|/)(o3(?!-mini)|o4|gpt-5(?!.*chat))")


@lru_cache(1024)
def reasons(model: str) -> bool:
    """Whether a model's name says that it reasons."""
    return _REASONS.search(model) is not None


@lru_cache(1024)
def cold(model: str) -> bool:
    """Whether a model refuses samplers, penalties and log probabilities."""
    return _COLD.search(model) is not None


@lru_cache(1024)
def stops(model: str) -> bool:
    """Whether a model takes stop sequences."""
    return _NO_STOP.search(model) is None


@lru_cache(1024)
def efforts(model: str) -> tuple[str, ...]:
    """The words a model takes: https://platform.openai.com/docs/guides/reasoning#reasoning-effort."""
    name = model.rpartition("/")[2]
    if name.startswith(("o1", "o3", "o4", "gpt-oss", "grok", "magistral", "qwen", "deepseek")):
        return ("low", "medium", "high")
    if name.startswith("gpt-5-pro"):
        return ("high",)
    if re.match(r"gpt-5(-|$)", name):
        return ("minimal", "low", "medium", "high")
    if name.startswith("gpt-5.1") and "codex-max" not in name:
        return ("none", "low", "medium", "high")
    if name.startswith("gpt-5."):
        return ("none", "low", "medium", "high", "xhigh")
    return ("none", "minimal", "low", "medium", "high", "xhigh")


def word_of(thinking: Thinking, model: str) -> str | None:
    """The effort as a word. A client that only wants thought gets it also where a model's own default is none."""
    word = effort.word_of(thinking)
    if word is None and thinking.enabled and "none" in efforts(model):
        return "medium"
    return word
