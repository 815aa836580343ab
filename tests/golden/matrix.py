"""`docs/translation-matrix.md`: how many goldens there are per pair of wires and kind, and what each pair loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .cases import CLIENTS, FOLDER, WIRES, Case

PAGE: Final = FOLDER.parents[1] / "docs" / "translation-matrix.md"
_HEAD: Final = """# What becomes what

Every pair of wires is tested by goldens: inputs written by hand from the providers' documentation, and beside each what
it becomes elsewhere, to be read whenever it changes. Every request among them is one that the sandbox, strict as that
documentation, takes; every stream is also fed byte by byte. This page is generated from `tests/golden` (`python -m
tests.golden.write`) and a test compares it. `gateway translate --from A --to B FILE` shows the same for a document of yours.

Rows are where a document comes from, columns where it goes to. The number before the plus sign counts documents that
become another document; the one after it, where there is one, answers and streams that end as a failure, because they
carry an error or a call that nobody can read. One that passes on its own wire is not translated: its bytes are sent on.
"""
_TITLES: Final = {
    "request": "Requests, from a client's wire to a provider's",
    "response": "Whole answers, from a provider's wire to a client's",
    "stream": "Streams, from a provider's wire to a client's",
}


def page(files: Mapping[Case, Mapping[Path, str]]) -> str:
    """The page. `files` are the goldens of each case."""
    said: Counter[tuple[str, str, str]] = Counter()
    failed: Counter[tuple[str, str, str]] = Counter()
    lost: dict[tuple[str, str, str], dict[str, str]] = {}
    for case, goldens in files.items():
        for path, text in goldens.items():
            other = path.name.split(".")[1]
            key = (case.kind, case.wire, other)
            if path.suffix == ".dropped":
                rows = (line.partition(": ")[::2] for line in text.splitlines())
                lost.setdefault(key, {}).update(dict(rows))
            elif path.suffix == ".failed":
                failed[key] += 1
            else:
                said[key] += 1
    out = [_HEAD]
    for kind, title in _TITLES.items():
        sources, targets = (CLIENTS, WIRES) if kind == "request" else (WIRES, CLIENTS)
        out += [f"## {title}\n", f"| | {' | '.join(targets)} |", f"|---|{'---|' * len(targets)}"]
        for source in sources:
            cells = [
                _cell(source, target, said[kind, source, target], failed[kind, source, target]) for target in targets
            ]
            out.append(f"| **{source}** | {' | '.join(cells)} |")
        out.append("")
    out.append("# What is reported as lost\n")
    out.append("Seen in the goldens; each is in the `dropped` list of a translation, with its reason.\n")
    for kind, title in _TITLES.items():
        out.append(f"## {title}\n")
        for (of, source, target), fields in sorted(lost.items()):
            if of == kind:
                out.append(f"- **{source} → {target}**: {', '.join(f'`{field}`' for field in sorted(fields))}")
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


def _cell(source: str, target: str, said: int, failed: int) -> str:
    if source == target:
        return "·"
    return f"{said} + {failed}" if failed else str(said)
