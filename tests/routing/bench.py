"""A bench for routing: scripted upstreams behind `send`, a virtual clock, and nodes made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import msgspec

from gateway.engine.ordering import watched
from gateway.events import Event
from gateway.failure import Failed, Failure, Kind
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect, Edits
from gateway.routing.attempt import Answer
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Retries, Split, Target, targets
from gateway.routing.run import Course, Tools, run
from gateway.routing.runtime import Lane, Runtime
from gateway.routing.sending import Job
from gateway.state.breaker import Settings
from gateway.state.pool import Identity, StatePool
from gateway.transport.contract import Origin, Request, Response, Timeouts

CHAT = PROTOCOLS["openai-chat"]
OK = b'{"id":"c","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class Reply:
    """A scripted response: an upstream's status, headers and the pieces of its body; a piece may be a failure."""

    def __init__(
        self, status: int = 200, body: bytes | Iterable[bytes | Failure] = OK, after: float = 0.0, **headers: str
    ) -> None:
        self.status = status
        self.pieces = [body] if isinstance(body, bytes) else list(body)
        self.after = after
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers = tuple({"content-type": "application/json", **given}.items())
        self.closed = False

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    async def read(self, within: float | None = None) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, Failure):
            raise Failed(piece)
        return piece

    async def read_all(self, limit: int) -> bytes:
        parts = []
        while data := await self.read():
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        self.closed = True


Script = Reply | Failure | Callable[[Request], Reply]


def error(status: int, code: str | None = None, **headers: str) -> Reply:
    """An upstream's error in OpenAI's envelope."""
    word = f'"{code}"' if code is not None else "null"
    return Reply(status, b'{"error":{"message":"upstream words","code":' + word.encode() + b"}}", **headers)


def target(name: str, provider: str | None = None, **fields: object) -> Target:
    provider = provider or f"p-{name}"
    values: dict[str, object] = {
        "name": name,
        "lanes": name,
        "model": name,
        "provider": provider,
        "upstream": name,
        "protocol": "openai-chat",
        "origin": Origin("http", provider, 80),
        "count_path": None,
        "stream_path": "/v1/chat/completions",
        "path": "/v1/chat/completions",
        "whole": Timeouts(),
        "streamed": Timeouts(),
        "first_token": 10.0,
        "total": 60.0,
        "retries": Retries(2, 0.2, 5.0),
        "breaker": Settings(failures=3, window=30.0, low=5.0, high=40.0),
        "edits": Edits(),
        "dialect": Dialect("p", name, frozenset(("no_stream_options",))),
        "on_lossy": "warn",
        "context": None,
        "tags": (),
        **fields,
    }
    return Target(**values)  # type: ignore[arg-type]  # the defaults above, replaced by name


class Bench:
    """One process' state and clock. `scripts` gives, per upstream model id, what its next sends come to."""

    def __init__(self, node: Node, credentials: tuple[str, ...] = ("default",), seed: int = 1) -> None:
        self.node = node
        self.now = 1000.0
        self.slept: list[float] = []
        self.events: list[Event] = []
        self.sent: list[tuple[str, str]] = []  # (model, credential)
        self.scripts: dict[str, list[Script]] = {}
        self.random = Random(seed)
        self.state = StatePool()
        self.course = Course()
        leaves = targets(node)
        self.runtime = Runtime(
            lanes={
                leaf.lanes: tuple(
                    Lane(
                        name,
                        (("authorization", name),),
                        self.state.breaker(Identity(leaf.provider, name, leaf.model)),
                        self.state.breaker(Identity(leaf.provider, name, "*")),
                    )
                    for name in credentials
                )
                for leaf in leaves
            },
            loads={leaf.lanes: self.state.load(leaf.name) for leaf in leaves},
            pools={leaf.lanes: self.state.cursor(leaf.name) for leaf in leaves},
            cursors={name: self.state.cursor(f"split {name}") for name in _splits(node)},
        )
        marks = {leaf.provider: credentials for leaf in leaves}
        self.runtime = watched(self.runtime, [node], self.state, marks)
        self.tools = Tools(
            send=self._send,
            clock=lambda: self.now,
            wall=lambda: self.now,
            sleep=self._sleep,
            random=self.random,
            emit=self.events.append,
        )

    def moment(self, job: Job | None = None) -> Moment:
        """What a walk begins with."""
        job = job or Job(CHAT, CHAT.decode_head(b'{"model":"any","messages":[]}'))
        return Moment(self.runtime, self.random, job, self.now)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def _send(self, request: Request) -> Response:
        model = msgspec.json.decode(request.body)["model"]
        self.sent.append((model, dict(request.headers)["authorization"]))
        waiting = self.scripts.get(model, [])
        script = waiting.pop(0) if len(waiting) > 1 else (waiting[0] if waiting else Reply())
        if isinstance(script, Failure):
            raise Failed(script)
        reply = script if isinstance(script, Reply) else script(request)
        self.now += reply.after
        return Reply(reply.status, list(reply.pieces), **{k.replace("-", "_"): v for k, v in reply.headers})

    async def ask(self, stream: bool = False, budget: float | None = 60.0, messages: bytes = b"[]") -> Answer | Failure:
        """One request; the answer, or the failure that the chain ended with."""
        body = b'{"model":"any","messages":%b,"stream":%b}' % (messages, b"true" if stream else b"false")
        self.course = Course()
        self.sent.clear()
        job = Job(CHAT, CHAT.decode_head(body))
        try:
            return await run(self.node, job, self.runtime, self.tools, self.course, budget)
        except Failed as failed:
            return failed.failure

    @property
    def path(self) -> list[str]:
        """The models of the last request's sends, in order."""
        return [model for model, _ in self.sent]


def _splits(node: Node) -> list[str]:
    if isinstance(node, Target):
        return []
    if isinstance(node, Split):
        return [node.name, *(name for branch in node.branches for name in _splits(branch.node))]
    return [*_splits(node.primary), *(name for rule in node.rules for to in rule.to for name in _splits(to))]


def down(kind: Kind = Kind.CONNECTION) -> Failure:
    return Failure(kind=kind, message="scripted", sent=False)
