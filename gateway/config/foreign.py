"""Files of other programs that are given by mistake: told by keys that no router.yaml has at its top.

One finding in the place of one for each unknown key. What can be imported is said with the command that does it; the
importers themselves look closer (`gateway import`). A file that says `version: 1` and has a section of router.yaml is
taken as one, whatever else is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.config.compose import Composed
from gateway.diagnostics.diagnostic import Diagnostic, diagnose

_OWN: Final = frozenset(("gateway", "models", "combos", "aliases", "fallbacks", "policies", "budgets", "teams"))


def _has(*keys: str) -> Callable[[dict[str, Any]], str | None]:
    """The first of the keys, where all are there."""
    return lambda value: keys[0] if all(key in value for key in keys) else None


def _any(*keys: str) -> Callable[[dict[str, Any]], str | None]:
    """The first of the keys that is there."""
    return lambda value: next((key for key in value if key in keys), None)


def _keyed_providers(value: dict[str, Any]) -> str | None:
    """Providers with lists of `keys`, each with a `value`."""
    providers = value.get("providers")
    entries = providers.values() if isinstance(providers, dict) else ()
    listed = [each["keys"] for each in entries if isinstance(each, dict) and isinstance(each.get("keys"), list)]
    return "providers" if any(isinstance(item, dict) and "value" in item for each in listed for item in each) else None


def _channels(value: dict[str, Any]) -> str | None:
    """A list of channels, each with a `type` that is a number and its `models` in one text."""
    listed = value.get("data", value.get("channels"))
    if not isinstance(listed, list) or not listed or not isinstance(listed[0], dict):
        return None
    return next(iter(value)) if {"type", "models"} <= listed[0].keys() else None


# what it is; whether `gateway import` reads it; the key that tells
_PROGRAMS: Final[tuple[tuple[str, bool, Callable[[dict[str, Any]], str | None]], ...]] = (
    ("a configuration of LiteLLM", True, _any("model_list", "litellm_settings", "router_settings")),
    ("a configuration of claude-code-router", True, _has("Providers", "Router")),
    ("a configuration of Portkey", True, _has("strategy", "targets")),
    ("a configuration of Bifrost", True, _keyed_providers),
    ("an export of new-api or one-api", True, _channels),
    ("a manifest of Kubernetes", False, _has("apiVersion", "kind")),
    ("a file of Docker Compose", False, lambda value: _has("services")(value) if isinstance(value.get("services"), dict) else None),
    ("a workflow of GitHub Actions", False, _has("jobs", "on")),
    ("a configuration of Kong", False, _any("_format_version")),
    ("a configuration of Envoy", False, _any("static_resources", "dynamic_resources")),
    ("an OpenAPI description", False, _any("openapi", "swagger")),
    ("a file of secrets encrypted by SOPS", False, _has("sops")),
)  # fmt: skip


def foreign(composed: Composed) -> Diagnostic | None:
    """Whose file it is, at the key that tells; None for one of ours, or of nobody known."""
    value = composed.value
    if value.get("version") == 1 and _OWN & value.keys():
        return None
    for what, importable, tells in _PROGRAMS:
        key = tells(value)
        if key is None:
            continue
        detail = f"`{key}` at the top level: this is {what}, not a router.yaml."
        help_ = (
            "`gateway import FILE` makes a router.yaml of it, and says what it could not take over"
            if importable
            else None
        )
        if "sops" in value:
            help_ = "decrypt it first"
        return diagnose("foreign-file", detail, composed.span((key,), key=True), key, help_)
    return None
