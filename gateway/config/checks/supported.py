"""What the language has and this version does not run yet: refused, never accepted and inert.

The tables are all there is to it; a part that comes to run loses its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.config.checks.subject import Subject
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

# Keys that may stand in several places, and what they may still say there.
KEYS: Final[Mapping[str, str]] = {
    "direct": 'Write a pattern model, such as `openai/*: {provider: openai, id: "*"}`.',
}

GATEWAY: Final[Mapping[str, tuple[Any, str]]] = {
    "config": ("locked", "The file is edited by people only."),
}

# Settings by where they stand; `*` is any name or place of a list.
SETTINGS: Final[Mapping[Path, str]] = {
    ("teams", "*", "members"): "Give each key its `team:`.",
    ("guardrails", "*", "model"): "Use `pattern`.",
    ("guardrails", "*", "webhook"): "Use `pattern`.",
}

_PLACES: Final = ("providers", "models", "combos", "keys", "defaults")


def unsupported_parts(subject: Subject) -> Iterator[Diagnostic]:
    """Settings and keys that would be inert."""
    written = subject.written
    for key, (default, instead) in GATEWAY.items():
        value = written.get("gateway", {}).get(key, default)
        if value != default:
            detail = f"`gateway.{key}` has no effect in this version. {instead}"
            yield subject.report("not-supported-yet", detail, ("gateway", key))
    for pattern, instead in SETTINGS.items():
        for path in _found(written, pattern, ()):
            detail = f"`{path[-1]}` has no effect here in this version. {instead}"
            yield subject.report("not-supported-yet", detail, path, key=True)
    for place in _PLACES:
        yield from _inside(subject, (place,), written.get(place))


def _found(value: Any, pattern: Path, path: Path) -> Iterator[Path]:
    """Every place of a pattern that something is written at."""
    if not pattern:
        yield path
        return
    step, rest = pattern[0], pattern[1:]
    if isinstance(value, list):
        inner: dict[Any, Any] = dict(enumerate(value))
    else:
        inner = value if isinstance(value, dict) else {}
    for name in list(inner) if step == "*" else [step] if step in inner else []:
        yield from _found(inner[name], rest, (*path, name))


def _inside(subject: Subject, path: Path, value: Any) -> Iterator[Diagnostic]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _inside(subject, (*path, index), item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            named = len(path) == 1 and path[0] != "defaults"  # the name of an entry, which may be any word
            if not named and key in KEYS:
                detail = f"`{key}` has no effect in this version. {KEYS[key]}"
                yield subject.report("not-supported-yet", detail, (*path, key), key=True)
            elif key not in ("request", "headers", "api_keys", "api_key"):
                yield from _inside(subject, (*path, key), inner)
