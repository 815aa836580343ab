"""Lists of models, in the words of each protocol's clients.

Sources: https://platform.openai.com/docs/api-reference/models, https://platform.claude.com/docs/en/api/models-list,
https://ai.google.dev/api/models, https://docs.ollama.com/api/tags and /api/show. What is known of a model is shown in
OpenAI's list under the names that routers use: https://openrouter.ai/docs/api-reference/list-available-models.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from gateway.ir.cost import Price, per_token

CREATED: Final = 1_700_000_000  # a model of a file has no birthday; clients only want a number that stays
_BORN: Final = "2023-11-14T22:13:20Z"  # the same moment
OLLAMA_VERSION: Final = {"version": "0.12.0"}  # whose API this is; clients ask before they use newer fields
_DETAILS: Final = {"format": "", "family": "", "families": None, "parameter_size": "", "quantization_level": ""}


# Words of what a model can do → what each is called among the capabilities of a listed model.
_CAPABILITIES: Final = {
    "tools": "tool_calling",
    "vision": "vision",
    "audio": "audio",
    "video": "video",
    "documents": "attachment",
    "json_schema": "structured_output",
    "reasoning": "reasoning",
}
# Kinds of tokens → what their price is called, in dollars per token.
_PRICES: Final = {
    "input": "prompt",
    "output": "completion",
    "cached": "input_cache_read",
    "write": "input_cache_write",
    "reasoning": "internal_reasoning",
}


class Listed(NamedTuple):
    """A model by the name that callers use, and who answers for it. What is not known of it is None.

    `context` and `max_output` are tokens, `supports` words of what it can do, `price` that of its only target.
    """

    name: str
    owner: str
    context: int | None = None
    max_output: int | None = None
    supports: frozenset[str] | None = None
    price: Price | None = None


def openai_one(model: Listed) -> dict[str, Any]:
    """One model, as OpenAI shows it, and what is known of it."""
    shown: dict[str, Any] = {"id": model.name, "object": "model", "created": CREATED, "owned_by": model.owner}
    if model.context is not None:
        shown["context_length"] = model.context
    if model.max_output is not None:
        shown["max_output_tokens"] = model.max_output
    if model.supports is not None:
        shown["capabilities"] = {name: word in model.supports for word, name in _CAPABILITIES.items()}
    if model.price is not None:
        shown["pricing"] = _pricing(model.price)
    return shown


@lru_cache(4096)
def _pricing(price: Price) -> dict[str, str]:
    rates = price.rates[0]
    return {name: per_token(getattr(rates, kind)) for kind, name in _PRICES.items()}


def openai(models: list[Listed]) -> dict[str, Any]:
    """All models, as OpenAI lists them."""
    return {"object": "list", "data": [openai_one(model) for model in models]}


def anthropic_one(model: Listed) -> dict[str, Any]:
    """One model, as Anthropic shows it."""
    return {"type": "model", "id": model.name, "display_name": model.name, "created_at": _BORN}


def anthropic(models: list[Listed]) -> dict[str, Any]:
    """All models, as Anthropic lists them, on one page."""
    first, last = (models[0].name, models[-1].name) if models else (None, None)
    return {"data": [anthropic_one(model) for model in models], "has_more": False, "first_id": first, "last_id": last}


def gemini_one(model: Listed) -> dict[str, Any]:
    """One model, as Gemini shows it."""
    return {
        "name": f"models/{model.name}",
        "displayName": model.name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }


def gemini(models: list[Listed]) -> dict[str, Any]:
    """All models, as Gemini lists them."""
    return {"models": [gemini_one(model) for model in models]}


def ollama(models: list[Listed]) -> dict[str, Any]:
    """All models, as Ollama lists them."""
    return {
        "models": [
            {
                "name": model.name,
                "model": model.name,
                "modified_at": _BORN,
                "size": 0,
                "digest": sha256(model.name.encode()).hexdigest(),
                "details": {**_DETAILS, "family": model.owner},
            }
            for model in models
        ]
    }


def shown(model: Listed) -> dict[str, Any]:
    """One model, as Ollama shows it."""
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": {**_DETAILS, "family": model.owner},
        "model_info": {},
        "capabilities": ["completion", "tools", "vision", "thinking"],
    }
