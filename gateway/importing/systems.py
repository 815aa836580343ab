"""The systems that can be imported, and which of them a source is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.importing import litellm
from gateway.importing.imported import Imported


class System(msgspec.Struct, frozen=True):
    """`looks_like` says why a tree is of this system, or None; `read` imports it and may raise `Refused`."""

    title: str
    looks_like: Callable[[Any], str | None]
    read: Callable[[Any], Imported]


SYSTEMS: Final[Mapping[str, System]] = MappingProxyType(
    {
        litellm.NAME: System("LiteLLM config.yaml", litellm.looks_like, litellm.read),
    }
)


def detected(tree: Any) -> dict[str, str]:
    """The systems that a source may be of, each with the reason."""
    found = {name: system.looks_like(tree) for name, system in SYSTEMS.items()}
    return {name: why for name, why in found.items() if why is not None}
