"""What the models behind Bedrock take, read off their ids.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html,
/prompt-caching.html, /structured-output.html, /APIReference/API_runtime_ToolChoice.html and
/APIReference/API_runtime_ToolResultBlock.html; for Nova https://docs.aws.amazon.com/nova/latest/nova2-userguide. What
Claude's generations take is in anthropic/generations.py. An id that says nothing (an inference profile of one's own) is
known by a quirk with the maker's name (`claude`, `nova`, …), else it is given what every model takes.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.protocols.anthropic import generations

CLAUDE: Final = "claude"
NOVA: Final = "nova"

_MAKERS: Final = (
    ("claude", CLAUDE),
    ("anthropic", CLAUDE),
    ("nova", NOVA),
    ("titan", "titan"),
    ("mistral", "mistral"),
    ("pixtral", "mistral"),
    ("meta.", "meta"),
    ("llama", "meta"),
    ("cohere", "cohere"),
    ("ai21", "ai21"),
    ("deepseek", "deepseek"),
    ("gpt-oss", "gpt-oss"),
)
_STRUCTURES: Final = re.compile(
    r"qwen3|gpt-oss|minimax|kimi|nemotron|gemma-3|ministral|magistral|mistral-large-3|voxtral|deepseek\.v3"
)
_ALWAYS_THINKS: Final = re.compile(r"gpt-oss|minimax|thinking|deepseek\.r1")


def maker(model: str, quirks: frozenset[str] = frozenset()) -> str:
    """Whose model it is; "" where nothing says it."""
    known = next((name for _, name in _MAKERS if name in quirks), None)
    return known or next((name for word, name in _MAKERS if word in model), "")


def structures(model: str, made_by: str) -> bool:
    """Whether `outputConfig.textFormat` and strict tools are taken."""
    if made_by == CLAUDE:
        return generations.version(model) >= (4, 5)
    return _STRUCTURES.search(model) is not None


def caches(model: str, made_by: str) -> bool:
    """Whether `cachePoint` is taken: by Nova and by Claude since 3.5."""
    return made_by == NOVA or (made_by == CLAUDE and generations.version(model) >= (3, 5))


def caches_tools(made_by: str) -> bool:
    """Whether `cachePoint` is taken among the tools."""
    return made_by == CLAUDE


def caches_an_hour(model: str, made_by: str) -> bool:
    """Whether `ttl: 1h` is taken: by Claude since 4.5."""
    return made_by == CLAUDE and generations.version(model) >= (4, 5)


def forces_any(made_by: str) -> bool:
    """Whether some tool can be forced (`any`). Makers that nothing is known of are given the choice."""
    return made_by not in ("meta", "cohere", "ai21", "deepseek", "titan")


def forces_one(made_by: str) -> bool:
    """Whether a named tool can be forced (`tool`)."""
    return forces_any(made_by) and made_by != "mistral"


def has_result_status(made_by: str) -> bool:
    """Whether `toolResult.status` is taken."""
    return made_by in (CLAUDE, NOVA)


def reasons(model: str, made_by: str) -> bool:
    """Whether Nova has `reasoningConfig`: since Nova 2."""
    return made_by == NOVA and "nova-2" in model


def always_thinks(model: str) -> bool:
    """Whether thinking cannot be switched off, for models that are not Claude's."""
    return _ALWAYS_THINKS.search(model) is not None
