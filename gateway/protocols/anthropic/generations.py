"""What each generation of Claude takes, read off its name, wherever it is hosted.

Sources: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, /effort, /extended-thinking,
/structured-outputs and /about-claude/models/overview. A Claude whose name cannot be read is taken for a current one.
Models of others that are served on Anthropic's wire (llama.cpp, vLLM, DeepSeek, Moonshot) take what the wire has always
had: samplers, budgets and tools, and nothing newer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_NEW: Final = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-(\d)(?:[-.](\d{1,2})(?!\d))?")
_OLD: Final = re.compile(r"claude-(?:v)?(\d)(?:[-.](\d))?(?!\d)")
_CURRENT: Final = (5, 0)
_FOREIGN: Final = (3, 7)

EFFORTS: Final = ("low", "medium", "high")
EFFORTS_MAX: Final = ("low", "medium", "high", "max")
EFFORTS_XHIGH: Final = ("low", "medium", "high", "xhigh", "max")


@lru_cache(1024)
def version(model: str) -> tuple[int, int]:
    """(major, minor) of a model's generation."""
    match = _NEW.search(model)
    if match is not None:
        return int(match[2]), int(match[3] or 0)
    match = _OLD.search(model)
    if match is not None:
        return int(match[1]), int(match[2] or 0)
    return _CURRENT if "claude" in model else _FOREIGN


def family(model: str) -> str:
    """opus, sonnet, haiku, …; "" where the name does not say it."""
    return next((word for word in ("opus", "sonnet", "haiku", "fable", "mythos") if word in model), "")


def signs(model: str) -> bool:
    """Whether the model takes back only thinking that it signed, as every Claude does."""
    return "claude" in model


def thinks(model: str) -> bool:
    """Whether the model can think at all: since Claude 3.7."""
    return version(model) >= (3, 7)


def adaptive(model: str) -> bool:
    """Whether `thinking: {type: adaptive}` is understood: since 4.6."""
    return version(model) >= (4, 6)


def budgets(model: str) -> bool:
    """Whether `budget_tokens` is still taken: up to 4.6."""
    return (3, 7) <= version(model) <= (4, 6)


def can_stop_thinking(model: str) -> bool:
    """Whether `thinking: {type: disabled}` is taken. Fable and Mythos always think."""
    return family(model) not in ("fable", "mythos")


def efforts(model: str) -> tuple[str, ...]:
    """The words that `output_config.effort` takes; none before Opus 4.5."""
    at, kind = version(model), family(model)
    if at >= (4, 7):
        return EFFORTS_XHIGH
    if at >= (4, 6):
        return EFFORTS_MAX
    return EFFORTS if at == (4, 5) and kind == "opus" else ()


def samples(model: str) -> bool:
    """Whether temperature, top_p and top_k are taken: up to 4.6."""
    return version(model) <= (4, 6)


def samples_twice(model: str) -> bool:
    """Whether temperature and top_p may come together: before Opus 4.1."""
    return version(model) < (4, 1)


def structures(model: str) -> bool:
    """Whether answers follow a JSON schema natively: since 4.5, and Opus 4.1."""
    return version(model) >= (4, 5) or (version(model) == (4, 1) and family(model) == "opus")


def continues(model: str) -> bool:
    """Whether a model goes on with an assistant's message at the end: Claude before 4.6."""
    return "claude" in model and version(model) < (4, 6)


def most_output(model: str) -> int:
    """The bound to send where the client gave none: what every model of the generation can write."""
    at = version(model)
    if at < (3, 5):
        return 4096
    return 32000 if "claude" in model and at >= (3, 7) else 8192
