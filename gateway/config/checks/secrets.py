"""Secrets that are written into the file, wherever: text that looks like a key is one until proven otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.config.checks.subject import Subject
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.source import KEYS

_BEARER: Final = re.compile(r"(?i)^(?:bearer|basic)\s+\S{8,}")
# Headers that carry credentials.
CARRIERS: Final = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
)
_FIX: Final = "put it into an environment variable or a file, and write `{env: NAME}` or `{file: PATH}` here"


def looks_secret(text: str) -> bool:
    """Whether a text looks like a published form of a credential, or carries one as an HTTP header does."""
    return len(text) >= 8 and bool(KEYS.search(text) or _BEARER.match(text))


def literals(subject: Subject) -> Iterator[Diagnostic]:
    """No text looks like a key, and no header that carries credentials is written out."""
    yield from _inside(subject, (), subject.written)


def _inside(subject: Subject, path: Path, value: Any) -> Iterator[Diagnostic]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside(subject, (*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _inside(subject, (*path, index), inner)
    elif isinstance(value, str) and len(value) >= 8:
        header = len(path) >= 2 and path[-2] == "headers" and str(path[-1]).lower() in CARRIERS
        if header or looks_secret(value):
            detail = "This looks like a credential. It is not shown here; whoever can read the file can."
            yield subject.report("secret-literal", detail, path, suggestion=_FIX)
