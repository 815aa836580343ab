"""`gateway drill`: what each route does when its providers fail, on the compiled configuration, over real sockets.

Nothing leaves this host and no key is needed: every provider is a fake one of the gateway's own (gateway/drill).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from gateway.config.load import Loaded
    from gateway.drill.judging import Card

_SIGNS: Final = "unusable-credential"  # a cloud's library that is not installed: in a drill nothing is signed


class Scorecard(StrEnum):
    """How scorecards are written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Grade(StrEnum):
    """From A, where clients notice nothing, to F, where most of them are not served."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


def drill(
    config: Annotated[list[Path] | None, typer.Option("--config", "-c", help="Files, in order.")] = None,
    route: Annotated[
        list[str] | None,
        typer.Option("--route", "-r", help="A name, or several by a `*`. Default: every public model and combo."),
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", "-s", help="One of those that --list shows. Default: all.")
    ] = None,
    format_: Annotated[Scorecard, typer.Option("--format", help="text, json, or markdown for a pull request.")] = (
        Scorecard.TEXT
    ),
    requests: Annotated[
        int, typer.Option("--requests", "-n", min=1, max=10_000, help="Requests during each outage, one a second.")
    ] = 24,
    min_grade: Annotated[
        Grade, typer.Option("--min-grade", help="Exit with 1 where a scenario earns less; F: never.")
    ] = Grade.D,
    key: Annotated[
        str | None, typer.Option("--key", help="The key (by its name in the file) that calls. Default: anybody may.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random: equal seeds, equal scorecards.")] = 1,
    list_: Annotated[bool, typer.Option("--list", help="Show the scenarios and exit.")] = False,
) -> None:
    """Break every provider in turn, and say what clients see. No network, no keys; time is virtual.

    Exit 0: every scenario of every route has at least --min-grade. 1: one has not, or the configuration has errors.
    2: wrong usage.
    """
    from gateway.drill import report
    from gateway.drill.rehearse import NoRoute
    from gateway.drill.rehearse import drill as drilled
    from gateway.drill.scenarios import SCENARIOS

    if list_:
        width = max(map(len, SCENARIOS))
        sys.stdout.write("".join(f"{each.name.ljust(width)}  {each.title}\n" for each in SCENARIOS.values()))
        return
    _known(scenario or (), SCENARIOS, "scenario")
    loaded = _loaded(config or [Path("router.yaml")])
    if loaded.config is None:
        raise typer.Exit(1)
    if key is not None:
        _known([key], loaded.config.keys, "key")
    rows = [SCENARIOS[name] for name in dict.fromkeys(scenario or SCENARIOS)]
    try:
        cards = drilled(loaded, route or (), rows, requests=requests, seed=seed, caller=key, told=_told)
    except NoRoute as missing:
        sys.stderr.write(f"gateway: {missing}\n")
        raise typer.Exit(2) from None
    write = {Scorecard.TEXT: report.text, Scorecard.JSON: report.document, Scorecard.MARKDOWN: report.markdown}[format_]
    sys.stdout.write(write(cards, {"revision": loaded.revision, "seed": seed, "requests": requests}))
    if any(_below(card, min_grade) for card in cards):
        raise typer.Exit(1)


def _below(card: Card, least: Grade) -> bool:
    from gateway.drill.judging import GRADES

    return GRADES.index(card.grade) > GRADES.index(least)


def _loaded(paths: list[Path]) -> Loaded:
    """The configuration, with stand-ins for secrets that are not there; its errors are told, and end it."""
    from gateway.config.load import load
    from gateway.diagnostics.diagnostic import Diagnostics
    from gateway.diagnostics.text import render
    from gateway.engine.known import KNOWN

    loaded = load(paths, known=KNOWN, environ=os.environ, stand_ins=True)
    errors = Diagnostics(found for found in loaded.diagnostics.errors if found.code != _SIGNS)
    if errors.has_errors:
        sys.stderr.write(render(errors, loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(1)
    return loaded


def _known(names: Iterable[str], known: Collection[str], what: str) -> None:
    """Says which name is none, and ends with 2."""
    from gateway.diagnostics.suggest import closest

    for name in names:
        if name not in known:
            near = closest(name, known)
            sys.stderr.write(f"gateway: there is no {what} {name!r}{f'; did you mean {near!r}?' if near else ''}\n")
            raise typer.Exit(2)


def _told(route: str) -> None:
    """Says to a person what takes its time."""
    if sys.stderr.isatty():
        sys.stderr.write(f"drilling {route}\n")
