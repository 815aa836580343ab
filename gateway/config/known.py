"""The names that a configuration may use and that other rooms own; handed to `load` by whoever calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec


class PresetFacts(msgspec.Struct, frozen=True):
    """What checking must know of a preset. `needs` are the settings in braces in its base URL, `auth` how its
    credential is sent, "" as its protocol's usually is."""

    protocol: str
    needs_key: bool
    has_base_url: bool
    needs: tuple[str, ...] = ()
    auth: str = ""


class Known(msgspec.Struct, frozen=True):
    """`failure_kinds` are those that a fallback may name.

    `client_protocols` are the wires that clients speak, `operations` what they ask for; `parameters` are the neutral
    names of a request's parameters, with the JSON type of each.

    `judge` says why a credential cannot be used: way to send it, secret ("" for none), region → reason or None.
    """

    presets: Mapping[str, PresetFacts]
    protocols: frozenset[str]
    auths: frozenset[str]
    judge: Callable[[str, str, str | None], str | None]
    failure_kinds: tuple[str, ...]
    falling_kinds: tuple[str, ...]
    client_protocols: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = {}
