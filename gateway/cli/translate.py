"""`gateway translate`: what becomes of a request, an answer or a stream on another wire, and what is lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from gateway.failure import Failed, Refused
from gateway.protocols import PROTOCOLS
from gateway.protocols.offline import Document, document


def translate(
    file: Annotated[Path, typer.Argument(help="A request, an answer or a recorded stream; - is standard input.")],
    from_: Annotated[str, typer.Option("--from", help="The wire it is on.")],
    to: Annotated[str, typer.Option("--to", help="The wire that is wanted.")],
    model: Annotated[str | None, typer.Option(help="The upstream's model; default: the one that is named.")] = None,
    stream: Annotated[bool, typer.Option(help="The request streams, where its wire says that in the path.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: kind, body and dropped.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 where something is lost.")] = False,
) -> None:
    """Translate a document between wires. Exit 0: done. 1: it cannot be read. 2: no such wire. 3: lossy, --strict."""
    for wire in (from_, to):
        if wire not in PROTOCOLS:
            _end(f"{wire!r} is no wire. There are: {', '.join(sorted(PROTOCOLS))}", 2)
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        _end(f"{file} cannot be read: {error.strerror}", 1)
    try:
        translated = document(data, from_, to, model=model, stream=stream)
    except Refused as refused:
        _end(refused.refusal.message, 1)
    except Failed as failed:
        _end(failed.failure.message, 1)
    except LookupError:
        _end(f"only providers speak {from_} or {to}; it has no such document", 2)
    _write(translated, as_json)
    if strict and translated.dropped:
        raise typer.Exit(3)


def _end(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"gateway: {message}\n")
    raise typer.Exit(code)


def _write(translated: Document, as_json: bool) -> None:
    streamed = translated.kind == "stream"
    if as_json:
        body = translated.body.decode("utf-8", "replace") if streamed else msgspec.Raw(translated.body)
        dropped = [{"field": each.field, "why": each.why} for each in translated.dropped]
        whole = msgspec.json.encode({"kind": translated.kind, "body": body, "dropped": dropped})
        sys.stdout.buffer.write(msgspec.json.format(whole, indent=2) + b"\n")
        return
    sys.stdout.buffer.write(translated.body if streamed else msgspec.json.format(translated.body, indent=2) + b"\n")
    sys.stdout.flush()
    for each in translated.dropped:
        sys.stderr.write(f"lost: {each.field}: {each.why}\n")
