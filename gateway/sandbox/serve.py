"""The sandbox on a socket: a stand-alone fake upstream for tests of anything that calls one.

Plain asyncio and httptools, so that it can do what a web framework would prevent: reset, stall, tear frames. Every
write is one packet (TCP_NODELAY). `journal` keeps the last requests; over HTTP it is at /sandbox/journal. A request
whose very bytes were answered before is answered from memory, without parsing it again: the same request always has
the same answer, and a load test should measure what is in front of the sandbox.

Must not live here: what is answered (answer.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from http import HTTPStatus
from typing import Any, Final

import httptools
import msgspec

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import End, Pause, Plan
from gateway.sandbox.refusal import JSON, Bad
from gateway.sandbox.wires import BASES, FIRST, Wire

JOURNAL_PATH: Final = "/sandbox/journal"
_JOURNAL_MOST: Final = 1000
_BODY_MOST: Final = 64 << 20
_WAITING_MOST: Final = 16
_KNOWN_MOST: Final = 512
_KNOWN_BYTES: Final = 32 << 10


class Entry(msgspec.Struct, frozen=True):
    """A request that was received. Header names are in lower case; of a repeated one the last value counts."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class _Turn(msgspec.Struct, frozen=True):
    """A request that waits for its answer. `data` are the bytes it was, where they were it and nothing else."""

    entry: Entry
    alive: bool  # whether the connection goes on
    chunks: bool  # whether the client knows chunked bodies
    data: bytes | None


class Upstream:
    """A listening sandbox. `port` is the one it has; `open` the connections there are now."""

    def __init__(self, wire: Wire = FIRST, journal: int = _JOURNAL_MOST) -> None:
        self.host = ""
        self.port = 0
        self.journal: deque[Entry] = deque(maxlen=journal)
        self.open: set[_Connection] = set()
        self.known: dict[bytes, tuple[Entry, bytes]] = {}
        self.sandbox = Sandbox(wire)
        self._base = BASES[wire]
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The base URL for a provider."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self._base}"

    async def start(self, host: str, port: int) -> Upstream:
        """Listens. Raises OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=4096)
        self.host, self.port = self._server.sockets[0].getsockname()[:2]
        return self

    async def close(self) -> None:
        """Stops, and drops every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.open):
            connection.drop()
        if self._server is not None:
            await self._server.wait_closed()

    def answer(self, entry: Entry) -> Plan:
        """The plan for a request."""
        if entry.path.partition("?")[0] == JOURNAL_PATH:
            return self._of_journal(entry.method)
        return self.sandbox.answer(entry.method, entry.path, entry.headers, entry.body)

    def _of_journal(self, method: str) -> Plan:
        """GET lists what was received, the oldest first; DELETE forgets it. Neither is itself recorded."""
        if method == "DELETE":
            self.journal.clear()
        elif method != "GET":
            return self.sandbox.refused(
                Bad(f"Not allowed to {method} on {JOURNAL_PATH}.", status=405, allow="GET, DELETE")
            )
        requests = [
            {
                "method": entry.method,
                "path": entry.path,
                "headers": entry.headers,
                "body": entry.body.decode("utf-8", "replace"),
            }
            for entry in self.journal
        ]
        return Plan(status=200, headers=JSON, body=msgspec.json.encode({"requests": requests}), repeatable=False)


async def start(
    host: str = "127.0.0.1", port: int = 0, *, wire: Wire = FIRST, journal: int = _JOURNAL_MOST
) -> Upstream:
    """A sandbox that listens; port 0 takes a free one. `journal` is how many requests are kept.

    Raises OSError where the address cannot be had.
    """
    return await Upstream(wire, journal).start(host, port)


class _Connection(asyncio.Protocol):
    """One client. Requests are answered in order; the next is read when the last was answered."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[_Turn] = deque()
        self._writable = asyncio.Event()
        self._writable.set()
        self._between = True  # no request has begun that has not ended
        self._closing = False
        self._data = b""
        self._headers: dict[str, str] = {}
        self._url = b""
        self._body: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio gives a Transport here
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upstream.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.open.discard(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._between and self._task is None:
            known = self._upstream.known.get(data)
            if known is not None:
                self._upstream.journal.append(known[0])
                self._write(known[1])
                return
        self._data = data if self._between else b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(Bad("There is no other protocol to change to."))
        except httptools.HttpParserError as error:
            self._refuse(Bad(f"This is no HTTP request: {error}"))

    def on_message_begin(self) -> None:
        self._headers, self._url, self._body, self._size = {}, b"", [], 0
        self._between = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > _BODY_MOST:
            self._refuse(Bad(f"The body is larger than {_BODY_MOST} bytes.", status=413))
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._between = True
        if self._closing:
            return
        entry = Entry(
            self._parser.get_method().decode(), self._url.decode("latin-1"), self._headers, b"".join(self._body)
        )
        if entry.path.partition("?")[0] != JOURNAL_PATH:
            self._upstream.journal.append(entry)
        data, self._data = self._data, b""
        # whether those bytes are this request and nothing else
        alone = 0 < len(data) <= _KNOWN_BYTES and len(data) == data.find(b"\r\n\r\n") + 4 + len(entry.body)
        alone = alone and "content-length" in self._headers and "expect" not in self._headers
        chunks = self._parser.get_http_version() == "1.1"
        alive = chunks and self._parser.should_keep_alive()
        self._waiting.append(_Turn(entry, alive, chunks, data if alone and alive else None))
        if len(self._waiting) >= _WAITING_MOST and self._transport is not None:
            self._transport.pause_reading()
        self._next()

    @property
    def held_back(self) -> bool:
        """Whether the other side takes less than there is to send."""
        return not self._writable.is_set()

    def drop(self) -> None:
        """Resets the connection."""
        self._closing = True
        if self._transport is not None:
            now = struct.pack("ii", 1, 0)  # linger for no time: the other side sees a reset, not an end
            with contextlib.suppress(OSError):  # it may be closed already
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            self._transport.abort()

    def _refuse(self, bad: Bad) -> None:
        """Says what is wrong with the connection itself, and ends it."""
        if not self._closing:
            self._write(_whole(self._upstream.sandbox.refused(bad), False))
            self._end()

    def _end(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _next(self) -> None:
        """Answers the next request; at once where its plan is a whole body without pauses."""
        while self._waiting and self._task is None and not self._closing:
            turn = self._waiting.popleft()
            plan = self._upstream.answer(turn.entry)
            if plan.body is None or plan.before:
                self._task = asyncio.get_running_loop().create_task(self._follow(plan, turn))
                self._task.add_done_callback(self._followed)
                return
            answer = _whole(plan, turn.alive)
            if turn.data is not None and plan.repeatable and len(self._upstream.known) < _KNOWN_MOST:
                self._upstream.known[turn.data] = (turn.entry, answer)
            self._write(answer)
            if not turn.alive:
                self._end()

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        task.result()
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()
        self._next()

    async def _follow(self, plan: Plan, turn: _Turn) -> None:
        for step in plan.before:
            if not await self._do(step, False):
                return
        if plan.body is not None:
            self._write(_whole(plan, turn.alive))
        else:
            chunked = turn.chunks and plan.length is None
            self._write(_head(plan, plan.length, turn.alive, chunked))
            for step in plan.steps:
                if not await self._do(step, chunked):
                    return
            if chunked:
                self._write(b"0\r\n\r\n")
        if not turn.alive:
            self._end()

    async def _do(self, step: object, chunked: bool) -> bool:
        """One step; False where it was the end of the connection."""
        if isinstance(step, bytes):
            if not self._writable.is_set():
                await self._writable.wait()
            if step:
                self._write(b"%x\r\n%b\r\n" % (len(step), step) if chunked else step)
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif step is End.STALL:
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.sleep(0.01)  # what was written before leaves first
            self.drop()
            return False
        return True

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _whole(plan: Plan, alive: bool) -> bytes:
    body = plan.body if plan.body is not None else b""
    return _head(plan, len(body), alive) + body


def _head(plan: Plan, length: int | None, alive: bool, chunked: bool = False) -> bytes:
    reason = HTTPStatus(plan.status).phrase if plan.status in _PHRASES else "Unknown"
    lines = [f"HTTP/1.1 {plan.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in plan.headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    elif chunked:
        lines.append("transfer-encoding: chunked")
    if not alive:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


_PHRASES: Final = frozenset(status.value for status in HTTPStatus)
