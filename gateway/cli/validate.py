"""`gateway validate`: is this configuration good? The same pipeline as serving it, up to a built Engine."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.config.load import Loaded, load
from gateway.diagnostics import github, jsonout, text
from gateway.diagnostics.diagnostic import Diagnostics
from gateway.diagnostics.source import Source
from gateway.engine.build import build
from gateway.engine.known import KNOWN


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def validate(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Configurations, each on its own. Default: router.yaml.")
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Files of one configuration, in order.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="text for people, json for programs, github for CI.")] = (
        Format.TEXT
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where there are warnings.")] = False,
) -> None:
    """Check configurations. Exit 0: good. 1: errors. 3: warnings, with --strict."""
    if files and config:
        sys.stderr.write("gateway: give files, or --config, not both\n")
        raise typer.Exit(2)
    wanted = [config] if config else [[file] for file in files or [Path("router.yaml")]]
    checked = [check(paths) for paths in wanted]
    everything = Diagnostics(found for loaded in checked for found in loaded.diagnostics)
    sources: dict[str, Source] = {}
    for loaded in checked:
        sources.update(loaded.sources)
    if format_ is Format.JSON:
        sys.stdout.write(jsonout.render(everything))
    elif format_ is Format.GITHUB:
        sys.stdout.write(github.render(everything))
    else:
        sys.stdout.write(text.render(everything, sources, colour=sys.stdout.isatty()))
        for paths, loaded in zip(wanted, checked, strict=True):
            if not loaded.diagnostics.has_errors:
                sys.stdout.write(f"{' + '.join(map(str, paths))}: good, revision {loaded.revision[:12]}\n")
    if everything.has_errors:
        raise typer.Exit(1)
    if strict and everything.has_warnings:
        raise typer.Exit(3)


def check(paths: list[Path]) -> Loaded:
    """Loads, and builds what was loaded, as serving it would."""
    loaded = load(paths, known=KNOWN, environ=os.environ)
    if loaded.config is not None and not loaded.diagnostics.has_errors:
        build(loaded.config, loaded.secrets, revision=loaded.revision)
    return loaded
