"""The names that a configuration may use and that other rooms own; handed to `load` by whoever calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as File

import msgspec


class PresetFacts(msgspec.Struct, frozen=True):
    """What checking must know of a preset. `needs` are the settings in braces in its base URL, `auth` how its
    credential is sent, "" as its protocol's usually is. `embeds`: texts can be made vectors there."""

    protocol: str
    needs_key: bool
    has_base_url: bool
    needs: tuple[str, ...] = ()
    auth: str = ""
    embeds: bool = False


class ModelFacts(msgspec.Struct, frozen=True):
    """What the gateway knows of an upstream model without the file; None is unknown.

    `prices` are USD per million tokens, by the fields of `price:`. `near` is a model's id that is
    much like this one, where the provider makes the models that it serves and none is known by this id.
    """

    prices: Mapping[str, float] | None = None
    context: int | None = None
    max_output: int | None = None
    supports: frozenset[str] | None = None
    near: str | None = None


class Known(msgspec.Struct, frozen=True):
    """`embedding` are the protocols that make texts vectors; `failure_kinds` those that a fallback may name.

    `model` is asked for the facts of a model: its provider's preset, its base URL, the provider's id of it.
    `client_protocols` are the wires that clients speak, `operations` what they ask for; `parameters` are the neutral
    names of a request's parameters, with the JSON type of each.

    `continues` says whether a model goes on with what it has said already: its provider's preset, the protocol that
    the file gives it, the provider's id of it.

    `judge` says why a credential cannot be used: way to send it, secret ("" for none), region → reason or None.
    `ledger` says why requests cannot be recorded at a URL, as far as can be told without asking a database; where its
    second word is False without looking at this host. `folder` says why nothing can be written in one, `authorities`
    why a file of them cannot be used.
    """

    presets: Mapping[str, PresetFacts]
    protocols: frozenset[str]
    embedding: frozenset[str]
    auths: frozenset[str]
    judge: Callable[[str, str, str | None], str | None]
    ledger: Callable[[str, bool], str | None]
    folder: Callable[[File], str | None]
    authorities: Callable[[File], str | None]
    failure_kinds: tuple[str, ...]
    falling_kinds: tuple[str, ...]
    model: Callable[[str | None, str | None, str], ModelFacts]
    continues: Callable[[str | None, str | None, str], bool]
    client_protocols: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = {}
