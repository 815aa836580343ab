"""Writing a stream to a client: begin, frames, keep-alive, end; and giving up on a client that does not read.

One timer per stream does all the watching: when nothing was sent for `SILENCE` seconds it sends a comment that every
client ignores. Before the first content that commits the response to 200, so a later failure is told in the stream.
Where a client asked for progress, a second timer sends it between the frames, once the stream has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sanic import Request
from sanic.response import HTTPResponse

from gateway.protocols.contract import Frames, Protocol
from gateway.server.progress import EVERY, HEADERS, Progress

SILENCE: Final = 15.0
STALLED_READER: Final = 120.0  # a client that takes nothing for so long is gone


class StreamWriter:
    """See the module. `headers` gives the response headers where the stream must begin before it has an answer."""

    def __init__(
        self,
        request: Request,
        protocol: Protocol,
        clock: Callable[[], float],
        headers: Callable[[], dict[str, str]],
        silence: float = SILENCE,
        frames: Frames | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.begun = False
        self.progress = progress
        self._request = request
        self._protocol = protocol
        self._clock = clock
        self._headers = headers
        self._silence = silence
        self._frames = frames
        self._response: HTTPResponse | None = None
        self._pending: asyncio.Task[None] | None = None
        self._sending_since: float | None = None
        self._last = clock()
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(silence, self._watch)
        self._ticks: asyncio.TimerHandle | None = None

    async def begin(self, data: bytes, headers: dict[str, str]) -> None:
        """The head, where it was not sent yet, and the first frames, in one write."""
        await self._settle()
        if self._response is None:
            await self._open(headers)
        await self.send(data)

    async def send(self, data: bytes) -> None:
        """Whole frames. Waits while the client's buffer is full. Raises ConnectionError once the client is gone."""
        response = self._response
        if response is None:
            raise RuntimeError("the stream was not begun")
        if self._frames is not None:
            data = self._frames.feed(data)
        if self.progress is not None:
            self.progress.passed(data)
        self._sending_since = self._last = self._clock()
        try:
            if data:
                await response.send(data)
        finally:
            self._sending_since = None
            self._last = self._clock()

    async def end(self, data: bytes = b"") -> None:
        """The last frames and the end of the body."""
        self.cancel()
        await self._settle()
        if self._response is not None:
            if self._frames is not None:
                data = self._frames.feed(data) + self._frames.close()
            if self.progress is not None:
                data += self.progress.event(done=True)
            if data:
                await self._response.send(data)
            await self._response.send(end_stream=True)

    def cancel(self) -> None:
        """No more watching. Owed by whoever does not `end`."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if self._ticks is not None:
            self._ticks.cancel()
        if self._pending is not None and not self.begun:
            self._pending.cancel()

    async def _settle(self) -> None:
        """Waits for a comment that is being sent."""
        if self._pending is not None:
            await asyncio.wait((self._pending,))

    async def _open(self, headers: dict[str, str]) -> None:
        self.begun = True
        if self.progress is not None:
            headers = headers | HEADERS
            self._ticks = asyncio.get_running_loop().call_later(EVERY, self._tick)
        self._response = await self._request.respond(
            status=200,
            headers={**headers, "cache-control": "no-cache", "x-accel-buffering": "no"},
            content_type=f"{'application/json' if self._frames else self._protocol.content_type}; charset=utf-8",
        )

    def _watch(self) -> None:
        now = self._clock()
        blocked = self._sending_since
        if blocked is not None and now - blocked > STALLED_READER:
            self._request.protocol.abort()  # type: ignore[attr-defined]  # it is Sanic's HttpProtocol
            return  # Sanic now cancels the request, whose task ends the upstream
        wait = self._silence
        if blocked is None and now - self._last >= self._silence:
            self._pending = asyncio.get_running_loop().create_task(self._keep_alive())
        elif blocked is None:
            wait = self._silence - (now - self._last)
        self._timer = asyncio.get_running_loop().call_later(wait, self._watch)

    def _tick(self) -> None:
        if self.progress is not None and self._pending is None and self._sending_since is None:
            self._pending = asyncio.get_running_loop().create_task(self._beside(self.progress.event()))
        self._ticks = asyncio.get_running_loop().call_later(EVERY, self._tick)

    async def _beside(self, data: bytes) -> None:
        """Something that is no frame of the wire's own."""
        try:
            if self._response is not None:
                await self._response.send(data)
        except asyncio.CancelledError:
            return  # as below
        finally:
            self._pending = None

    async def _keep_alive(self) -> None:
        try:
            if self._response is None:
                await self._open(self._headers())
            await self.send(self._protocol.keep_alive)
        except asyncio.CancelledError:
            return  # the client is gone, which the request's own task learns from Sanic
        finally:
            self._pending = None
