"""`gateway rollback`: a running gateway goes back to the configuration that was in force before.

The file is left alone, and the gateway says on /health, in its metrics and in its log that it does not run the file,
until a change of it comes into force. While a canary runs, that is what is taken back.

Exit codes: 0 it went back, or was there already; 1 it did not, and the reason is on standard error.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from gateway.cli.operating import KEY_VARIABLE, Refused, ask


def rollback(
    url: Annotated[str, typer.Argument(help="The running gateway.")] = "http://127.0.0.1:8080",
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="A revision, by its beginning, of those that GET /health calls `kept`. Default: the "
            "one that was in force before.",
        ),
    ] = None,
    key_env: Annotated[
        str, typer.Option("--key-env", help="The environment variable that holds an administrator's key.")
    ] = KEY_VARIABLE,
) -> None:
    """Go back to the configuration that was in force before, in a running gateway; the file is left alone.

    Exit 0: done. 1: it was refused, and why is on standard error.
    """
    from urllib.parse import quote

    try:
        outcome = ask(url, "POST", "/-/rollback" + (f"?to={quote(to, safe='')}" if to else ""), key_env)
    except Refused as refused:
        sys.stderr.write(f"gateway: no rollback: {refused}\n")
        raise typer.Exit(1) from None
    sys.stdout.write(_told(outcome) + "\n")


def _told(outcome: dict[str, Any]) -> str:
    revision = str(outcome.get("revision"))[:12]
    match outcome.get("outcome"):
        case "canary-aborted":
            return f"The canary was taken back; {revision} serves all. The file is as it was: mend it, or put it back."
        case "unchanged":
            return f"{revision} is in force already."
    before = str(outcome.get("from"))[:12]
    return f"{revision} is in force again, instead of {before}. The file is as it was: mend it, or put it back."
