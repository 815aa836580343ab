"""`gateway plan`: what changes between two configurations, before it serves. Both are compiled, as for serving.

Exit codes are those that tools know from Terraform's `-detailed-exitcode`: 0 nothing changes, 1 an error, 2 changes.
"""

from __future__ import annotations

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.engine.planning.picture import Side
    from gateway.engine.planning.replay import Replay


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
    replay: Annotated[
        str | None,
        typer.Option(help="Requests to send both ways: a ledger's URL (sqlite:///…, postgresql://…), or JSON lines."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Of a ledger, the last so many requests are replayed.")] = 10_000,
    format_: Annotated[
        Format, typer.Option("--format", help="text for people, json for programs, markdown for a pull request.")
    ] = Format.TEXT,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours, on a terminal either.")] = False,
) -> None:
    """Show what changes from OLD to NEW. Exit 0: nothing. 1: an error. 2: changes."""
    from gateway.cli.sources import DEFAULT, Unusable, side
    from gateway.engine.planning.plan import plan as planned
    from gateway.engine.planning.text import render

    if new is not None and config:
        sys.stderr.write("gateway: give NEW, or --config, not both\n")
        raise typer.Exit(1)
    wanted = ",".join(map(str, config)) if config else new or DEFAULT
    try:
        sides = side(old, wanted, os.environ), side(wanted, old, os.environ)
        found = planned(*sides)
        replayed = _replayed(replay, most, sides) if replay is not None else None
    except Unusable as unusable:
        sys.stderr.write(unusable.text)
        raise typer.Exit(1) from None
    if format_ is Format.JSON:
        from gateway.engine.planning.document import json_text

        sys.stdout.write(json_text(found, replayed.told() if replayed is not None else None))
    elif format_ is Format.MARKDOWN:
        from gateway.engine.planning.document import markdown

        sys.stdout.write(markdown(found))
        if replayed is not None:
            sys.stdout.write(f"\n```\n{replayed.text()}```\n")
    else:
        colour = sys.stdout.isatty() and not no_color and "NO_COLOR" not in os.environ
        sys.stdout.write(render(found, colour=colour))
        if replayed is not None:
            sys.stdout.write("\n" + replayed.text())
    if not found.empty:
        raise typer.Exit(2)


def _replayed(source: str, most: int, sides: tuple[Side, Side]) -> Replay:
    """What becomes of recorded requests. Raises Unusable."""
    from gateway.cli.sources import Unusable
    from gateway.engine.planning.replay import of_lines, of_row, replay

    if "://" in source:
        from gateway.server.recording import Unread, latest

        try:
            rows = latest(source, most)
        except Unread as unread:
            raise Unusable(f"gateway: {unread}\n") from None
        return replay(*sides, (each for each in map(of_row, rows) if each is not None))
    try:
        return replay(*sides, of_lines(Path(source).read_bytes(), time.time()))
    except OSError as error:
        raise Unusable(f"gateway: {source} cannot be read: {error.strerror or error}\n") from None
    except ValueError as error:
        raise Unusable(f"gateway: {source}: {error}\n") from None
