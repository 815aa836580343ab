"""Wires, sans-I/O: bytes in, values out, and back. A folder per wire, a row per wire in `PROTOCOLS`.

Nothing here awaits, reads a clock or opens anything. Decoders take untrusted bytes: whatever arrives ends in a value
or in `Refused` / `Failed` with a message that names the field, never in another exception.

A wire is imported when it is first asked for: a command that looks at a file needs none of the others.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from importlib import import_module
from typing import Final

from gateway.protocols.contract import Protocol

ROOMS: Final[Mapping[str, str]] = {
    "openai-chat": "openai_chat",
    "openai-responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "bedrock-converse": "bedrock",
    "cohere": "cohere",
    "ollama": "ollama",
}


class Wires(dict[str, Protocol]):
    """The wires by name, in the order of `ROOMS`; what is looked up is read then."""

    def __missing__(self, name: str) -> Protocol:
        found = self[name] = import_module(f"gateway.protocols.{ROOMS[name]}").PROTOCOL
        return found  # type: ignore[no-any-return]  # a wire's room has one

    def __contains__(self, name: object) -> bool:
        return name in ROOMS

    def __iter__(self) -> Iterator[str]:
        return iter(ROOMS)

    def __len__(self) -> int:
        return len(ROOMS)

    def get(self, name: str, default: Protocol | None = None) -> Protocol | None:  # type: ignore[override]  # any default
        return self[name] if name in ROOMS else default

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # a view of the whole
        return ROOMS.keys()

    def values(self) -> ValuesView[Protocol]:  # type: ignore[override]
        return ValuesView(self)

    def items(self) -> ItemsView[str, Protocol]:  # type: ignore[override]
        return ItemsView(self)


PROTOCOLS: Final = Wires()
