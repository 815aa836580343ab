"""Asking a server of the chat wire to go on with the assistant's last message: each asks for it in its own way.

A provider's row says how by a quirk: `prefill` (it does so unasked: OpenRouter, Groq), `prefill_prefix` (Mistral,
DeepSeek's beta), `prefill_partial` (DashScope, Moonshot), `prefill_final` (vLLM, SGLang), `prefill_unthinking`
(llama.cpp, which does so unasked, and refuses while the model is to think). OpenAI's own models begin anew, and Claude
since 4.6 refuses it, whoever hosts them.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.protocols.anthropic import generations
from gateway.protocols.contract import Dialect

_BEGINS_ANEW: Final = re.compile(r"(^|/)(gpt-|o[1-9]|chatgpt|codex|grok)")

# Quirk → what is added to the last message, and to the body.
ASKED: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "prefill": ({}, {}),
    "prefill_prefix": ({"prefix": True}, {}),
    "prefill_partial": ({"partial": True}, {}),
    "prefill_final": ({}, {"continue_final_message": True, "add_generation_prompt": False}),
    "prefill_unthinking": ({}, {"chat_template_kwargs": {"enable_thinking": False}}),
}


def continues(dialect: Dialect) -> bool:
    """Whether a provider and its model are known to."""
    model = dialect.model
    if dialect.quirks.isdisjoint(ASKED) or _BEGINS_ANEW.search(model) is not None:
        return False
    return generations.continues(model) if "claude" in model else True


def put(body: dict[str, Any], dialect: Dialect) -> None:
    """Says in a body that its last message is to be gone on with."""
    for quirk in dialect.quirks & ASKED.keys():
        message, fields = ASKED[quirk]
        body["messages"][-1].update(message)
        body.update(fields)
