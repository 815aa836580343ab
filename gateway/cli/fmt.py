"""`gateway fmt`: files in their canonical form, comments kept."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.config.edit import Change, Changed, write
from gateway.config.fmt import Unformattable, formatted
from gateway.config.load import load
from gateway.engine.known import KNOWN


def fmt(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files. Default: router.yaml; - is standard input.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Writes nothing; exit 1 where a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Writes nothing; shows what would change.")] = False,
) -> None:
    """Format router files. Exit 0: done, or nothing to do. 1: would change (--check, --diff), or unreadable."""
    changed = False
    for file in files or [Path("router.yaml")]:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_bytes().decode("utf-8")
            new = formatted(text)
        except (OSError, UnicodeDecodeError, Unformattable) as error:
            sys.stderr.write(f"gateway: {file} cannot be formatted: {error}. `gateway validate {file}` says more.\n")
            raise typer.Exit(1) from None
        if str(file) == "-" and not (check or diff):
            sys.stdout.write(new)
            continue
        if new == text:
            continue
        changed = True
        if _meaning(file, text) != _meaning(file, new):
            sys.stderr.write(f"gateway: {file} is left as it is: formatting it would change what it means.\n")
            raise typer.Exit(1)
        if diff:
            lines = difflib.unified_diff(
                text.splitlines(keepends=True), new.splitlines(keepends=True), str(file), f"{file} (formatted)"
            )
            sys.stdout.writelines(lines)
        elif check:
            sys.stdout.write(f"{file} would change\n")
        else:
            try:
                write([Change(str(file), text.encode(), new.encode())])
            except (Changed, OSError) as error:
                sys.stderr.write(f"gateway: {file} is left as it is: {error}\n")
                raise typer.Exit(1) from None
            sys.stdout.write(f"{file} formatted\n")
    if changed and (check or diff):
        raise typer.Exit(1)


def _meaning(file: Path, text: str) -> object:
    """What a text loads as: the typed configuration, or the findings where it has no usable shape."""
    path = Path("router.yaml") if str(file) == "-" else file
    loaded = load([path], known=KNOWN, environ=os.environ, texts={path: text.encode()})
    return loaded.config or sorted((found.code, found.path) for found in loaded.diagnostics)
