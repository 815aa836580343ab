"""The names that a configuration may use and that other rooms own; handed to `load` by whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class PresetFacts(msgspec.Struct, frozen=True):
    """What checking must know of a preset. `needs` are the settings in braces in its base URL."""

    protocol: str
    needs_key: bool
    has_base_url: bool
    needs: tuple[str, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """`strategies` are those that run; `failure_kinds` those that a fallback may name."""

    presets: Mapping[str, PresetFacts]
    protocols: frozenset[str]
    auths: frozenset[str]
    strategies: frozenset[str]
    failure_kinds: tuple[str, ...]
    falling_kinds: tuple[str, ...]
