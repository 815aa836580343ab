"""A bench whose upstreams take their time: on a virtual clock, with every request and every reply kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from gateway.events import Aside, Mirrored
from gateway.failure import Failed, Failure
from gateway.protocols import PROTOCOLS
from gateway.routing.attempt import Answer
from gateway.routing.facts import Facts
from gateway.routing.node import Node
from gateway.routing.run import Course, Tools, run
from gateway.routing.sending import Job
from gateway.transport.contract import Request, Response
from tests.routing.bench import Bench

USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


def whole(text: str, usage: dict[str, int] | None = USAGE, **message: Any) -> bytes:
    """A whole answer on the chat wire."""
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    if "tool_calls" in message:
        choice["finish_reason"] = "tool_calls"
    return json.dumps({"id": "c1", "model": "m", "choices": [choice], "usage": usage}).encode()


def chunk(text: str) -> bytes:
    return (
        b'data: {"id":"s1","model":"m","choices":[{"index":0,"delta":{"content":%b}}]}\n\n' % json.dumps(text).encode()
    )


END = (
    b'data: {"id":"s1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"s1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n'
    b"data: [DONE]\n\n"
)


class Slow:
    """A scripted response: a number among its pieces is a pause in seconds, a failure breaks it off."""

    def __init__(
        self, *pieces: bytes | float | Failure, status: int = 200, kind: str = "application/json", after: float = 0.0
    ) -> None:
        self.status = status
        self.after = after
        self.headers = (("content-type", kind),)
        self.closed: float | None = None  # when
        self._pieces = list(pieces)

    def again(self) -> Slow:
        return Slow(*self._pieces, status=self.status, kind=self.headers[0][1], after=self.after)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    async def read(self, within: float | None = None) -> bytes:
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, Failure):
                raise Failed(piece)
            if isinstance(piece, bytes):
                return piece
            await asyncio.sleep(piece)
        return b""

    async def read_all(self, limit: int) -> bytes:
        return b"".join([data async for data in self._all()])

    async def _all(self) -> Any:
        while data := await self.read():
            yield data

    def close(self) -> None:
        if self.closed is None:
            self.closed = asyncio.get_running_loop().time()


def stream(*pieces: bytes | float | Failure, after: float = 0.0) -> Slow:
    return Slow(*pieces, kind="text/event-stream", after=after)


class Arena(Bench):
    """`plays` gives what each model answers; `seen` are (when, model, body) of what was sent."""

    def __init__(self, node: Node, plays: dict[str, Slow | Failure], seed: int = 1) -> None:
        super().__init__(node, seed=seed)
        self.plays = plays
        self.seen: list[tuple[float, str, Any]] = []
        self.given: dict[str, Slow] = {}
        self.tools = Tools(
            send=self._play,
            clock=lambda: asyncio.get_running_loop().time(),
            wall=lambda: 1_000_000.0,
            sleep=asyncio.sleep,
            random=self.random,
            emit=self.events.append,
        )

    async def _play(self, request: Request) -> Response:
        name = request.origin.host.removeprefix("p-")
        self.seen.append((asyncio.get_running_loop().time(), name, json.loads(request.body)))
        play = self.plays[name]
        if isinstance(play, Failure):
            raise Failed(play)
        reply = self.given[name] = play.again()
        await asyncio.sleep(reply.after)
        return reply

    def job(self, stream: bool = False, wire: str = "openai-chat", **fields: Any) -> Job:
        protocol = PROTOCOLS[wire]
        fields = {"messages": [{"role": "user", "content": "Hello?"}], **fields}
        body = {"model": "any", "stream": stream, **fields}
        head = protocol.decode_head(json.dumps(body).encode(), "any", stream)
        return Job(protocol, head, facts=Facts(asked="any", request_id="r1", protocol=wire, stream=stream))

    async def send(self, job: Job | None = None, budget: float | None = 60.0) -> Answer | Failure:
        """One request to its commit point."""
        self.course = Course()
        try:
            return await run(self.node, job or self.job(), self.runtime, self.tools, self.course, budget)
        except Failed as failed:
            return failed.failure

    @property
    def order(self) -> list[tuple[float, str]]:
        """When each model was asked."""
        return [(round(when, 3), name) for when, name, _ in self.seen]

    def body(self, name: str) -> Any:
        return next(body for _, model, body in reversed(self.seen) if model == name)

    @property
    def asides(self) -> list[tuple[str, str]]:
        return [(event.line, event.model) for event in self.events if isinstance(event, Aside)]

    @property
    def mirrored(self) -> list[Mirrored]:
        return [event for event in self.events if isinstance(event, Mirrored)]


async def text_of(answer: Answer | Failure) -> bytes:
    """Everything that the client gets."""
    assert isinstance(answer, Answer), answer
    out: Iterable[bytes] = [answer.body]
    parts = list(out)
    while data := await answer.more():
        parts.append(data)
    answer.close()
    return b"".join(parts)
