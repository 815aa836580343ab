"""The application without a socket: requests enter the server's own HTTP protocol through memory, answers leave it so.

Everything but the kernel is what a client on the network meets: parser, routes, handlers, writer. For whoever rehearses
a configuration; on a virtual clock too, since nothing here waits for the outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

import msgspec
from sanic import Sanic
from sanic.config import Config
from sanic.server.protocols.http_protocol import HttpProtocol

_HOST: Final = "gateway.test"
_LINE: Final = b"\r\n"


class Reply(msgspec.Struct, frozen=True):
    """An answer as it was read: names of headers in lower case. `whole`: its framing says that it is complete."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool = True

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        return next((value for known, value in self.headers if known == name), None)


class Loopback:
    """The application, asked by its own process: on any loop, one after another."""

    def __init__(self, app: Sanic[Config, SimpleNamespace]) -> None:
        self._app = app
        self._ready = False
        Sanic.unregister_app(app)  # so that a process may have several

    async def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        peer: str = "127.0.0.1",
    ) -> Reply:
        """One request on a connection of its own, and its whole answer. `peer`: the address that it comes from."""
        loop = asyncio.get_running_loop()
        if not self._ready:
            self._app.signalize(allow_fail_builtin=False)
            self._app.finalize()
            self._ready = True
        protocol = HttpProtocol(loop=loop, app=self._app)
        wire = _Wire(protocol, peer, loop.create_future())
        protocol.connection_made(wire)  # type: ignore[no-untyped-call]  # Sanic's
        task = protocol._task
        lines = [f"{method} {target} HTTP/1.1", f"host: {_HOST}", *(f"{name}: {value}" for name, value in headers)]
        lines += [f"content-length: {len(body)}", "connection: close", "", ""]
        protocol.data_received("\r\n".join(lines).encode("utf-8", "surrogateescape") + body)
        try:
            await wire.closed
        except asyncio.CancelledError:
            wire.abort()
            raise
        finally:
            if task is not None:
                await asyncio.wait((task,))
        return _read(bytes(wire.written))


class _Wire(asyncio.Transport):
    """A connection in memory. Whatever is written was sent."""

    def __init__(self, protocol: HttpProtocol, peer: str, closed: asyncio.Future[None]) -> None:
        super().__init__({"peername": (peer, 40000), "sockname": ("127.0.0.1", 80)})
        self.closed = closed
        self.written = bytearray()
        self._protocol = protocol
        self._closing = False

    def write(self, data: Any) -> None:
        """Sends."""
        self.written += data

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._closing

    def close(self) -> None:
        """Ends the connection; the protocol learns of it in a while, as of a socket."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._lost)

    def abort(self) -> None:
        """Ends the connection."""
        self.close()

    def _lost(self) -> None:
        self._protocol.connection_lost(None)  # type: ignore[no-untyped-call]  # Sanic's
        if not self.closed.done():
            self.closed.set_result(None)

    def get_write_buffer_size(self) -> int:
        """Bytes that are not sent yet."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def pause_reading(self) -> None:
        """What was given was given."""

    def resume_reading(self) -> None:
        """What was given was given."""


def _read(data: bytes) -> Reply:
    """The answer in what the server wrote; interim ones passed over. Raises ValueError where there is none."""
    while True:
        head, found, rest = data.partition(_LINE * 2)
        if not found:
            raise ValueError("the server closed the connection without an answer")
        first, *lines = head.split(_LINE)
        status = int(first.split(b" ", 2)[1])
        if status >= 200:
            break
        data = rest
    pairs = [line.partition(b":")[::2] for line in lines]
    headers = tuple((name.decode("latin-1").lower(), value.strip().decode("utf-8", "replace")) for name, value in pairs)
    said = dict(headers)
    if said.get("transfer-encoding") == "chunked":
        return Reply(status, headers, *_unchunked(rest))
    length = said.get("content-length")
    return Reply(status, headers, rest, length is None or int(length) == len(rest))


def _unchunked(data: bytes) -> tuple[bytes, bool]:
    """A body in chunks, and whether its last chunk is there."""
    parts: list[bytes] = []
    while True:
        size, found, rest = data.partition(_LINE)
        length = int(size.split(b";")[0], 16) if found and size else -1
        if length <= 0:
            return b"".join(parts), length == 0
        parts.append(rest[:length])
        data = rest[length + 2 :]
