"""The clients of the soak: they parse every answer in full and judge it."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field

import httptools

EVENTS = 23  # 20 of content, the finish, the usage, [DONE]
FRESH = 40  # requests on one connection before the client opens another
_ID = re.compile(rb'"id":\s*"chatcmpl-(json|brisk)-(\d+)-(\w+)"')


@dataclass
class Answer:
    """One HTTP answer as it came. `complete` is False where the connection ended before the body did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    keep: bool = False


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport
        self._waiting: asyncio.Future[Answer] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> Answer:
        """Sends and waits for the end of the answer, or of the connection."""
        self._answer = Answer()
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._finish(complete=False)
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._answer.keep = self._parser.should_keep_alive()
        self._finish(complete=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._finish(complete=False)

    def _finish(self, *, complete: bool) -> None:
        answer, waiting = self._answer, self._waiting
        answer.complete = complete
        answer.body = b"".join(self._pieces)
        try:
            answer.status = self._parser.get_status_code()
        except (AttributeError, httptools.HttpParserError):
            answer.status = 0
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def close(self) -> None:
        """Closes it."""
        self._transport.close()


async def connect(port: int) -> Connection:
    """A new connection. Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def exchange(port: int, request: bytes) -> Answer:
    """One request on a connection of its own."""
    connection = await connect(port)
    try:
        return await asyncio.wait_for(connection.ask(request), 30)
    finally:
        connection.close()


class Verdicts:
    """What all clients found. `forward`: no session may see an older version after a newer one."""

    def __init__(self, *, forward: bool = False) -> None:
        self._forward = forward
        self._newest: dict[int, int] = {}  # session → the newest version that it saw
        self.whole = self.streams = self.failed = self.truncated = self.mixed = 0
        self.reasons: list[str] = []
        self.versions: dict[str, int] = {}  # revision → the version of the file that it was seen with

    @property
    def clean(self) -> bool:
        """Whether there were requests, and each was right."""
        return self.whole > 0 and not (self.failed or self.truncated or self.mixed)

    def judge(self, answer: Answer, streamed: bool, session: int) -> None:
        """Counts one answer."""
        if answer.status != 200:
            self.failed += 1
            self.reasons.append(f"status {answer.status}: {answer.body[:200]!r}")
        elif not answer.complete or not _whole(answer.body, streamed):
            self.truncated += 1
            self.reasons.append(f"cut after {len(answer.body)} bytes: …{answer.body[-120:]!r}")
        elif (why := self._mixture(answer, streamed, session)) is not None:
            self.mixed += 1
            self.reasons.append(why)
        else:
            self.whole += 1
            self.streams += streamed

    def _mixture(self, answer: Answer, streamed: bool, session: int) -> str | None:
        """Why the answer cannot come from one version alone; None where it does."""
        told = set(_ID.findall(answer.body))
        if len(told) != 1:
            return f"one answer tells of {len(told)} versions: {sorted(told)}"
        kind, digits, provider = next(iter(told))
        version = int(digits)
        headers = answer.headers
        model = f"{'s' if streamed else 'c'}{version}"
        expected = {"x-gateway-model": model, "x-gateway-provider": provider.decode()}
        got = {name: headers.get(name) for name in expected}
        if got != expected or (kind == b"brisk") != streamed:
            return f"the body is of version {version} ({expected}), the headers say {got}"
        revision = headers.get("x-gateway-revision", "")
        if not revision or self.versions.setdefault(revision, version) != version:
            return f"revision {revision!r} was seen with versions {self.versions.get(revision)} and {version}"
        newest = self._newest.get(session, 0)
        self._newest[session] = max(newest, version)
        if self._forward and version < newest:
            return f"session {session} saw version {version} after {newest}"
        return None


def _whole(body: bytes, streamed: bool) -> bool:
    if streamed:
        events = [event for event in body.split(b"\n\n") if event.startswith(b"data: ")]
        return len(events) == EVENTS and events[-1] == b"data: [DONE]"
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


class Caller:
    """One client, which is one session; odd ones stream. It asks again once it has its answer, until `stopping`."""

    def __init__(self, port: int, key: str, session: int, verdicts: Verdicts) -> None:
        self.stopping = False
        self._port = port
        self._session = session
        self._streamed = streamed = session % 2 == 1
        self._verdicts = verdicts
        body = {
            "model": "stream" if streamed else "call",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            **({"stream": True, "stream_options": {"include_usage": True}} if streamed else {}),
        }
        data = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: soak\r\nauthorization: Bearer {key}\r\n"
        head += f"x-session-id: soak-{session}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        self._request = head.encode() + data

    async def run(self) -> None:
        """Until `stopping`; the request under way is finished first."""
        while not self.stopping:
            try:
                connection = await connect(self._port)
            except OSError as error:
                self._verdicts.failed += 1
                self._verdicts.reasons.append(f"no connection: {error}")
                await asyncio.sleep(0.1)
                continue
            for _ in range(FRESH):
                if self.stopping:
                    break
                answer = await connection.ask(self._request)
                self._verdicts.judge(answer, self._streamed, self._session)
                if not answer.keep or connection.closed:
                    break
            connection.close()
