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


def meaning(page: str) -> str:
    """What a page says before its example, without its heading."""
    return page.partition("\n```")[0].partition("\n")[2].strip() if page.startswith("## ") else page


def plain(page: str) -> str:
    """A page without the marks of Markdown; examples are indented by four spaces."""
    lines: list[str] = []
    inside = False
    for line in page.strip().split("\n"):
        if line.startswith("```"):
            inside = not inside
        elif inside:
            lines.append(f"    {line}".rstrip())
        else:
            lines.append(line.removeprefix("## ").replace("`", ""))
    return "\n".join(lines)


@cache
def pages() -> Mapping[str, str]:
    """Every page, by its code."""
    text = files("gateway.diagnostics").joinpath("codes.md").read_text("utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
        code, _, body = part.partition("\n")
        found[code.strip()] = f"## {code}\n{body.rstrip()}\n"
    return MappingProxyType(found)
