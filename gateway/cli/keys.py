"""`gateway keys`: who may call, edited in the file itself. Secrets are shown once and never kept; the file has hashes.

Every change is loaded, as serving it would, before it is written, and refused with the diagnostics where it has errors.
The edits are config/edit.py's: comments, order and every other byte stay.
"""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeAlias

import typer

if TYPE_CHECKING:
    from gateway.config.edit import Edit
    from gateway.config.load import Loaded
    from gateway.config.model import Key

_BYTES: Final = 32  # of a secret
_PREFIX: Final = "gw-"

keys = typer.Typer(name="keys", help="Mint, list, rotate and revoke keys in router.yaml.", no_args_is_help=True)

Files: TypeAlias = Annotated[
    list[Path] | None, typer.Option("--config", "-c", help="Files of one configuration, in order.")
]
Name: TypeAlias = Annotated[str, typer.Argument(help="The key's name in the file.")]
Shows: TypeAlias = Annotated[bool, typer.Option("--print", help="Write the patch to standard output, not the file.")]


class Listing(StrEnum):
    """How keys are listed."""

    TEXT = "text"
    JSON = "json"


@keys.command()
def mint(
    name: Name,
    config: Files = None,
    team: Annotated[str | None, typer.Option("--team", help="The team it belongs to.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="A name or pattern that it may use. Default: everything.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="What can be said of it.")] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="Its last day: 2027-01-31, or from today: 90d (days), 12w (weeks).")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may reload the gateway.")] = False,
    print_: Shows = False,
) -> None:
    """Make a key: its secret is shown now and never again, its hash goes into the file. Exit 0: made. 1: refused.
    2: wrong usage."""
    from gateway.config.edit import Put

    loaded = _loaded(config)
    if name in _keys(loaded):
        _stop(f"there is a key {name!r} already: rotate it, or take another name", 2)
    secret = _PREFIX + secrets.token_urlsafe(_BYTES)
    entry: dict[str, Any] = {"hash": _hash(secret)}
    if team is not None:
        entry["team"] = team
    if allow:
        entry["allow"] = allow
    if tag:
        entry["tags"] = tag
    if expires is not None:
        entry["expires"] = _day(expires).isoformat()
    if admin:
        entry["admin"] = True
    _change(config, loaded, [Put(("keys", name), entry)], print_)
    _show(secret, print_)


@keys.command()
def rotate(
    name: Name,
    config: Files = None,
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long the old secret still works: 7d (days), 2w (weeks), or 0d.")
    ] = "7d",
    print_: Shows = False,
) -> None:
    """Give a key a new secret; the old one works until the overlap ends. Exit 0: done. 1: refused. 2: wrong usage."""
    from gateway.config.edit import Put, Remove

    loaded = _loaded(config)
    key = _key(loaded, name)
    if key.hash is None:
        where = key.from_.key if key.from_ is not None else "nowhere"
        _stop(f"the secret of {name!r} is not the file's to change: it stands in {where}", 1)
    until = _day(overlap)
    secret = _PREFIX + secrets.token_urlsafe(_BYTES)
    edits: list[Edit] = [Put(("keys", name, "hash"), _hash(secret))]
    if until > _today():
        edits.append(Put(("keys", name, "former"), {"hash": key.hash, "until": until.isoformat()}))
    elif key.former is not None:
        edits.append(Remove(("keys", name, "former")))
    _change(config, loaded, edits, print_)
    _show(secret, print_)


@keys.command()
def revoke(
    name: Name,
    config: Files = None,
    disable: Annotated[bool, typer.Option("--disable", help="Keep the entry and refuse it: `disabled: true`.")] = False,
    print_: Shows = False,
) -> None:
    """Take a key out of the file, with its former secret. Exit 0: done. 1: refused. 2: there is no such key."""
    from gateway.config.edit import Put, Remove

    loaded = _loaded(config)
    _key(loaded, name)
    _change(config, loaded, [Put(("keys", name, "disabled"), True) if disable else Remove(("keys", name))], print_)


@keys.command(name="list")
def list_(
    config: Files = None,
    format_: Annotated[Listing, typer.Option("--format", help="text for people, json for programs.")] = Listing.TEXT,
) -> None:
    """Show the keys: no secret, but the beginning of its SHA-256, which names it. Exit 0: shown. 1: errors."""
    import msgspec

    loaded = _loaded(config)
    rows = [_row(loaded, name, key) for name, key in _keys(loaded).items()]
    if format_ is Listing.JSON:
        sys.stdout.write(
            msgspec.json.format(msgspec.json.encode({"version": 1, "keys": rows}), indent=2).decode() + "\n"
        )
        return
    head = ("name", "team", "allow", "expires", "state", "fingerprint")
    table = [head, *(tuple(_shown(row[word]) for word in head) for row in rows)]
    widths = [max(len(line[at]) for line in table) for at in range(len(head))]
    for line in table:
        sys.stdout.write("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _row(loaded: Loaded, name: str, key: Key) -> dict[str, Any]:
    """What is told of a key. `fingerprint` is None where the secret is not to be had here."""
    digest = key.hash.removeprefix("sha256:") if key.hash is not None else None
    if key.from_ is not None:
        from gateway.config.refs import stand_in

        secret = loaded.secrets.value(key.from_)
        digest = None if secret == stand_in(key.from_) else sha256(secret.encode()).hexdigest()
    over = key.expires is not None and _today() > key.expires
    return {
        "name": name,
        "team": key.team,
        "allow": key.allow,
        "expires": key.expires.isoformat() if key.expires is not None else None,
        "state": "disabled" if key.disabled else "expired" if over else "active",
        "fingerprint": digest[:12] if digest is not None else None,
        "source": "hash" if key.hash is not None else key.from_.key if key.from_ is not None else "",
        "admin": key.admin,
        "former": (
            {"fingerprint": key.former.hash.removeprefix("sha256:")[:12], "until": key.former.until.isoformat()}
            if key.former is not None
            else None
        ),
    }


def _shown(value: Any) -> str:
    return "–" if value is None else ", ".join(value) if isinstance(value, list) else str(value)


def _loaded(config: list[Path] | None, texts: dict[Path, bytes] | None = None) -> Loaded:
    """The configuration, whatever of its environment is missing; its errors are told, and end it."""
    from gateway.config.load import load
    from gateway.diagnostics.text import render
    from gateway.engine.known import KNOWN

    loaded = load(config or [Path("router.yaml")], known=KNOWN, environ=os.environ, texts=texts, stand_ins=True)
    wrong = [found for found in loaded.diagnostics.errors if not _harmless(found.code, texts)]
    if loaded.config is None or wrong:
        sys.stderr.write(render(loaded.diagnostics, loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(1)
    return loaded


def _harmless(code: str, texts: dict[Path, bytes] | None) -> bool:
    """What a change of keys has nothing to do with: a library that is not installed here; and, before the change,
    that there is no key yet."""
    return code == "unusable-credential" or (code == "no-keys" and texts is None)


def _keys(loaded: Loaded) -> dict[str, Key]:
    return loaded.config.keys if loaded.config is not None else {}


def _key(loaded: Loaded, name: str) -> Key:
    from gateway.diagnostics.suggest import closest

    found = _keys(loaded).get(name)
    if found is None:
        near = closest(name, _keys(loaded))
        _stop(f"there is no key {name!r}{f'; did you mean {near!r}?' if near else ''}", 2)
    return found


def _change(config: list[Path] | None, loaded: Loaded, edits: list[Edit], print_: bool) -> None:
    """Makes edits, loads what comes of them, and writes it or prints the patch."""
    from gateway.config.edit import Changed, Unwritable, changes, write

    try:
        found = changes(loaded, edits)
    except Unwritable as why:
        _stop(str(why), 1)
    _loaded(config, {Path(change.file): change.after for change in found})
    if print_:
        sys.stdout.write("".join(change.patch() for change in found))
        return
    try:
        write(found)
    except (Changed, OSError) as why:
        _stop(f"nothing was written: {why}", 1)
    for change in found:
        sys.stderr.write(f"{change.file} was changed\n")


def _show(secret: str, print_: bool) -> None:
    """The secret, once: on standard output, or beside a patch on standard error."""
    sys.stderr.write("This is the secret. It is nowhere else:\n")
    (sys.stderr if print_ else sys.stdout).write(f"{secret}\n")


def _hash(secret: str) -> str:
    return f"sha256:{sha256(secret.encode()).hexdigest()}"


def _today() -> date:
    return datetime.now(UTC).date()


def _day(text: str) -> date:
    """A day that is written, or so many days or weeks from today."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in ("d", "w") and number.isdecimal():
            return _today() + timedelta(days=int(number) * (7 if unit == "w" else 1))
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        _stop(f"{text!r} is neither a day such as 2027-01-31 nor a number of days or weeks such as 90d or 12w", 2)


def _stop(why: str, code: int) -> NoReturn:
    sys.stderr.write(f"gateway: {why}\n")
    raise typer.Exit(code)
