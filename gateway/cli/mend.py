"""`gateway validate --fix`: writes what a program can mend into the files, or shows it as a diff.

A page in Markdown is mended in its fences. A file is written as a whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from gateway.cli.fences import fences
from gateway.config.edit import Change, Changed, write
from gateway.config.mending import mended
from gateway.engine.known import KNOWN


def mend(configurations: Sequence[Sequence[Path]], *, diff: bool) -> bool:
    """Mends each configuration, given by its files. With `diff` nothing is written. Whether anything is mended."""
    changed = False
    for paths in configurations:
        if len(paths) == 1 and paths[0].suffix.lower() in (".md", ".markdown"):
            new = _page(paths[0])
        else:
            new = mended(paths, known=KNOWN, environ=os.environ)
        made = [Change(str(path), path.read_bytes(), data) for path, data in new.items()]
        changed = changed or bool(made)
        if diff:
            sys.stdout.writelines(change.patch() for change in made)
            continue
        try:
            write(made)
        except (Changed, OSError) as error:
            sys.stderr.write(f"gateway: nothing was mended: {error}\n")
            raise typer.Exit(1) from None
        for change in made:
            count = sum(line.startswith("-") for line in change.patch().splitlines()[2:])
            sys.stdout.write(f"{change.file}: {count} line{'' if count == 1 else 's'} mended\n")
    return changed


def _page(path: Path) -> dict[Path, bytes]:
    """A page whose fences are mended, the last first, so that the others stay where they are."""
    try:
        page = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return {}
    text = page
    for fence in reversed(list(fences(page))):
        new = mended([path], known=KNOWN, environ=os.environ, texts={path: fence}).get(path)
        if new is None:
            continue
        old = fence.decode().split("\n")
        begin = next(index for index, line in enumerate(old) if line)
        lines = text.split("\n")
        lines[begin : len(old)] = new.decode().split("\n")[begin:]
        text = "\n".join(lines)
    return {path: text.encode()} if text != page else {}
