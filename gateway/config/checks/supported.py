"""What the language has and this version does not run yet: refused, never accepted and inert.

The tables are all there is to it; a part that comes to run loses its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.config.checks.subject import Subject
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

GATEWAY: Final[Mapping[str, tuple[Any, str]]] = {
    "config": ("locked", "The file is edited by people only."),
}

# Settings by where they stand; `*` is any name or place of a list.
SETTINGS: Final[Mapping[Path, str]] = {
    ("teams", "*", "members"): "Give each key its `team:`.",
    ("guardrails", "*", "model"): "Use `pattern`.",
    ("guardrails", "*", "webhook"): "Use `pattern`.",
}


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
