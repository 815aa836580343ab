"""`gateway sandbox`: a fake upstream on a port, for tests of anything that calls one."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from gateway.sandbox import WIRES


def sandbox(
    wire: Annotated[str, typer.Option(help=f"The wire it speaks: {', '.join(WIRES)}.")] = WIRES[0],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 18080,
) -> None:
    """Serve a deterministic fake provider. docs/sandbox.md says what it can be told to do."""
    from gateway.sandbox.serve import start

    if wire not in WIRES:
        sys.stderr.write(f"gateway: the sandbox does not speak {wire!r}; it speaks {', '.join(WIRES)}\n")
        raise typer.Exit(2)

    async def run() -> None:
        upstream = await start(host, port)
        sys.stderr.write(f"sandbox: {wire} at http://{host}:{upstream.port}/v1\n")
        await upstream.forever()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except OSError as error:
        sys.stderr.write(f"gateway: cannot serve: {error}\n")
        raise typer.Exit(1) from None
