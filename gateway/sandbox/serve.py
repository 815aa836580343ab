"""The sandbox on a socket: a stand-alone fake upstream for tests of anything that calls one.

Plain asyncio and httptools, so that it can do what a web framework would prevent: reset, stall, tear frames. Every
write is one packet (TCP_NODELAY). `journal` keeps the last requests.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any, Final

import httptools
import msgspec

from gateway.sandbox import openai_chat
from gateway.sandbox.plan import End, Pause, Plan

_JOURNAL_MOST: Final = 1000
_REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Entry(msgspec.Struct, frozen=True):
    """A request that was received. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Upstream:
    """A listening sandbox. `port` is the one it has; `open` the connections there are now."""

    def __init__(self) -> None:
        self.port = 0
        self.journal: deque[Entry] = deque(maxlen=_JOURNAL_MOST)
        self.failures: dict[str, int] = {}
        self.open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The base URL for a provider."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, host: str, port: int) -> Upstream:
        """Listens. Raises OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Stops, and drops every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.open):
            connection.drop()
        if self._server is not None:
            await self._server.wait_closed()

    async def forever(self) -> None:
        """Serves until cancelled."""
        if self._server is not None:
            await self._server.serve_forever()

    def answer(self, entry: Entry) -> Plan:
        """The plan for a request."""
        if entry.path.endswith("/chat/completions"):
            if entry.method != "POST":
                return openai_chat.refusal(405, f"{entry.method} is not allowed here.")
            return openai_chat.chat(entry.body, entry.headers.get("x-sandbox"), self.failures)
        if entry.path.endswith("/models") and entry.method == "GET":
            return openai_chat.models()
        return openai_chat.refusal(404, f"There is nothing at {entry.method} {entry.path}.")


async def start(host: str = "127.0.0.1", port: int = 0) -> Upstream:
    """A sandbox that listens; port 0 takes a free one."""
    return await Upstream().start(host, port)


class _Connection(asyncio.Protocol):
    """One client. Requests are answered in order; the next is read when the last was answered."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Entry] = deque()
        self._writable = asyncio.Event()
        self._writable.set()
        self._headers: dict[str, str] = {}
        self._url = b""
        self._body: list[bytes] = []

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
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.drop()

    def on_message_begin(self) -> None:
        self._headers, self._url, self._body = {}, b"", []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path = self._url.decode("latin-1").partition("?")[0]
        entry = Entry(self._parser.get_method().decode(), path, self._headers, b"".join(self._body))
        self._upstream.journal.append(entry)
        self._waiting.append(entry)
        self._next()

    @property
    def held_back(self) -> bool:
        """Whether the other side takes less than there is to send."""
        return not self._writable.is_set()

    def drop(self) -> None:
        """Resets the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        """Answers the next request; at once where its plan is a whole body without pauses."""
        while self._waiting and self._task is None:
            plan = self._upstream.answer(self._waiting.popleft())
            if not plan.before and len(plan.steps) == 1 and isinstance(plan.steps[0], bytes):
                self._write(_head(plan, len(plan.steps[0])) + plan.steps[0])
                continue
            self._task = asyncio.get_running_loop().create_task(self._follow(plan))
            self._task.add_done_callback(self._followed)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.result()
            self._next()

    async def _follow(self, plan: Plan) -> None:
        for step in plan.before:
            if not await self._do(step, False):
                return
        whole = len(plan.steps) == 1 and isinstance(plan.steps[0], bytes)
        framed = whole or any(name == "content-length" for name, _ in plan.headers)
        self._write(_head(plan, len(plan.steps[0]) if whole and isinstance(plan.steps[0], bytes) else None))
        for step in plan.steps:
            if not await self._do(step, not framed):
                return
        if not framed:
            self._write(b"0\r\n\r\n")

    async def _do(self, step: object, chunked: bool) -> bool:
        """One step; False where it was the end of the connection."""
        if isinstance(step, bytes):
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


def _head(plan: Plan, length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {plan.status} {_REASONS.get(plan.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in plan.headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    elif not any(name == "content-length" for name, _ in plan.headers):
        lines.append("transfer-encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
