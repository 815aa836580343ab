"""The upstream of the stream benchmarks and of the soak: as little work per event as Python allows.

It answers any POST. The model named in the body decides what it sends, and is named in the `id` and the
`model` of everything it sends:

    …json…   one JSON reply of about 1.5 KB
    …flood…  100 events of 320 bytes, as fast as they are taken, each in a write of its own
    …paced…  100 events, one every 20 ms
    …brisk…  20 events, one every 5 ms
    …hold…   one event, then one every 10 s until the client leaves

All streams end with a usage event and `[DONE]`. Bodies are searched for the model, not parsed: it is a load fixture,
not a fake of a provider.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
from collections import deque
from functools import lru_cache
from typing import cast

import httptools
import uvloop

EVENTS = 100
EVENT_BYTES = 320
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_USAGE = b'"usage":{"prompt_tokens":250,"completion_tokens":100,"total_tokens":350}'


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def json_reply(model: str) -> bytes:
    """A chat completion of about 1.5 KB."""
    body = (
        b'{"id":"chatcmpl-%b","object":"chat.completion","created":1700000000,"model":"%b",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],%b}'
    )
    name = model.encode()
    return body % (name, name, b"lorem ipsum " * 105, _USAGE)


@lru_cache(maxsize=1024)
def whole(model: bytes) -> bytes:
    """The HTTP response with `json_reply`."""
    body = json_reply(model.decode())
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _opening(model: bytes) -> bytes:
    head = b'data: {"id":"chatcmpl-%b","object":"chat.completion.chunk","created":1700000000,"model":"%b",'
    return head % (model, model)


@lru_cache(maxsize=1024)
def event(model: bytes) -> bytes:
    """One chunk with one event of content, padded to `EVENT_BYTES`."""
    head = _opening(model) + b'"choices":[{"index":0,"delta":{"content":"'
    tail = b'"},"finish_reason":null}]}\n\n'
    return _chunk(head + b"x" * max(1, EVENT_BYTES - len(head) - len(tail)) + tail)


@lru_cache(maxsize=1024)
def ending(model: bytes) -> bytes:
    """The finish, the usage, `[DONE]` and the end of the body."""
    head = _opening(model)
    finish = head + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = head + b'"choices":[],%b}\n\n' % _USAGE
    return _chunk(finish + usage) + _chunk(b"data: [DONE]\n\n") + _END


class Flood:
    """Writes one event to each flooded stream in turn, each with a system call of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: deque[Upstream] = deque()

    def add(self, stream: Upstream) -> None:
        """From now on `stream` gets its events."""
        self._streams.append(stream)
        if len(self._streams) == 1:
            self._loop.call_soon(self._round)

    def _round(self) -> None:
        for _ in range(len(self._streams)):
            stream = self._streams.popleft()
            if stream.write_one():
                self._streams.append(stream)
        if self._streams:
            self._loop.call_soon(self._round)


class Upstream(asyncio.Protocol):
    """One connection."""

    flood: Flood

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0
        self._rest = b""
        self._model = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._fd: int = transport.get_extra_info("socket").fileno()
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        found = _MODEL.search(self._body)
        self._body = b""
        model = self._model = found[1] if found is not None else b"json"
        if b"flood" in model:
            self._begin(EVENTS)
            self.flood.add(self)
        elif b"paced" in model:
            self._begin(EVENTS)
            self._tick(0.02)
        elif b"brisk" in model:
            self._begin(20)
            self._tick(0.005)
        elif b"hold" in model:
            self._begin(1_000_000)
            self._tick(10.0)
        else:
            self._transport.write(whole(model))

    def _begin(self, events: int) -> None:
        self._left = events
        self._transport.write(_HEAD)

    def _tick(self, pause: float) -> None:
        if self._left:
            self._left -= 1
            self._transport.write(event(self._model))
            self._timer = asyncio.get_running_loop().call_later(pause, self._tick, pause)
        else:
            self._transport.write(ending(self._model))

    def write_one(self) -> bool:
        """Writes the next event past the transport, which would join it with others; whether there is more to do."""
        if not self.open:
            return False
        if self._transport.get_write_buffer_size():
            return True  # the head has not left yet
        data = self._rest or (event(self._model) if self._left else ending(self._model))
        fresh = not self._rest
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            self._rest = data
            written = 0
        except OSError:
            return False
        else:
            self._rest = data[written:]
        if fresh:
            self._left -= 1  # -1 once the ending was begun
        return bool(self._rest) or self._left >= 0


async def serve(host: str, port: int) -> None:
    """Serves until SIGTERM."""
    loop = asyncio.get_running_loop()
    Upstream.flood = Flood(loop)
    server = await loop.create_server(Upstream, host, port, backlog=4096)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    print(f"ready: http://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve("127.0.0.1", parser.parse_args().port))
