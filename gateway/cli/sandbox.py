"""`gateway sandbox`: a fake upstream on a port, for tests of anything that calls one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from gateway.sandbox.wires import FIRST, Wire


def sandbox(
    wire: Annotated[Wire, typer.Option(help="The wire it speaks.")] = FIRST,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 18080,
    journal: Annotated[
        int, typer.Option(help="How many requests GET /sandbox/journal shows, keys and all.", min=0)
    ] = 100,
) -> None:
    """Serve a deterministic fake provider. docs/sandbox.md says what it can be told to do."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(wire, host, port, journal))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except OSError as error:
        sys.stderr.write(f"gateway: cannot listen on {host}:{port}: {error.strerror or error}\n")
        raise typer.Exit(1) from None


async def _serve(wire: Wire, host: str, port: int, journal: int) -> None:
    from gateway.sandbox.serve import start

    upstream = await start(host, port, wire=wire, journal=journal)
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # where there are no signal handlers, Ctrl-C is an exception
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    sys.stderr.write(f"sandbox: {wire} at {upstream.url}\n")
    await stopped.wait()
    await upstream.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # it is not there on every platform
        return None
    return uvloop.new_event_loop
