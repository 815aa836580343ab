"""What OpenAI's models take, and those that others host under the same wire, read off their names."""

from __future__ import annotations

import re
from typing import Final

from gateway.ir.chat import Thinking
from gateway.protocols import effort

# https://platform.openai.com/docs/guides/reasoning and the names under which others host reasoning models
_REASONS: Final = re.compile(r"(^|/)(o[1-9]|gpt-5|gpt-oss|codex|grok-3-mini|grok-4|deepseek-r|qwen3|magistral)")
# https://platform.openai.com/docs/guides/latest-model: temperature and top_p are refused by reasoning models
_COLD: Final = re.compile(r"(^|/)(o[1-9]|gpt-5(?!.*chat))")


def reasons(model: str) -> bool:
    """Whether a model's name says that it reasons."""
    return _REASONS.search(model) is not None


def cold(model: str) -> bool:
    """Whether a model refuses temperature and top_p."""
    return _COLD.search(model) is not None


def efforts(model: str) -> tuple[str, ...]:
    """The words a model takes: https://platform.openai.com/docs/guides/reasoning#reasoning-effort."""
    name = model.rpartition("/")[2]
    if name.startswith(("o1", "o3", "o4", "gpt-oss", "grok", "magistral", "qwen", "deepseek")):
        return ("low", "medium", "high")
    if re.match(r"gpt-5(-|$)", name):
        return ("minimal", "low", "medium", "high")
    if name.startswith("gpt-5.1"):
        return ("none", "low", "medium", "high")
    return ("none", "minimal", "low", "medium", "high", "xhigh")


def word_of(thinking: Thinking, model: str) -> str | None:
    """The effort as a word. A client that only wants thought gets it also where a model's own default is none."""
    word = effort.word_of(thinking)
    if word is None and thinking.enabled and "none" in efforts(model):
        return "medium"
    return word
