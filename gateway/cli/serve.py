"""`gateway serve`: run a configuration, with hot reload."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.diagnostics.text import render


def serve(
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="The file to serve; given several times, the files compose in order."),
    ] = None,
) -> None:
    """Serve router.yaml. Saved changes that are valid come into force at once; others are refused and explained."""
    from gateway.server.supervisor import Invalid, Supervisor

    try:
        supervisor = Supervisor(config or [Path("router.yaml")], os.environ)
    except Invalid as invalid:
        sys.stderr.write(render(invalid.loaded.diagnostics, invalid.loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(1) from None
    try:
        supervisor.open()
        asyncio.run(supervisor.run())
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"gateway: cannot serve: {error}\n")
        raise typer.Exit(1) from None
