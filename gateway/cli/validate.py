"""`gateway validate`: is this configuration good? The same pipeline as serving it, up to a built Engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gateway import __version__
from gateway.cli.fences import fences
from gateway.cli.worst import table
from gateway.config.load import Loaded, load
from gateway.diagnostics import github, grading, jsonout, junit, sarif, text
from gateway.diagnostics.diagnostic import Diagnostics
from gateway.diagnostics.source import Source
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.engine.worst import Worst, as_dict, worst

Checked: TypeAlias = tuple[Loaded, list[Worst]]


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    JUNIT = "junit"


def validate(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Configurations, each on its own. Default: router.yaml.")
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Files of one configuration, in order.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="text for people, the others for programs.")] = (
        Format.TEXT
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where there are warnings.")] = False,
    errors: Annotated[
        list[str] | None,
        typer.Option("-E", metavar="CODE", help="Findings of this code are errors; all: every warning."),
    ] = None,
    warnings: Annotated[
        list[str] | None, typer.Option("-W", metavar="CODE", help="Findings of this code are warnings.")
    ] = None,
    without_secrets: Annotated[
        bool,
        typer.Option(
            "--without-secrets", help="What the environment lacks is no error: for places without secrets, such as CI."
        ),
    ] = False,
) -> None:
    """Check configurations. Exit 0: good. 1: errors. 3: warnings, with --strict."""
    if files and config:
        sys.stderr.write("gateway: give files, or --config, not both\n")
        raise typer.Exit(2)
    for code, to_warning in (*((code, False) for code in errors or ()), *((code, True) for code in warnings or ())):
        why = grading.objection(code, to_warning=to_warning)
        if why is not None:
            sys.stderr.write(f"gateway: {why}\n")
            raise typer.Exit(2)
    wanted = [config] if config else [[file] for file in files or [Path("router.yaml")]]
    built = [each for paths in wanted for each in checked_of(paths, stand_ins=without_secrets)]
    checked = [loaded for loaded, _ in built]
    found = (diagnostic for loaded in checked for diagnostic in loaded.diagnostics)
    everything = grading.graded(Diagnostics(found), errors or (), warnings or ())
    sources: dict[str, Source] = {}
    for loaded in checked:
        sources.update(loaded.sources)
    if format_ is Format.JSON:
        sys.stdout.write(jsonout.render(everything, {"worst": [as_dict(row) for _, rows in built for row in rows]}))
    elif format_ is Format.GITHUB:
        sys.stdout.write(github.render(everything))
    elif format_ is Format.SARIF:
        sys.stdout.write(sarif.render(everything, __version__))
    elif format_ is Format.JUNIT:
        sys.stdout.write(junit.render(everything, [str(path) for paths in wanted for path in paths]))
    else:
        sys.stdout.write(text.render(everything, sources, colour=sys.stdout.isatty()))
        for loaded, rows in built:
            if not loaded.diagnostics.has_errors:
                sys.stdout.write(f"{' + '.join(loaded.names)}: good, revision {loaded.revision[:12]}\n")
                sys.stdout.write(table(rows))
    if everything.has_errors:
        raise typer.Exit(1)
    if strict and everything.has_warnings:
        raise typer.Exit(3)


def checked_of(paths: list[Path], *, stand_ins: bool = False) -> list[Checked]:
    """One configuration of some files, or, of a page in Markdown, each of its fences. `stand_ins`: see `load`."""
    if len(paths) != 1 or paths[0].suffix.lower() not in (".md", ".markdown"):
        return [check(paths, stand_ins=stand_ins)]
    try:
        page = paths[0].read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return [check(paths, stand_ins=stand_ins)]
    return [check(paths, {paths[0]: data}, stand_ins=stand_ins) for data in fences(page)]


def check(paths: list[Path], texts: Mapping[Path, bytes] | None = None, *, stand_ins: bool = False) -> Checked:
    """Loads, and builds what was loaded, as serving it would; with the worst case of each route."""
    loaded = load(paths, known=KNOWN, environ=os.environ, texts=texts, stand_ins=stand_ins)
    if loaded.config is not None and not loaded.diagnostics.has_errors:
        engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
        return loaded, worst(engine, loaded.config)
    return loaded, []
