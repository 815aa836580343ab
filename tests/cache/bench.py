"""A bench for caches: a store that is a dictionary, a virtual clock, and requests made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

import msgspec

from gateway.cache.answers import Answers
from gateway.cache.ask import Ask
from gateway.cache.digest import asked_digest, owner_of, scope_of
from gateway.cache.once import Once, repeat_of
from gateway.cache.rules import Caching, Exact, Semantic, Way
from gateway.events import Event
from gateway.failure import Failed, Failure
from gateway.protocols import PROTOCOLS
from gateway.routing.attempt import Answer
from gateway.routing.facts import Facts
from gateway.routing.node import Node, Target
from gateway.routing.run import Tools
from gateway.routing.runtime import Lane, Runtime
from gateway.routing.sending import Job
from gateway.state.breaker import Breaker
from gateway.store.contract import StoreDown
from tests.routing.bench import OK, target

GOOD = b'{"id":"c","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
FRAMES = (
    b'data: {"choices":[{"delta":{"content":"one "}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"two"}}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
)


class Shared:
    """A store that several workers share. `down`: every call raises."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.values: dict[str, tuple[bytes, float]] = {}
        self.tables: dict[str, dict[str, bytes]] = {}
        self.down = False
        self.gets = 0

    def _living(self, key: str) -> bytes | None:
        if self.down:
            raise StoreDown
        value, until = self.values.get(key, (b"", 0.0))
        return value if until > self._now() else None

    async def get(self, key: str) -> bytes | None:
        self.gets += 1
        await asyncio.sleep(0)
        return self._living(key)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await asyncio.sleep(0)
        self._living(key)
        self.values[key] = (value, self._now() + ttl)

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        await asyncio.sleep(0)
        if self._living(key) is not None:
            return False
        self.values[key] = (value, self._now() + ttl)
        return True

    async def delete(self, key: str) -> None:
        await asyncio.sleep(0)
        self._living(key)
        self.values.pop(key, None)

    async def clear(self, prefix: str) -> int:
        gone = [key for key in self.values if key.startswith(prefix)]
        for key in gone:
            del self.values[key]
        return len(gone)

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        self._living("")
        fields = self.tables.setdefault(table, {})
        if value is None:
            fields.pop(field, None)
        else:
            fields[field] = value

    async def table(self, table: str) -> Mapping[str, bytes]:
        self._living("")
        return self.tables.get(table, {})


class Upstream(Answer):
    """A scripted answer: a body, or frames of which one may be a failure. `gate` holds back what follows the first."""

    def __init__(self, at: Target, body: bytes | tuple[bytes | Failure, ...], usage: Any = None) -> None:
        self.frames = [] if isinstance(body, bytes) else list(body[1:])
        first = body if isinstance(body, bytes) else body[0]
        assert isinstance(first, bytes)
        super().__init__(at, LANE, None, None, first, usage, "application/json", (), lambda usage: None)
        self.stream = not isinstance(body, bytes)
        self.gate: asyncio.Event | None = None
        self.closed = False

    async def more(self) -> bytes:
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if not self.frames:
            return b""
        piece = self.frames.pop(0)
        if isinstance(piece, Failure):
            raise Failed(piece)
        return piece

    def close(self) -> None:
        self.closed = True


LANE = Lane("default", (), Breaker(), Breaker())


class Bench:
    """Workers over one store. `asked` counts the work that was done."""

    def __init__(self, caching: Caching | None = None, node: Node | None = None) -> None:
        self.now = 1000.0
        self.node = node or target("a")
        self.caching = caching or rules()
        self.events: list[Event] = []
        self.store = Shared(lambda: self.now)
        self.asked = 0
        self.send: Callable[[Any], Awaitable[Any]] = self._nobody
        self.runtime = Runtime(lanes={"embed": (LANE,)}, loads={}, pools={}, cursors={})
        self.tools = Tools(
            send=lambda request: self.send(request),  # type: ignore[arg-type,return-value]  # replaced by tests
            clock=lambda: self.now,
            wall=lambda: self.now,
            sleep=self._sleep,
            random=Random(1),
            emit=self.events.append,
        )

    async def _nobody(self, request: Any) -> Any:
        raise AssertionError(f"nobody was to be asked: {request}")

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    def worker(self) -> tuple[Answers, Once]:
        answers = Answers(lambda: self.store, self.tools)  # type: ignore[arg-type,return-value]  # as much as is used
        return answers, Once(answers)

    def job(self, body: Any = None, key: str = "anna", stream: bool = False, **facts: Any) -> Job:
        protocol = PROTOCOLS["openai-chat"]
        fields = {"model": "any", "messages": [{"role": "user", "content": "hi"}], "stream": stream} | (body or {})
        head = protocol.decode_head(msgspec.json.encode(fields), None, None)
        return Job(protocol, head, (), Facts(key=key, asked="any", stream=stream, protocol="openai-chat", **facts))

    def ask(self, job: Job | None = None, repeat: str | None = None) -> Ask:
        job = job or self.job()
        owner = owner_of(job.facts)
        ask = Ask(job, self.node, self.runtime, owner)
        ask.use(self.caching, scope_of(self.caching.scope, job.facts, owner), "any")
        if repeat is not None:
            ask.repeat, ask.asked, ask.window, ask.patience = repeat_of(owner, repeat), asked_digest(job), 5.0, 60.0
        return ask

    def work(
        self, body: bytes | tuple[bytes | Failure, ...] | Exception = GOOD, gate: asyncio.Event | None = None
    ) -> Callable[[], Awaitable[Answer]]:
        """Work that waits for a gate, where there is one, and then gives an answer or fails."""

        async def run() -> Answer:
            self.asked += 1
            if gate is not None:
                await gate.wait()
            if isinstance(body, Exception):
                raise body
            at = self.node if isinstance(self.node, Target) else target("a")
            return Upstream(at, body)

        return run


EXACT = Exact(600.0)


def rules(exact: Exact | None = EXACT, semantic: Semantic | None = None, scope: str = "key") -> Caching:
    return Caching(exact, semantic, scope, {"any": Way("digest")})


async def read(answer: Answer) -> bytes:
    """All of an answer."""
    out = answer.body
    while answer.stream and (data := await answer.more()):
        out += data
    answer.close()
    return out


__all__ = ["FRAMES", "GOOD", "LANE", "OK", "Bench", "Shared", "Upstream", "read", "rules"]
