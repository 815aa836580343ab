"""`gateway explain`: what becomes of one request, and by which lines of the file, without asking anybody.

The request is given by flags or as a file in its protocol's words, the state by what is assumed of targets and budgets.
References to an environment that is not there are stood in for, so it works on any checkout.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from gateway.config.model import Config
    from gateway.engine.access import Caller
    from gateway.engine.clients import Received
    from gateway.engine.engine import Engine
    from gateway.engine.shadow import Given

REFUSED = 4


class Written(StrEnum):
    """How it is written."""

    TEXT = "text"
    JSON = "json"


def explain(
    model: Annotated[str | None, typer.Argument(help="The name that is asked for. Default: the one in --file.")] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Files, in order. Default: router.yaml.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Who asks, by the name in `keys:`. Default: anybody.")] = None,
    protocol: Annotated[str, typer.Option(help="The client's wire.")] = "openai-chat",
    file: Annotated[Path | None, typer.Option(help="The body, in the wire's words; - is standard input.")] = None,
    header: Annotated[list[str] | None, typer.Option("--header", "-H", metavar="NAME: VALUE", help="A header.")] = None,
    tokens: Annotated[str | None, typer.Option(help="About how long the prompt is, in tokens, such as 20k.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="The bound on the answer, in tokens.", min=1)] = None,
    image: Annotated[int, typer.Option(help="How many images it carries.", min=0, max=20)] = 0,
    tools: Annotated[bool, typer.Option("--tools", help="It brings a tool along.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="The answer is streamed.")] = False,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, such as 2027-01-31T09:30:00Z. Default: now.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="The session it belongs to.")] = None,
    user: Annotated[str | None, typer.Option(help="The user, for keys that say `trust: [user]`.")] = None,
    client_ip: Annotated[str, typer.Option(help="The address it comes from.")] = "127.0.0.1",
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET=WORD,…", help="What its sends come to: kinds of failure, statuses, ok."),
    ] = None,
    down: Annotated[list[str] | None, typer.Option(metavar="TARGET", help="It cannot be reached.")] = None,
    resting: Annotated[
        list[str] | None, typer.Option(metavar="TARGET[=KIND]", help="It rests for a minute after such a failure.")
    ] = None,
    spent: Annotated[
        list[str] | None, typer.Option(metavar="BUDGET=USD", help="What is spent of a budget, in USD; all: all of it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="What chance begins with.")] = 0,
    format_: Annotated[Written, typer.Option("--format", help="text for people, json for programs.")] = Written.TEXT,
) -> None:
    """Explain a request. Exit 0: somebody would answer. 1: the configuration has errors. 2: wrong usage. 4: the client
    would get an error."""
    from gateway.cli.explained import text
    from gateway.config.load import load
    from gateway.diagnostics.text import render
    from gateway.engine.build import build
    from gateway.engine.explain import explain as explained
    from gateway.engine.explanation import as_json
    from gateway.engine.known import KNOWN
    from gateway.failure import Refused

    loaded = load(config or [Path("router.yaml")], known=KNOWN, environ=os.environ, stand_ins=True)
    if loaded.config is None or loaded.diagnostics.has_errors:
        sys.stderr.write(render(loaded.diagnostics, loaded.sources, colour=sys.stderr.isatty()))
        raise typer.Exit(1)
    engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
    wall = _time(at)
    caller = _caller(engine, key)
    objection = caller.objection(datetime.fromtimestamp(wall, UTC).date())
    if objection is not None:
        _end(f"key {key!r}: {objection}", REFUSED)
    said = {
        "tokens": tokens,
        "max_tokens": max_tokens,
        "images": image or None,
        "tools": ["tool"] if tools else None,
        "session": session,
        "user": user,
        "client_ip": client_ip,
        "headers": dict(_header(each) for each in header or ()),
    }
    try:
        received = _received(protocol, model, file, stream, wall, said)
    except Refused as refused:
        _end(refused.refusal.message, REFUSED)
    given = _given(engine, loaded.config, wall, fault or [], down or [], resting or [], spent or [])
    found = explained(engine, loaded.config, caller, received, given, seed=seed, at=loaded.at)
    if format_ is Written.JSON:
        sys.stdout.buffer.write(as_json(found) + b"\n")
        sys.stdout.flush()
    else:
        sys.stdout.write(text(found, colour=sys.stdout.isatty()))
    if found.outcome.status != 200:
        raise typer.Exit(REFUSED)


def _end(message: str, code: int = 2) -> NoReturn:
    sys.stderr.write(f"gateway: {message}\n")
    raise typer.Exit(code)


def _time(said: str | None) -> float:
    if said is None:
        return time.time()
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        _end(f"--at: {said!r} is not a time such as 2027-01-31T09:30:00Z")
    return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()


def _header(said: str) -> tuple[str, str]:
    name, colon, value = said.partition(":")
    if not colon or not name.strip():
        _end(f"--header: {said!r} is not NAME: VALUE")
    return name.strip().lower(), value.strip()


def _caller(engine: Engine, key: str | None) -> Caller:
    from gateway.diagnostics.suggest import closest
    from gateway.engine.access import ANYONE

    if key is None:
        return ANYONE
    callers = {caller.name: caller for caller in engine.keyring.callers.values()}
    if key not in callers:
        near = closest(key, callers)
        _end(f"there is no key {key!r}{f'; did you mean {near!r}?' if near else ''}")
    return callers[key]


def _received(
    wire: str, model: str | None, file: Path | None, stream: bool, wall: float, said: dict[str, Any]
) -> Received:
    """The request as it would come. Raises `Refused` where its body cannot be read."""
    import msgspec

    from gateway.config.model_tests import TestRequest
    from gateway.config.units import tokens as tokens_of
    from gateway.engine.clients import Received
    from gateway.protocols import PROTOCOLS
    from gateway.protocols.contract import no_clients
    from gateway.rehearsal.request import outgoing

    body: dict[str, Any] | None = None
    if file is not None:
        try:
            body = msgspec.json.decode(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
        except OSError as error:
            _end(f"{file} cannot be read: {error.strerror}")
        except msgspec.DecodeError as error:
            _end(f"{file} is no JSON: {error}")
        if not isinstance(body, dict):
            _end(f"{file} is no JSON object")
    if model is None and (body is None or not isinstance(body.get("model"), str)):
        _end("name what is asked for: gateway explain MODEL")
    known = [name for name, each in PROTOCOLS.items() if each.decode_request is not no_clients]
    if wire not in known:
        _end(f"--protocol: {wire!r} is no wire that clients speak. There are: {', '.join(known)}")
    values = {name: value for name, value in said.items() if value is not None}
    if "tokens" in values:
        try:
            values["tokens"] = tokens_of(values["tokens"])
        except ValueError as error:
            _end(f"--tokens: {error}")
    asked = model or (body or {})["model"]
    values |= {"protocol": wire, "stream": stream, "model": asked}
    request = TestRequest.model_construct(**values)
    sent = outgoing(request, None)
    data = sent.body if body is None else msgspec.json.encode(body if model is None else {**body, "model": model})
    protocol = PROTOCOLS[wire]
    if file is not None or b'"model"' in sent.body:
        head = protocol.decode_head(data, asked, stream or None)
    else:
        head = protocol.decode_head(data, asked, stream)
    return Received(protocol=protocol, head=head, headers=dict(sent.headers), peer=sent.peer, wall=wall)


def _given(
    engine: Engine,
    config: Config,
    wall: float,
    faults: list[str],
    down: list[str],
    resting: list[str],
    spent: list[str],
) -> Given:
    from gateway.engine.assuming import Unmeant, faults_of, nameable, rests_of
    from gateway.engine.shadow import REST, Given

    known = nameable(engine)
    try:
        return Given(
            faults=faults_of([*faults, *(f"{name}=connection" for name in down)], known, wall),
            resting=rests_of([(each, REST) for each in resting], known),
            spent=dict(_spent(each, config) for each in spent),
        )
    except Unmeant as unmeant:
        _end(str(unmeant))


def _spent(said: str, config: Config) -> tuple[str, int]:
    name, mark, amount = said.rpartition("=")
    if not mark or name not in config.budgets:
        _end(f"--spent: {said!r} is not BUDGET=USD of one of: {', '.join(config.budgets) or 'no budgets'}")
    if amount == "all":
        return name, round(config.budgets[name].limit.amount * 10**9)
    try:
        return name, round(float(amount.removesuffix("USD").strip()) * 10**9)
    except ValueError:
        _end(f"--spent: {amount!r} is no amount of USD")
