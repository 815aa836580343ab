"""A value of Bifrost's: text, or a reference to an environment variable in one of its two forms."""

from __future__ import annotations

from typing import Any

from gateway.importing.source import text_of, truth


def referred(value: Any) -> tuple[str | None, str | None]:
    """(text, variable) of a value: one of them."""
    if isinstance(value, dict):
        env = text_of(value.get("env_var")) or text_of(value.get("ref"))
        if env is not None and (truth(value.get("from_env")) or value.get("type") == "env"):
            return None, env.removeprefix("env.")
        value = value.get("value")
    text = text_of(value)
    if text is not None and text.startswith("env."):
        return None, text.removeprefix("env.")
    return text, None
