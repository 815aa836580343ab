"""`gateway blame`: which lines of the file routed a request, and which commits wrote them.

The ledger says what a request was, and by which revision it was routed; the revision is looked for in the working tree
and in git's history of the file. Where the file is in no repository, only the working tree can be that revision.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer

if TYPE_CHECKING:
    from gateway.config.load import Loaded

COMMITS = 500  # that are looked at for a revision


class Shown(StrEnum):
    """How it is written."""

    TEXT = "text"
    JSON = "json"


class Commit(NamedTuple):
    """`at`: seconds since the epoch."""

    id: str
    at: int
    author: str
    summary: str


class Found(NamedTuple):
    """The configuration that decided: of a commit, or "" for the working tree. `sure`: its revision is the row's."""

    loaded: Loaded
    commit: str
    sure: bool


def blame(
    request: Annotated[str, typer.Argument(help="The x-request-id of the answer, the id in it, or the ledger's.")],
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Files, in order. Default: router.yaml.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(metavar="URL", help="The ledger. Default: `gateway.ledger` of the file.")
    ] = None,
    format_: Annotated[Shown, typer.Option("--format", help="text for people, json for programs.")] = Shown.TEXT,
) -> None:
    """Say which lines routed a request. Exit 0: they are shown. 1: there is no such request, its revision is not to be
    found, or the ledger or the file cannot be read. 2: wrong usage."""
    import msgspec

    from gateway.engine.blaming import blamed
    from gateway.engine.build import build
    from gateway.server.recording import Unread, looked_up

    paths = config or [Path("router.yaml")]
    here = _loaded(paths)
    try:
        row = looked_up(ledger or _ledger(here), request)
    except Unread as unread:
        _end(str(unread))
    if row is None:
        _end(f"The ledger has no request {request!r}.")
    found = _revision(paths, here, row)
    if found.loaded.config is None:
        raise TypeError("a configuration without a shape decides nothing")
    engine = build(found.loaded.config, found.loaded.secrets, revision=found.loaded.revision)
    lines = []
    for each in blamed(engine, found.loaded.config, row):
        where = found.loaded.at(each.path)
        commit = _wrote(where, found.commit) if where is not None else None
        lines.append((each.what, each.did, where, commit))
    if format_ is Shown.JSON:
        told = [
            {"what": what, "did": did, "where": where, "commit": commit._asdict() if commit is not None else None}
            for what, did, where, commit in lines
        ]
        whole = {
            "version": 1,
            "request": row["request_id"],
            "revision": row["revision"],
            "commit": found.commit or None,
            "sure": found.sure,
            "lines": told,
        }
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n")
        sys.stdout.flush()
        return
    sys.stdout.write("\n".join(_text(row, found, lines)) + "\n")


def _end(message: str, code: int = 1) -> NoReturn:
    sys.stderr.write(f"gateway: {message}\n")
    raise typer.Exit(code)


def _loaded(paths: Sequence[Path]) -> Loaded:
    from gateway.config.load import load
    from gateway.diagnostics.text import render
    from gateway.engine.known import KNOWN

    loaded = load(list(paths), known=KNOWN, environ=os.environ, stand_ins=True)
    if loaded.config is None or loaded.diagnostics.has_errors:
        sys.stderr.write(render(loaded.diagnostics, loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(1)
    return loaded


def _ledger(loaded: Loaded) -> str:
    from gateway.config.refs import Ref

    said = loaded.config.gateway.ledger if loaded.config is not None else None
    if said is None:
        _end("The file names no ledger. Name one: --ledger URL.", 2)
    if not isinstance(said.url, Ref):
        return said.url
    if not loaded.secrets.knows(said.url):
        _end(f"The ledger's URL is in {said.url.env or said.url.file}, which is not here. Name it: --ledger URL.", 2)
    return loaded.secrets.value(said.url)


def _revision(paths: Sequence[Path], here: Loaded, row: dict[str, Any]) -> Found:
    """The configuration that routed the request. Secrets count for a revision, so where they are not here none is the
    same: then it is the last commit before the request."""
    from gateway.cli.sources import Unusable, at_revision, git

    wanted = row["revision"]
    if here.revision.startswith(wanted):
        return Found(here, "", True)
    before: Found | None = None
    try:
        directory = paths[0].absolute().parent
        names = [str(each) for each in here.names]
        listed = git(
            directory, "log", f"-{COMMITS}", "--format=%H %ct", "--", *(str(Path(name).absolute()) for name in names)
        )
        for line in listed.decode().splitlines():
            commit, _, at = line.partition(" ")
            try:
                loaded = at_revision(commit, [str(path) for path in paths], os.environ)
            except Unusable:
                continue
            if loaded.config is None or loaded.diagnostics.has_errors:
                continue
            if loaded.revision.startswith(wanted):
                return Found(loaded, commit, True)
            if before is None and int(at) <= row["at"]:
                before = Found(loaded, commit, False)
    except Unusable as unusable:
        _end(
            f"The request was routed by revision {wanted}, {paths[0]} is {here.revision[:12]} now, and its history is "
            f"not here: {unusable.text.removeprefix('gateway: ').strip()}"
        )
    if before is None:
        _end(
            f"The request was routed by revision {wanted}. {paths[0]} is {here.revision[:12]} now, and no commit of it "
            f"before the request is here."
        )
    return before


def _wrote(where: str, revision: str) -> Commit | None:
    """The commit that wrote a line, None where git does not know."""
    from gateway.cli.sources import Unusable, git

    name, line, _ = where.rsplit(":", 2)
    path = Path(name).absolute()
    at = [revision] if revision else []
    try:
        said = git(path.parent, "blame", "--porcelain", "-L", f"{line},{line}", *at, "--", str(path))
    except Unusable:
        return None
    first, *others = said.decode(errors="replace").splitlines()
    told = dict(each.split(" ", 1) for each in others if " " in each and not each.startswith("\t"))
    id_ = first.split(" ", 1)[0]
    if not id_.strip("0"):
        return Commit("", 0, "", "not committed yet")
    return Commit(id_, int(told.get("author-time", 0)), told.get("author", ""), told.get("summary", ""))


def _text(
    row: dict[str, Any], found: Found, lines: Sequence[tuple[str, str, str | None, Commit | None]]
) -> Iterator[str]:
    at = datetime.fromtimestamp(row["at"], UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    where = f"commit {found.commit[:12]}" if found.commit else "the file as it is"
    yield f"{row['request_id']}, {at}, status {row['status']}, revision {row['revision']}: {where}"
    if not found.sure:
        yield (
            "  No version here has this revision, for which secrets count too. This is the last one that was committed "
            "before the request."
        )
    cells = [
        (
            what,
            did,
            place or "",
            (f"{commit.id[:12]} {_day(commit.at)} {commit.author}: {commit.summary}" if commit.id else commit.summary)
            if commit is not None
            else "",
        )
        for what, did, place, commit in lines
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in range(3)]
    for cell in cells:
        padded = (text.ljust(width) for text, width in zip(cell, (*widths, 0), strict=True))
        yield f"  {'  '.join(padded)}".rstrip()


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
