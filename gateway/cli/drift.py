"""`gateway drift`: do the nodes run what the file says? Each is asked what it runs, and compared by what that means.

With `GATEWAY_KEY` set to the secret of an administrator's key the configurations themselves are compared; without it
only revisions, which also cover the secrets, so they only agree where this environment has the same ones.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.engine.planning.drift import Node
    from gateway.engine.planning.picture import Side


class Format(StrEnum):
    """How it is written."""

    TEXT = "text"
    JSON = "json"


def drift(
    urls: Annotated[list[str], typer.Argument(help="The nodes: http(s)://HOST[:PORT].")],
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="Files that they should run, in order. Default: router.yaml."),
    ] = None,
    wanted: Annotated[
        str | None, typer.Option("--wanted", help="The same as one source: files, git:REV[:PATH], or a node's URL.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="text is a table, json for programs.")] = Format.TEXT,
) -> None:
    """Compare what nodes run with what they should. Exit 0: the same. 1: an error. 2: at least one differs."""
    import msgspec

    from gateway.cli.sources import DEFAULT, Unusable, side
    from gateway.engine.planning import drift as drifting

    if wanted is not None and config:
        sys.stderr.write("gateway: give --wanted, or --config, not both\n")
        raise typer.Exit(1)
    files = ",".join(map(str, config)) if config else DEFAULT
    try:
        aim = side(wanted or files, files, os.environ)
    except Unusable as unusable:
        sys.stderr.write(unusable.text)
        raise typer.Exit(1) from None
    nodes = [_asked(url, aim) for url in urls]
    if format_ is Format.JSON:
        told = msgspec.json.format(msgspec.json.encode(drifting.document(aim, nodes)), indent=2)
        sys.stdout.write(told.decode() + "\n")
    else:
        sys.stdout.write(drifting.table(aim, nodes))
    verdicts = {node.verdict for node in nodes}
    if "error" in verdicts:
        raise typer.Exit(1)
    if "drift" in verdicts:
        raise typer.Exit(2)


def _asked(url: str, wanted: Side) -> Node:
    """One node, whatever it answers."""
    import msgspec

    from gateway.cli.sources import KEY, Unusable, fetched, is_url, side
    from gateway.engine.planning.drift import Node, node

    if not is_url(url):
        return Node(url=url, verdict="error", why="this is no URL: http://HOST:PORT")
    try:
        health = msgspec.json.decode(fetched(url, "/health", None), type=dict)
        running = side(url, "", os.environ) if os.environ.get(KEY) else None
    except Unusable as unusable:
        return Node(url=url, verdict="error", why=unusable.text.strip().removeprefix("gateway: "))
    except msgspec.MsgspecError:
        return Node(url=url, verdict="error", why="what answers there is no gateway")
    return node(wanted, url, health, running)
