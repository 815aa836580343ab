"""The systems that can be imported, and which of them a source is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.importing import air, bifrost, channels, claude_code, litellm, omniroute, openrouter, portkey
from gateway.importing.imported import Imported


class System(msgspec.Struct, frozen=True):
    """`looks_like` says why a tree is of this system, or None; `read` imports it and may raise `Refused`."""

    title: str
    looks_like: Callable[[Any], str | None]
    read: Callable[[Any], Imported]


SYSTEMS: Final[Mapping[str, System]] = MappingProxyType(
    {
        litellm.NAME: System("LiteLLM's config.yaml", litellm.looks_like, litellm.read),
        omniroute.NAME: System("OmniRoute's JSON export", omniroute.looks_like, omniroute.read),
        air.NAME: System("Auto AI Router's config.yaml", air.looks_like, air.read),
        channels.NAME: System("an export of new-api or one-api", channels.looks_like, channels.read),
        portkey.NAME: System("a Portkey config", portkey.looks_like, portkey.read),
        bifrost.NAME: System("Bifrost's config.json", bifrost.looks_like, bifrost.read),
        openrouter.NAME: System("OpenRouter's preferences", openrouter.looks_like, openrouter.read),
        claude_code.NAME: System("claude-code-router's config.json", claude_code.looks_like, claude_code.read),
    }
)


def detected(tree: Any) -> dict[str, str]:
    """The systems that a source may be of, each with the reason."""
    found = {name: system.looks_like(tree) for name, system in SYSTEMS.items()}
    return {name: why for name, why in found.items() if why is not None}
