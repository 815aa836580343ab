"""HTTP/1.1 on one connection: write a request, parse its response as it comes, know whether another may follow.

The parser is llhttp in its strict mode, so what two implementations could read in two ways is an error here. A
connection carries one exchange at a time. Bytes that come while nobody reads stop the socket at a high-water mark:
a slow client slows its upstream. Time-outs are timers that exist only while something is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import httptools

from gateway.failure import Failed, Failure, Kind
from gateway.transport.contract import Request
from gateway.transport.decoding import Decoder, decoder_for

HEAD_MOST: Final = 64 << 10
HIGH_WATER: Final = 256 << 10
_JOINED_MOST: Final = 64 << 10  # a body up to this is written together with its head


class Stale(Exception):  # noqa: N818 - it says what the connection was
    """A reused connection died before a byte of the response: the request may be sent again on a fresh one."""


@lru_cache(maxsize=2048)
def _head(method: str, target: str, authority: str, headers: tuple[tuple[str, str], ...], extra: str) -> bytes:
    """The head of a request up to the value of content-length; the same for every request of a lane."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if extra:
        lines.append(extra)
    return ("\r\n".join(lines) + "\r\ncontent-length: ").encode("latin-1")


class Connection(asyncio.Protocol):
    """One socket. `released` is called when it may carry another exchange, `lost` once when it is gone.

    `via_proxy` is a complete header line where requests go to a proxy in absolute form.
    """

    def __init__(
        self, released: Callable[[Connection], None], lost: Callable[[Connection], None], absolute: bool, extra: str
    ) -> None:
        self.idle_since = 0.0
        self.used = False
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._released = released
        self._lost = lost
        self._absolute = absolute
        self._extra = extra
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._exchanging = False
        self._reset()

    def _reset(self) -> None:
        """Ready for the next response."""
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self._head_size = 0  # of the fields that were parsed
        self._fed = 0  # bytes of the response, whether parsed or not
        self._head_done = False
        self._framed = False
        self._complete = False
        self._keep = False
        self._error: Failure | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._paused = False
        self._any = False
        self._surplus = False
        self._total_at: float | None = None
        self._total: float | None = None
        self._idle: float | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there (after TLS, where there is TLS)."""
        self._transport = transport  # type: ignore[assignment]  # asyncio gives a Transport here

    def data_received(self, data: bytes) -> None:
        """Bytes of a response, or bytes that nobody asked for."""
        if not self._exchanging or self._complete:
            self._surplus = True
            self.abort()
            return
        self._any = True
        before = self._fed
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._break("the upstream switched protocols, which was not asked for")
        except httptools.HttpParserError as error:
            self._break(f"the upstream's HTTP cannot be read: {error}")
        if self._head_size > HEAD_MOST or (not self._head_done and before > HEAD_MOST):
            self._break(f"the head of the response is larger than {HEAD_MOST} bytes")
        self._wake()

    def eof_received(self) -> bool:
        """The upstream will send nothing more; the connection is closed."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: the end of a body that nothing else ends, or a failure."""
        self.closed = True
        if self._exchanging and not self._complete and self._error is None:
            if self._head_done and not self._framed and exc is None:
                self._complete = True
            else:
                why = f": {exc}" if exc is not None else ""
                where = "in the middle of the body" if self._head_done else "before it answered"
                self._error = Failure(kind=Kind.CONNECTION, message=f"the upstream closed the connection {where}{why}")
        self._wake()
        self._lost(self)

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._complete:
            return
        word = name.decode("latin-1").lower()
        if word in ("content-length", "transfer-encoding"):
            self._framed = True
        self._head_size += len(name) + len(value) + 4
        self.headers.append((word, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers.clear()
            return
        self.status = status
        self._head_done = True
        self._keep = self._parser.should_keep_alive()
        if status in (204, 304):
            self._framed = True

    def on_body(self, data: bytes) -> None:
        if self._complete:
            return
        self._body.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head_done:  # else it was a 1xx
            self._complete = True

    # One exchange

    async def exchange(self, request: Request) -> Response:
        """Sends a request and waits for the head. Raises `Failed`, or `Stale`; the connection is closed then."""
        transport = self._transport
        if self.closed or transport is None or transport.is_closing():
            raise Stale
        reused, self.used = self.used, True
        self._reset()
        self._exchanging = True
        self._parser = httptools.HttpResponseParser(self)
        timeouts = request.timeouts
        if timeouts.total is not None:
            self._total, self._total_at = timeouts.total, self._loop.time() + timeouts.total
        self._idle = timeouts.idle
        target = f"http://{request.origin.authority}{request.target}" if self._absolute else request.target
        head = _head(request.method, target, request.origin.authority, request.headers, self._extra)
        head += b"%d\r\n\r\n" % len(request.body)
        if len(request.body) <= _JOINED_MOST:
            transport.write(head + request.body)
        else:
            transport.write(head)
            transport.write(request.body)
        try:
            while not self._head_done and self._error is None:
                await self._wait(timeouts.first_byte, "no response")
        except BaseException:
            self.abort()
            raise
        if self._error is not None:
            self.abort()
            if reused and not self._any and self._error.kind is Kind.CONNECTION:
                raise Stale
            raise Failed(self._error)
        return Response(self, self.status, tuple(self.headers))

    async def read(self, within: float | None) -> bytes:
        """The body bytes that have come, waiting for some; b"" at the end."""
        while not self._size:
            if self._error is not None:
                raise Failed(self._error)
            if self._complete:
                return b""
            await self._wait(self._idle if within is None else within, "no further bytes")
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._size = 0
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()
        return data

    def finish(self) -> None:
        """The reader is done: back to the pool, or closed where the exchange was not at its end."""
        if not self._exchanging:
            return
        self._exchanging = False
        transport = self._transport
        clean = self._complete and self._keep and self._error is None and not self._surplus and not self.closed
        if clean and transport is not None and transport.get_write_buffer_size() == 0:
            if self._paused:
                self._paused = False
                transport.resume_reading()
            self._released(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Closes the socket at once."""
        self._exchanging = False
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _break(self, message: str) -> None:
        """The response cannot be trusted any further."""
        if not self._complete:
            self._error = Failure(kind=Kind.BAD_RESPONSE, message=message)
            if self._transport is not None:
                self._transport.abort()
        self._surplus = True

    async def _wait(self, seconds: float | None, what: str) -> None:
        """Until something arrives. Raises `Failed(timeout)` after `seconds`, or at the end of the total."""
        total = False
        if self._total_at is not None:
            left = self._total_at - self._loop.time()
            if seconds is None or left < seconds:
                seconds, total = max(left, 0.0), True
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._expire, seconds, total, what) if seconds is not None else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _expire(self, seconds: float, total: bool, what: str) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            message = (
                f"the whole exchange took over {self._total:g}s (total)" if total else f"{what} within {seconds:g}s"
            )
            waiter.set_exception(Failed(Failure(kind=Kind.TIMEOUT, message=message)))

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Response:
    """See `contract.Response`."""

    __slots__ = ("_connection", "_decoder", "headers", "status")

    def __init__(self, connection: Connection, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        self._connection: Connection | None = connection
        self.status = status
        self.headers = headers
        encoding = self.header("content-encoding")
        self._decoder: Decoder | None = None
        if encoding is not None and encoding.strip().lower() not in ("", "identity"):
            try:
                self._decoder = decoder_for(encoding)
            except Failed:
                self.close()
                raise

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    async def read(self, within: float | None = None) -> bytes:
        """The next bytes, b"" at the end."""
        connection = self._connection
        if connection is None:
            return b""
        while True:
            data = await connection.read(within)
            if self._decoder is None:
                return data
            decoded = self._decoder.feed(data)
            if decoded or not data:
                return decoded

    async def read_all(self, limit: int) -> bytes:
        """The whole rest, at most `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        while data := await self.read():
            size += len(data)
            if size > limit:
                self.close()
                raise Failed(
                    Failure(
                        kind=Kind.BAD_RESPONSE, message=f"the body is larger than {limit} bytes", status=self.status
                    )
                )
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Ends the exchange."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish()
