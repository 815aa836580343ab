"""router.yaml in Markdown: the fences of a page, each a configuration by itself, at the lines where it stands.

A fence counts where its info string is `yaml` or `yml` and names a router file (`yaml router.yaml`,
`yaml title="router.yaml"`), or where its text begins with `version:` or a comment and then `version:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_FENCE: Final = re.compile(r"^(?P<indent> {0,3})(?P<mark>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
_VERSION: Final = re.compile(r"(?:\s*#[^\n]*\n)*\s*version\s*:")


def fences(text: str) -> Iterator[bytes]:
    """Each configuration of a page as a file of its own, with empty lines before it so that places are the page's."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        at += 1
        if opening is None:
            continue
        begin, mark = at, opening["mark"]
        while at < len(lines) and not _closes(lines[at], mark):
            at += 1
        body = "\n".join(lines[begin:at])
        at += 1
        words = opening["info"].split(maxsplit=1)
        named = len(words) > 1 and "router" in words[1]
        if words and words[0].lower() in ("yaml", "yml") and (named or _VERSION.match(body)):
            yield ("\n" * begin + body).encode()


def _closes(line: str, mark: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= len(mark) and not stripped.strip(mark[0])
