"""What other gateways call the providers, as our presets: one table for all of them, and presets by their URLs.

A system's own name for a provider (`google`, `together-ai`, `sgl`) is a row; `preset_at` finds the preset whose base
URL a source writes out, so that a provider is declared by its name and not by its address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.draft import Draft
from gateway.importing.imported import Account, Path
from gateway.importing.secrets import variable
from gateway.providers.catalog import PRESETS

PRESET_OF: Final[Mapping[str, str]] = {
    **{name: name for name in PRESETS},
    "google": "gemini",
    "google-ai": "gemini",
    "vertex-ai": "vertex",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "together-ai": "together",
    "fireworks-ai": "fireworks",
    "perplexity-ai": "perplexity",
    "x-ai": "xai",
    "github": "github-models",
    "novita-ai": "novita",
    "sgl": "sglang",
    "zai": "zhipu",
    "nvidia-nim": "nvidia",
    "workers-ai": "cloudflare",
    "azure-openai": "azure-classic",
    "claude": "anthropic",
}

_BY_URL: Final = {
    preset.base_url.rstrip("/"): preset.name
    for preset in reversed(PRESETS.values())
    if preset.base_url is not None
    and "{" not in preset.base_url
    and preset.name not in ("openai-responses", "deepseek-beta")
}


def preset_of(name: str) -> str | None:
    """The preset that another gateway means by a name; None where there is none."""
    return PRESET_OF.get(name.lower().replace("_", "-").replace(" ", "-"))


def preset_at(url: str) -> str | None:
    """The preset whose base URL this is, with or without the version at its end."""
    bare = url.rstrip("/")
    for candidate in (bare, f"{bare}/v1", f"{bare}/v1beta", bare.removesuffix("/openai")):
        if candidate in _BY_URL:
            return _BY_URL[candidate]
    return None


def addressed(
    draft: Draft, account: Account, path: Path, url: str, wish: str, suffix: str = "", protocol: str = "openai-chat"
) -> tuple[str, dict[str, Any]]:
    """(a wished name, settings) of a provider that a source gives by its URL. `suffix`: what the other gateway adds to
    it and what a base URL has here, such as `/v1`. The finding's place is the wished provider."""
    base = url.strip().rstrip("/")
    for added in ("/chat/completions", "/completions", "/messages"):
        base = base.removesuffix(added)
    preset = preset_at(base)
    if preset is not None and PRESETS[preset].protocol == protocol:
        account.exact(path, ("providers", wish), "It is the preset's own.")
        return wish, {"preset": preset}
    if suffix and not base.endswith(suffix):
        base += suffix
    found = draft.base_url(account, path, base, wish, ("providers", wish, "base_url"))
    named = preset_of(wish)
    if named is not None and named != "openai" and PRESETS[named].protocol == protocol:
        return wish, {"preset": named, "base_url": found}
    return wish, {"protocol": protocol, "base_url": found}


def key_variable(wish: str) -> str:
    """The variable for a provider's key."""
    return variable(wish, "API_KEY")
