"""`gateway graph`: the routes of a configuration as a picture."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.config.load import load
from gateway.diagnostics.suggest import closest
from gateway.diagnostics.text import render
from gateway.engine.build import build
from gateway.engine.graph import graph_of, mermaid, svg
from gateway.engine.known import KNOWN


class Picture(StrEnum):
    """What is written."""

    MERMAID = "mermaid"
    SVG = "svg"


def graph(
    routes: Annotated[
        list[str] | None, typer.Argument(help="Names to draw. Default: all that are not one model.")
    ] = None,
    config: Annotated[list[Path] | None, typer.Option("--config", "-c", help="Files, in order.")] = None,
    format_: Annotated[Picture, typer.Option("--format", help="mermaid for Markdown, svg for everything else.")] = (
        Picture.MERMAID
    ),
) -> None:
    """Draw where names lead. Exit 0: drawn. 1: the configuration has errors, or there is no such name."""
    loaded = load(config or [Path("router.yaml")], known=KNOWN, environ=os.environ)
    if loaded.config is None or loaded.diagnostics.has_errors:
        sys.stderr.write(render(loaded.diagnostics, loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(1)
    engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
    try:
        found = graph_of(engine, routes or ())
    except KeyError as missing:
        name = str(missing.args[0])
        near = closest(name, engine.routes)
        sys.stderr.write(f"gateway: there is no route {name!r}{f'; did you mean {near!r}?' if near else ''}\n")
        raise typer.Exit(1) from None
    sys.stdout.write(mermaid(found) if format_ is Picture.MERMAID else svg(found))
