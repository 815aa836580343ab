"""`gateway import`: another gateway's configuration as a router.yaml, with a report on every value of it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer


class Report(StrEnum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def import_(
    file: Annotated[
        Path, typer.Argument(help="The configuration of another gateway, JSON or YAML; - is standard input.")
    ],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="SYSTEM", help="Whose it is. Default: told by its shape, and said.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The router.yaml to write. Default: standard output."),
    ] = None,
    report: Annotated[Report, typer.Option("--report", help="How the report is written.")] = Report.TEXT,
    force: Annotated[bool, typer.Option("--force", help="Replaces a file that --out names and that is there.")] = False,
) -> None:
    """Import a configuration, and write its tests beside it (NAME.tests.yaml). Exit 0: what was written loads. 1: it
    cannot be imported. 2: wrong usage, or whose it is cannot be told."""
    from gateway.diagnostics.diagnostic import Severity
    from gateway.importing.imported import Refused
    from gateway.importing.proving import written
    from gateway.importing.report import as_json, markdown, text
    from gateway.importing.source import stem, tree_of
    from gateway.importing.stating import stated_text
    from gateway.importing.systems import SYSTEMS, detected

    if from_ is not None and from_ not in SYSTEMS:
        _end(f"{from_!r} is no system that can be imported. There are: {', '.join(SYSTEMS)}", 2)
    statements = out.with_suffix(".tests.yaml") if out is not None else None
    for path in (out, statements):
        if path is not None and path.exists() and not force:
            _end(f"{path} is there already; --force replaces it", 2)
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        _end(f"{file} cannot be read: {error.strerror}", 1)
    try:
        tree = tree_of(stem(str(file)), data)
        if from_ is None:
            may_be = detected(tree)
            if len(may_be) != 1:
                told = "; ".join(f"{name}: {why}" for name, why in may_be.items())
                _end(
                    f"{file} may be of several systems ({told}): say --from"
                    if may_be
                    else f"{file} has the shape of "
                    f"none of the systems that can be imported: say --from ({', '.join(SYSTEMS)})",
                    2,
                )
            from_, why = next(iter(may_be.items()))
            sys.stderr.write(f"gateway: {file} is taken for {SYSTEMS[from_].title}: {why}\n")
        imported = SYSTEMS[from_].read(tree)
    except Refused as refused:
        _end(str(refused), 1)
    said, found = written(imported.document, f"Imported from {SYSTEMS[from_].title}.")
    wrong = [each for each in found if each.severity is Severity.ERROR]
    shown = {Report.TEXT: text, Report.JSON: as_json, Report.MARKDOWN: markdown}[report](imported)
    if out is None:
        sys.stdout.write(said)
        sys.stderr.write(shown)
    else:
        try:
            out.write_text(said, "utf-8")
            stated = stated_text(imported.document, f"What {out.name} was imported as.")
            if statements is not None and stated:
                statements.write_text(stated, "utf-8")
        except OSError as error:
            _end(f"{out} cannot be written: {error.strerror}", 1)
        sys.stdout.write(shown)
    if wrong:
        for each in wrong:
            sys.stderr.write(f"gateway: {each.code}: {each.path}: {each.detail}\n")
        _end("what was imported does not load yet; these errors say why", 1)


def _end(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"gateway: {message}\n")
    raise typer.Exit(code)
