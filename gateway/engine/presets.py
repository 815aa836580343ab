"""What a provider's entry begins from: the preset it names or is named like, and the wire that follows."""

from __future__ import annotations

from gateway.config.model import Provider
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Protocol
from gateway.providers.catalog import PRESETS, Preset


def preset_of(name: str, provider: Provider) -> Preset | None:
    """The preset of a provider's entry, None where it says everything itself."""
    if provider.preset is not None:
        return PRESETS[provider.preset]
    return PRESETS.get(name)


def protocol_of(provider: Provider, preset: Preset | None) -> Protocol:
    """The wire that a provider speaks."""
    return PROTOCOLS[provider.protocol or (preset.protocol if preset is not None else "openai-chat")]
