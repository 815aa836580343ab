"""The load of the stream benchmarks: keeps N streams open on N connections and counts events.

    python -m benchmarks.streams URL --key KEY --model flood --clients 100 --seconds 5
    python -m benchmarks.streams URL --key KEY --model hold --clients 1000 --hold

It prints one JSON line. Without `--hold` each client asks again when its stream has ended; a stream counts as failed
when its status is not 200, when it ends without `[DONE]`, or with another number of events than the others. With
`--hold` it prints once every stream has had its first event, and keeps them open until its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from functools import partial
from statistics import quantiles
from typing import cast
from urllib.parse import urlsplit

import uvloop

EXPECTED = 103  # 100 events of content, one with the finish, one with the usage, [DONE]
_END = b"\r\n0\r\n\r\n"
_DONE = b"data: [DONE]"


class Tally:
    """What all clients saw together."""

    def __init__(self) -> None:
        self.events = 0
        self.opening = 0  # events that came while the streams were being opened
        self.streams = 0
        self.failed = 0
        self.complaint = ""
        self.first: list[float] = []  # seconds from the request to the first event
        self.stopped = False


class Client(asyncio.Protocol):
    """One connection. It does not parse: it looks for the ends of events and of bodies, whatever the split."""

    def __init__(self, request: bytes, tally: Tally, opened: asyncio.Event) -> None:
        self._request = request
        self._tally = tally
        self._opened = opened
        self._tail = b""
        self._seen = 0
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._tail = b""
        self._seen = 0
        self._done = False
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        if not self._tail and not data.startswith(b"HTTP/1.1 200"):
            self._fail(data[:300])
            return
        found = data.count(b"\n\n")
        if self._tail[-1:] == b"\n" and data[:1] == b"\n":
            found += 1
        if not self._seen and found:
            tally.first.append(time.perf_counter() - self._asked)
            self._opened.set()
        self._seen += found
        tally.events += found
        if len(data) >= 64:
            self._tail = data
        else:
            self._tail = (self._tail + data)[-64:]
        if self._seen >= EXPECTED and self._tail.endswith(_END):
            if self._seen == EXPECTED and _DONE in self._tail:
                tally.streams += 1
            else:
                self._fail(b"%d events" % self._seen)
                return
            if not tally.stopped:
                self._ask()

    def _fail(self, why: bytes) -> None:
        self._tally.failed += 1
        self._tally.complaint = why.decode(errors="replace")
        self._opened.set()
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._tally.stopped and not self._opened.is_set():
            self._tally.failed += 1
            self._opened.set()
        elif not self._tally.stopped and not self._tally.complaint:
            self._tally.failed += 1
            self._tally.complaint = f"the connection closed after {self._seen} events ({exc})"


def post(url: str, key: str, model: str) -> bytes:
    """The request: about 1 KB, streaming."""
    parts = urlsplit(url)
    messages = [{"role": "user", "content": "What is the capital of France? " * 27}]
    options = {"include_usage": True}
    body = json.dumps({"model": model, "messages": messages, "stream": True, "stream_options": options}).encode()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(url: str, key: str, model: str, clients: int, seconds: float, hold: bool) -> None:
    """Connects in groups of 100, then measures for `seconds`, or holds."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    request = post(url, key, model)
    tally = Tally()
    opened = [asyncio.Event() for _ in range(clients)]
    transports = []
    began = time.perf_counter()
    for start in range(0, clients, 100):
        group = opened[start : start + 100]
        for event in group:
            transport, _ = await loop.create_connection(
                partial(Client, request, tally, event), parts.hostname or "", parts.port or 80
            )
            transports.append(transport)
        await asyncio.gather(*(asyncio.wait_for(event.wait(), 60) for event in group))
    if hold:
        report(tally, time.perf_counter() - began, 0.0)
        await loop.run_in_executor(None, sys.stdin.read)
    else:
        tally.opening, tally.events = tally.events, 0
        opening = time.perf_counter() - began
        await asyncio.sleep(seconds)
        report(tally, time.perf_counter() - began - opening, opening)
    tally.stopped = True
    for transport in transports:
        transport.abort()


def report(tally: Tally, seconds: float, opening: float) -> None:
    """The result as one line. `opening` is the seconds before the measured ones."""
    cuts = quantiles(tally.first, n=100) if len(tally.first) > 1 else [0.0] * 99
    result = {
        "events": tally.events,
        "events_opening": tally.opening,
        "seconds_opening": opening,
        "seconds": seconds,
        "streams": tally.streams,
        "failed": tally.failed,
        "complaint": tally.complaint,
        "first_p50": cuts[49],
        "first_p99": cuts[98],
    }
    print("result " + json.dumps(result), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--hold", action="store_true")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(run(options.url, options.key, options.model, options.clients, options.seconds, options.hold))
