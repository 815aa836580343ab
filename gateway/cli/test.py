"""`gateway test`: does the configuration do what its `tests:` say? The server answers them in process.

Nothing is sent over a network, no key is needed, and time is virtual: a test that waits for an hour takes no longer
than another.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer


class Form(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def test(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of `tests:` alone; only theirs are run. Default: those of the configuration."),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="Files of the configuration, in order. Default: router.yaml."),
    ] = None,
    filter_: Annotated[
        str | None, typer.Option("--filter", "-k", metavar="TEXT", help="Only tests whose name has this text.")
    ] = None,
    format_: Annotated[Form, typer.Option("--format", help="text for people, the others for programs.")] = Form.TEXT,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say what of the configuration no test touched (not with junit).")
    ] = False,
    least: Annotated[
        str | None,
        typer.Option("--coverage-min", metavar="PERCENT", help="Fail where tests touch less of it, such as 80%."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What chance begins with, where a test does not say.")] = 1,
) -> None:
    """Run the tests of a configuration. Exit 0: all passed. 1: one failed, or too little is touched. 2: it cannot be
    tested: wrong usage, an invalid configuration, or there are no tests."""
    from gateway.config.load import load
    from gateway.diagnostics.text import render
    from gateway.engine.known import KNOWN
    from gateway.rehearsal import coverage as covering
    from gateway.rehearsal import report
    from gateway.rehearsal.perform import perform
    from gateway.rehearsal.stage import Stage

    wanted = None
    if least is not None:
        read = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", least)
        if read is None or float(read[1]) > 100:
            _stop(f"--coverage-min takes a share such as 80%, not {least!r}")
        wanted = float(read[1]) / 100
    paths = config or [Path("router.yaml")]
    for file in files or ():
        _only_tests(file)
    loaded = load([*paths, *(files or ())], known=KNOWN, environ=os.environ, stand_ins=True)
    if loaded.config is None or loaded.diagnostics.has_errors:
        sys.stderr.write(render(loaded.diagnostics, loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(2)
    chosen = []
    for index, each in enumerate(loaded.config.tests):
        span = loaded.span(("tests", index))
        if files and (span is None or Path(span.path) not in files):
            continue
        if filter_ is None or filter_ in each.name:
            chosen.append((index, each))
    if not chosen:
        _stop("no test has such a name" if filter_ is not None else "there are no tests")
    stage = Stage(loaded)
    gc.freeze()  # what is here stays; each test makes, and drops, an Engine of its own
    gc.set_threshold(50_000, 20, 20)
    played = [perform(stage, index, each, seed) for index, each in chosen]
    covered = None
    if coverage or wanted is not None:
        finished = (event for each in played for event in each.finished if event is not None)
        sent = (name for each in played for name in each.sent)
        covered = covering.coverage(loaded.config, stage.engine, finished, sent)
    if format_ is Form.JSON:
        sys.stdout.write(report.as_json(played, stage, covered))
    elif format_ is Form.JUNIT:
        sys.stdout.write(report.as_junit(played, stage))
    else:
        sys.stdout.write(report.lines(played, stage, colour=sys.stdout.isatty()))
        if covered is not None:
            sys.stdout.write(report.uncovered(covered, stage))
    touched = sum(each.touched for each in covered) / len(covered) if covered else 1.0
    if any(each.missed for each in played) or (wanted is not None and touched < wanted):
        raise typer.Exit(1)


def _stop(why: str) -> NoReturn:
    sys.stderr.write(f"gateway: {why}\n")
    raise typer.Exit(2)


def _only_tests(file: Path) -> None:
    """A file of tests says nothing else: what is tested is what serves."""
    from gateway.config.read import read

    try:
        tree, _ = read(str(file), file.read_bytes())
    except OSError:
        return  # said where it is loaded
    more = [key for key in tree.value if key not in ("version", "tests")] if tree is not None else []
    if more:
        _stop(f"{file} has `{more[0]}:`, so it is a configuration: give it with --config")
