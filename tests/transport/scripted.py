"""A raw server that does exactly what a test tells it: bytes, pauses, resets. It keeps what it received."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The next request, head and body; b"" where the client has gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        return head + await self.reader.readexactly(length)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


class Scripted:
    """`accepted` counts connections, `received` has every request, `gone` is set when a client has left."""

    def __init__(self) -> None:
        self.accepted = 0
        self.received: list[bytes] = []
        self.gone = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._peers: set[Peer] = set()

    async def start(self, handler: Handler, context: ssl.SSLContext | None = None) -> Scripted:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.accepted += 1
            peer = Peer(reader, writer)
            self._peers.add(peer)
            try:
                await handler(peer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                self._peers.discard(peer)
                writer.close()

        self._server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for peer in list(self._peers):
                peer.reset()
            await self._server.wait_closed()
