"""`gateway plan`: what changes between two configurations, before it serves. Both are compiled, as for serving.

Exit codes are those that tools know from Terraform's `-detailed-exitcode`: 0 nothing changes, 1 an error, 2 changes.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a plan is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def plan(
    old: Annotated[
        str, typer.Argument(help="Files (a.yaml,b.yaml), git:REV[:PATH], or the URL of a running server.")
    ] = "git:HEAD",
    new: Annotated[str | None, typer.Argument(help="The same. Default: router.yaml.")] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Files of NEW, in order, instead of it.")
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="text for people, json for programs, markdown for a pull request.")
    ] = Format.TEXT,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours, on a terminal either.")] = False,
) -> None:
    """Show what changes from OLD to NEW. Exit 0: nothing. 1: an error. 2: changes."""
    from gateway.cli.sources import DEFAULT, Unusable, side
    from gateway.engine.planning.document import json_text, markdown
    from gateway.engine.planning.plan import plan as planned
    from gateway.engine.planning.text import render

    if new is not None and config:
        sys.stderr.write("gateway: give NEW, or --config, not both\n")
        raise typer.Exit(1)
    wanted = ",".join(map(str, config)) if config else new or DEFAULT
    try:
        found = planned(side(old, wanted, os.environ), side(wanted, old, os.environ))
    except Unusable as unusable:
        sys.stderr.write(unusable.text)
        raise typer.Exit(1) from None
    if format_ is Format.JSON:
        sys.stdout.write(json_text(found))
    elif format_ is Format.MARKDOWN:
        sys.stdout.write(markdown(found))
    else:
        colour = sys.stdout.isatty() and not no_color and "NO_COLOR" not in os.environ
        sys.stdout.write(render(found, colour=colour))
    if not found.empty:
        raise typer.Exit(2)
