"""The page about each code, as text: what it means, an example that has it, and the same without it.

They stand in codes.md beside this file, which is generated from the codes and from the cases that hold the checks
(`python -m tests.config.codes`); `gateway validate --explain CODE` prints one, SARIF carries them as help.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


def explained(code: str) -> str | None:
    """The page of a code in Markdown, None where there is none of that name."""
    return pages().get(code)


@cache
def pages() -> Mapping[str, str]:
    """Every page, by its code."""
    text = files("gateway.diagnostics").joinpath("codes.md").read_text("utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
        code, _, body = part.partition("\n")
        found[code.strip()] = f"## {code}\n{body.rstrip()}\n"
    return MappingProxyType(found)
