"""Connections kept for reuse, by origin; the `Send` that the data path uses.

Last in, first out, so that few connections stay warm. A connection that was idle may have been closed by the other
side in the same moment as it is used; when it dies before a single byte of a response, the request is sent once more
on a fresh connection. That holds for POST too: RFC 9112 §9.3.1 allows it where the server is known not to have
processed the request, and a connection closed unanswered while idle is what every proxy takes for that. After any
byte of a response nothing is ever sent again from here.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.transport.contract import Origin, Request, Response
from gateway.transport.http1 import Connection, Stale
from gateway.transport.proxy import open_tunnel, parse_proxy

IDLE_EXPIRY: Final = 55.0
IDLE_MOST: Final = 1024
_SWEEP: Final = 5.0


class Stats(msgspec.Struct, frozen=True):
    """Connections of one origin."""

    idle: int
    in_use: int


class _Pool:
    """The connections of one origin."""

    __slots__ = ("connecting", "idle", "open")

    def __init__(self) -> None:
        self.connecting = 0
        self.idle: list[Connection] = []
        self.open: set[Connection] = set()


class Transport:
    """One per event loop. Call it to send; see `contract.Send`."""

    def __init__(self, idle_expiry: float = IDLE_EXPIRY) -> None:
        self._pools: dict[Origin, _Pool] = {}
        self._contexts: dict[tuple[str | None, bool], ssl.SSLContext] = {}
        self._idle_expiry = idle_expiry
        self._sweeper: asyncio.TimerHandle | None = None

    async def __call__(self, request: Request) -> Response:
        """Sends a request; the response once its head has come."""
        pool = self._pools.get(request.origin)
        if pool is None:
            pool = self._pools[request.origin] = _Pool()
        while pool.idle:
            connection = pool.idle.pop()
            if connection.closed:
                continue
            try:
                return await connection.exchange(request)
            except Stale:
                break  # others that are idle may be as stale: a fresh one settles it
        pool.connecting += 1
        try:
            connection = await self._connect(request, pool)
        finally:
            pool.connecting -= 1
        try:
            return await connection.exchange(request)
        except Stale:
            raise Failed(
                Failure(kind=Kind.CONNECTION, message="the upstream closed a fresh connection at once")
            ) from None

    def stats(self) -> dict[Origin, Stats]:
        """Connections by origin."""
        return {
            origin: Stats(len(pool.idle), len(pool.open) - len(pool.idle))
            for origin, pool in self._pools.items()
            if pool.open
        }

    def close(self) -> None:
        """Closes everything at once."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for pool in self._pools.values():
            for connection in list(pool.open):
                connection.abort()
            pool.idle.clear()

    async def _connect(self, request: Request, pool: _Pool) -> Connection:
        origin = request.origin

        def released(connection: Connection) -> None:
            if len(pool.idle) >= IDLE_MOST:
                connection.abort()
                return
            connection.idle_since = asyncio.get_running_loop().time()
            pool.idle.append(connection)
            self._watch_idle()

        def lost(connection: Connection) -> None:
            pool.open.discard(connection)
            if connection in pool.idle:
                pool.idle.remove(connection)

        try:
            async with asyncio.timeout(request.timeouts.connect):
                connection = await self._open(origin, released, lost)
        except TimeoutError:
            raise _unreachable(
                Kind.TIMEOUT, f"no connection to {origin.authority} within {request.timeouts.connect:g}s (connect)"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise _unreachable(
                Kind.CONNECTION, f"the certificate of {origin.authority} cannot be verified: {error.verify_message}"
            ) from None
        except socket.gaierror as error:
            raise _unreachable(
                Kind.CONNECTION, f"the name {origin.host} cannot be resolved: {error.strerror}"
            ) from None
        except (OSError, ValueError) as error:
            raise _unreachable(Kind.CONNECTION, f"no connection to {origin.authority}: {error}") from None
        pool.open.add(connection)
        return connection

    async def _open(self, origin: Origin, released: object, lost: object) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = parse_proxy(origin.proxy) if origin.proxy is not None else None
        absolute = proxy is not None and origin.scheme == "http"
        extra = proxy.authorization if proxy is not None and absolute else ""

        def make() -> Connection:
            return Connection(released, lost, absolute, extra)  # type: ignore[arg-type]  # the closures of _connect

        context = self._context(origin) if origin.scheme == "https" else None
        if proxy is not None and context is not None:
            tunnel = await open_tunnel(proxy, origin.host, origin.port)
            connection = make()
            transport = await loop.start_tls(tunnel, connection, context, server_hostname=origin.host)
            if transport is None:
                raise ConnectionError("the connection was lost during the TLS handshake")
            connection.connection_made(transport)
            return connection
        host, port = (proxy.host, proxy.port) if proxy is not None else (origin.host, origin.port)
        transport, connection = await loop.create_connection(
            make, host, port, ssl=context, server_hostname=origin.host if context is not None else None
        )
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _context(self, origin: Origin) -> ssl.SSLContext:
        key = (origin.ca, origin.verify)
        context = self._contexts.get(key)
        if context is None:
            context = ssl.create_default_context(cafile=origin.ca)
            if not origin.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[key] = context
        return context

    def _watch_idle(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(min(_SWEEP, self._idle_expiry), self._sweep)

    def _sweep(self) -> None:
        """Closes what was idle for too long; looks again while anything is idle. Origins without connections go."""
        self._sweeper = None
        oldest = asyncio.get_running_loop().time() - self._idle_expiry
        for origin, pool in list(self._pools.items()):
            for connection in [each for each in pool.idle if each.idle_since <= oldest]:
                pool.idle.remove(connection)
                connection.abort()
            if not pool.open and not pool.connecting:
                del self._pools[origin]
        if any(pool.idle for pool in self._pools.values()):
            self._watch_idle()


def _unreachable(kind: Kind, message: str) -> Failed:
    return Failed(Failure(kind=kind, message=message, sent=False))
