"""A document under construction: names that are usable and unique, providers that are declared once.

A `Draft` keeps router.yaml's sections and gives them back as one plain mapping, empty ones left out, in the order of
the language. What a source calls a thing is its name here too where that can be; `Draft.route` and `Draft.provider`
say what it became.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gateway.config.checks.providers import HEADER, HEADER_VALUE, OURS
from gateway.config.checks.secrets import CARRIERS, looks_secret
from gateway.engine.known import KNOWN
from gateway.importing.imported import Account, Finding, Imported, Path, Verdict
from gateway.importing.secrets import Names, holds_secret, secretive, variable

_ROUTE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@*+-]*|\*[A-Za-z0-9._:/@+-]*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECTIONS: Final = (
    "gateway", "providers", "models", "aliases", "combos", "fallbacks", "budgets", "policies", "keys", "teams",
    "cache", "defaults",
)  # fmt: skip


def seconds(value: float) -> str:
    """A duration as the language writes it: `600` → `10m`, `2.5` → `2500ms`."""
    if value != int(value):
        return f"{max(round(value * 1000), 1)}ms"
    whole = int(value)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def plain_number(value: float) -> int | float:
    """A whole number as one, any other rounded to what a price or a weight needs."""
    return int(value) if value == int(value) else round(value, 9)


class Draft:
    """The document so far, of a source. Sections are plain mappings that systems may write into."""

    def __init__(self, tree: Any = None) -> None:
        self.gateway: dict[str, Any] = {}
        self.providers: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.combos: dict[str, dict[str, Any]] = {}
        self.fallbacks: dict[str, list[dict[str, Any]]] = {}
        self.budgets: dict[str, dict[str, Any]] = {}
        self.policies: list[dict[str, Any]] = []
        self.keys: dict[str, dict[str, Any]] = {}
        self.teams: dict[str, dict[str, Any]] = {}
        self.cache: dict[str, Any] = {}
        self.defaults: dict[str, Any] = {}
        self.names = Names(tree)

    def taken(self, name: str) -> bool:
        """Whether a name is a model, an alias or a combo already."""
        return name in self.models or name in self.aliases or name in self.combos

    def route(self, wish: str, *, pattern: bool = False) -> str:
        """A free and usable name for a model, an alias or a combo, the wish itself where it is one."""
        name = wish if pattern else wish.replace("*", "-")
        if not _ROUTE.fullmatch(name) or len(name) > 200:
            name = re.sub(r"[^A-Za-z0-9._:/@*+-]+", "-", name)[:180].strip("-")
            name = name if name[:1].isalnum() or (pattern and name[:1] == "*") else f"m-{name}".rstrip("-")
        name = "model" if looks_secret(name) else name
        found, count = name, 1
        while self.taken(found):
            count += 1
            found = f"{name}-{count}"
        return found

    def provider(self, wish: str, settings: Mapping[str, Any]) -> str:
        """The name of a provider with exactly these settings, declared under `wish` or next to it where it is new."""
        name = wish if _PLAIN.fullmatch(wish) and len(wish) <= 90 else re.sub(r"[^A-Za-z0-9._-]+", "-", wish)[:80]
        name = name.strip("-._") or "provider"
        name = "provider" if looks_secret(name) else name
        found, count = name, 1
        while True:
            wanted = {key: value for key, value in settings.items() if key != "preset" or value != found}
            there = self.providers.get(found)
            borrowed = found in KNOWN.presets and settings.get("preset") is None  # it would be that preset
            if there is None and not borrowed:
                self.providers[found] = wanted
                return found
            if there == wanted:
                return found
            count += 1
            found = f"{name}-{count}"

    def base_url(self, account: Account, path: Path, value: str, wish: str, place: Path) -> str | dict[str, str]:
        """A base URL that can be used, as it is written but for a path that the wire adds itself; else a reference,
        with a manual finding."""
        url, changed = _trimmed(value)
        why = _unusable(url)
        if why is None and not holds_secret(url):
            if changed:
                account.exact(path, place, "The path that the wire adds by itself is left out.")
            else:
                account.exact(path, place)
            return url
        name = self.names.of(value, variable(wish, "BASE_URL"))
        why = why or "It holds a credential."
        account.manual(path, place, f"{why} Put a base URL into the environment variable {name}.")
        return {"env": name}

    def headers(self, account: Account, path: Path, value: Any, provider: str) -> dict[str, Any]:
        """Headers that can be sent; what carries a credential becomes a reference."""
        found: dict[str, Any] = {}
        for name, text in value.items() if isinstance(value, dict) else ():
            at, place = (*path, name), ("providers", provider, "headers", name)
            shown = text if isinstance(text, str) else str(text) if isinstance(text, int | float) else None
            if shown is None or not HEADER.fullmatch(name) or not HEADER_VALUE.fullmatch(shown):
                account.unsupported(at, "It is no header that can be sent.")
            elif name.lower() in OURS:
                account.unsupported(at, f"The gateway writes {name} itself.")
            elif name.lower() in CARRIERS or secretive(name) or holds_secret(shown, name) or "${" in shown:
                variable_name = self.names.of(shown, variable(provider, name))
                account.manual(at, place, f"Put its whole value into the environment variable {variable_name}.")
                found[name] = {"env": variable_name}
            else:
                account.exact(at, place)
                found[name] = shown.strip()
        return found

    def fall(self, route: str, targets: list[str], on: list[str] | None = None) -> None:
        """Adds a rule to the fallbacks of a route."""
        rule: dict[str, Any] = {"to": targets} if on is None else {"on": on, "to": targets}
        self.fallbacks.setdefault(route, []).append(rule)

    def document(self) -> dict[str, Any]:
        """The whole as plain values. A provider that no model is left of is not in it."""
        used = {model.get("provider") for model in self.models.values()}
        used |= {place["provider"] for model in self.models.values() for place in model.get("deployments", ())}
        self.providers = {name: entry for name, entry in self.providers.items() if name in used}
        found: dict[str, Any] = {"version": 1}
        for section in _SECTIONS:
            content = getattr(self, section)
            if content:
                found[section] = content
        return found


def result(system: str, draft: Draft, account: Account, tree: Any) -> Imported:
    """The import of a source: places that were not written after all are cut back to what is, and what belongs to
    something that was left out is unsupported."""
    document = draft.document()
    findings = tuple(_placed(finding, document) for finding in account.findings(tree))
    return Imported(system, document, findings, account.differences)


def _placed(finding: Finding, document: Mapping[str, Any]) -> Finding:
    value: Any = document
    for depth, step in enumerate(finding.place):
        inside = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            inside = value[step]
        if inside is None:
            if depth < 2 and len(finding.place) > 1:
                return Finding(
                    finding.path, Verdict.UNSUPPORTED, "Left out with what it belongs to: nothing is left of that."
                )
            return msgspec.structs.replace(finding, place=finding.place[:depth])
        value = inside
    return finding


_ADDED: Final = ("/chat/completions", "/completions", "/messages")


def _trimmed(url: str) -> tuple[str, bool]:
    """A URL without the path of a wire and without slashes at its end; whether a wire's path was there."""
    url = url.strip()
    bare = url.rstrip("/")
    for suffix in _ADDED:
        if bare.endswith(suffix):
            return bare[: -len(suffix)].rstrip("/"), True
    return bare, False


def _unusable(url: str) -> str | None:
    """Why a text is no base URL; None where it is one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "It is no URL."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "It is no absolute http(s) URL."
    if parts.username is not None or parts.password is not None:
        return "It holds a credential."
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "It has a query or a fragment."
    if port == 0 or not url.isascii() or any(char.isspace() or char in '<>"{}|\\^`' for char in url):
        return "It holds characters that no URL has."
    return None
