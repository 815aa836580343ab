"""The application on a socket: how a worker begins to accept connections, and how a server inside another process does.

`listen` is the only place that starts Sanic. `served` is the whole life of a server on this very event loop, for what
tests a configuration behind the real server: a free port of this host, and nothing left behind at the end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Final

from sanic import Sanic
from sanic.application.state import ApplicationServerInfo
from sanic.config import Config
from sanic.http.constants import HTTP
from sanic.server.async_server import AsyncioServer

from gateway.server.app import make_app
from gateway.server.serving import Serving

BACKLOG: Final = 4096  # Sanic's default of 100 loses bursts of connections


async def listen(app: Sanic[Config, SimpleNamespace], sock: socket.socket) -> AsyncioServer:
    """Begins to accept connections. Raises RuntimeError where Sanic gives no server."""
    server = await app.create_server(sock=sock, access_log=False, backlog=BACKLOG, return_asyncio_server=True)
    if server is None:
        raise RuntimeError("Sanic gave no server")
    # What `Sanic.run` would note: with it, start-up leaves out what only HTTP/3 needs (an alt-svc header).
    app.state.server_info.append(ApplicationServerInfo({"version": HTTP.VERSION_1}))
    for start in (server.startup, server.before_start, server.after_start):
        await start()  # type: ignore[no-untyped-call]  # Sanic's lifecycle is not annotated
    return server


@asynccontextmanager
async def served(serving: Serving) -> AsyncIterator[int]:
    """A server on a free port of 127.0.0.1, which is the value. `serving` has an Engine in force.

    One at a time in a process: Sanic knows its applications by their names.
    """
    app = make_app(serving)
    app.config.TOUCHUP = False  # Sanic rewrites its own methods at start-up, which it can do once in a process
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sees then that it is TCP
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    server = await listen(app, sock)
    try:
        yield sock.getsockname()[1]
    finally:
        server.close()  # type: ignore[no-untyped-call]  # Sanic's
        for connection in list(server.connections):
            connection.abort()
        await asyncio.sleep(0)  # what was aborted is told so
        Sanic.unregister_app(app)
