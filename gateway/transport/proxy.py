"""Reaching an origin through an HTTP proxy: CONNECT for https, absolute form for http."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

_REPLY_MOST: Final = 16 << 10


class Proxy(NamedTuple):
    """Where it is, and the header line that it wants; "" for none."""

    host: str
    port: int
    authorization: str


def parse_proxy(url: str) -> Proxy:
    """`http://[user:password@]host:port`. Raises ValueError for anything else; the message holds no password."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a proxy is written http://[user:password@]host:port")
    line = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        line = f"proxy-authorization: Basic {b64encode(pair.encode()).decode()}"
    return Proxy(parts.hostname, parts.port or 80, line)


class _Tunnel(asyncio.Protocol):
    """Collects a proxy's reply to CONNECT up to its blank line."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.reply.done():
            return
        if b"\r\n\r\n" in self._data or len(self._data) > _REPLY_MOST:
            self.reply.set_result(self._data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.reply.done():
            self.reply.set_exception(ConnectionError("the proxy closed the connection"))


async def open_tunnel(proxy: Proxy, host: str, port: int) -> asyncio.Transport:
    """A transport through which the origin can be reached. Raises OSError where the proxy does not open it."""
    loop = asyncio.get_running_loop()
    transport, tunnel = await loop.create_connection(_Tunnel, proxy.host, proxy.port)
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    extra = f"{proxy.authorization}\r\n" if proxy.authorization else ""
    try:
        transport.write(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{extra}\r\n".encode("latin-1"))
        reply = await tunnel.reply
        words = reply.split(b"\r\n", 1)[0].split(b" ", 2)
        if len(words) < 2 or words[1] != b"200":
            raise ConnectionError(f"the proxy refused to connect: {b' '.join(words[1:]).decode('latin-1')[:100]}")
    except BaseException:
        transport.abort()
        raise
    return transport
