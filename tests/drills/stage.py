"""A stage for failover drills: a file compiled as the server does it, upstreams that fall ill, and one virtual clock.

Requests come one a second, as a client that streams would send them. An upstream is a host whose behaviour is a function
of the credential; its answers take time on the virtual clock, and the time-outs of the file end them there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from gateway.config.load import load
from gateway.engine.access import ANYONE
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.engine.policing import police
from gateway.events import Event
from gateway.failure import Failed, Failure, Kind, Refusal, Refused
from gateway.protocols import PROTOCOLS
from gateway.routing.facts import Facts
from gateway.routing.outcome import refusal_of
from gateway.routing.run import Course, Tools, interrupted, run
from gateway.routing.sending import Job
from gateway.state.pool import StatePool
from gateway.transport.contract import Request, Response

CHAT = PROTOCOLS["openai-chat"]
FILE = """
version: 1
gateway: {auth: open}
defaults:
  timeouts: {connect: 2s, first_token: 10s, idle: 5s, total: 30s}
  retries: {attempts: 2, backoff: 200ms..5s}
  breaker: {failures: 3, window: 30s, cooldown: 5s..40s}
providers:
  first:
    protocol: openai-chat
    base_url: http://first.test/v1
    api_keys: {one: {env: ONE}, two: {env: TWO}}
    tags: [eu]
  second: {protocol: openai-chat, base_url: "http://second.test/v1", api_key: {env: THREE}}
models: {a: {provider: first}, b: {provider: second, visibility: internal}}
combos: {both: [a, b]}
"""

CONTENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
END = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

Piece = tuple[float, bytes]  # seconds before it comes


class Plan:
    """An upstream's answer. `before`: seconds until its head; inf never comes."""

    def __init__(
        self,
        status: int = 200,
        pieces: Iterable[Piece] = ((0.1, CONTENT), (0.1, END)),
        before: float = 0.1,
        **headers: str,
    ) -> None:
        self.status = status
        self.pieces = list(pieces)
        self.before = before
        kind = "text/event-stream" if status == 200 else "application/json"
        self.headers = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}


def error(status: int, code: str = "none", **headers: str) -> Plan:
    body = b'{"error":{"message":"upstream words","code":"%b"}}' % code.encode()
    return Plan(status, [(0.0, body)], **headers)


Behaviour = Callable[[str], Plan | Failure]  # of a credential's secret


def well(_secret: str) -> Plan:
    return Plan()


class Answering:
    """A plan as it happens on the stage's clock."""

    def __init__(self, stage: Stage, plan: Plan, idle: float | None) -> None:
        self.status = plan.status
        self.headers = tuple(plan.headers.items())
        self._stage = stage
        self._pieces = list(plan.pieces)
        self._idle = idle

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    async def read(self, within: float | None = None) -> bytes:
        if not self._pieces:
            return b""
        pause, data = self._pieces.pop(0)
        limit = within if within is not None else self._idle
        self._stage.passes(pause, limit, "nothing came")
        return data

    async def read_all(self, limit: int) -> bytes:
        return b"".join([data async for data in self._all()])[:limit]

    async def _all(self):  # type: ignore[no-untyped-def]
        while data := await self.read():
            yield data

    def close(self) -> None:
        self._pieces.clear()


class Told:
    """What came of one request."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.seconds = 0.0
        self.status = 200
        self.code = ""
        self.retry_after: float | None = None
        self.path: list[str] = []  # model/credential of each send
        self.by = ""  # the model whose answer the client read to its end

    def __repr__(self) -> str:
        return f"{self.at:g}s: {self.status} {self.code or self.by} in {self.seconds:.1f}s by {self.path}"


class Stage:
    """See the module."""

    def __init__(self, tmp_path: Path, text: str = FILE) -> None:
        self.now = 0.0
        self.behaviours: dict[str, Behaviour] = {}
        self.events: list[Event] = []
        self.sends: list[tuple[float, str]] = []  # (when, host)
        self.state = StatePool()
        self.told: list[Told] = []
        self._path: list[str] = []
        self._file = tmp_path / "router.yaml"
        assert self.compile(text) == []
        self.tools = Tools(
            send=self._send,
            clock=lambda: self.now,
            wall=lambda: self.now,
            sleep=self._sleep,
            random=Random(1),
            emit=self.events.append,
        )

    def compile(self, text: str) -> list[str]:
        """Puts a file in force as a reload does, or leaves what is there; its errors."""
        self._file.write_text(text)
        environ = {"ONE": "secret-one", "TWO": "secret-two", "THREE": "secret-three"}
        loaded = load([self._file], known=KNOWN, environ=environ)
        errors = [found.code for found in loaded.diagnostics.errors]
        if not errors and loaded.config is not None:
            self.engine = build(loaded.config, loaded.secrets, self.state, revision=loaded.revision)
            self.state.reloaded()
        return errors

    def passes(self, seconds: float, limit: float | None, why: str) -> None:
        """Time passes, up to a time-out."""
        if limit is not None and seconds > limit:
            self.now += limit
            raise Failed(Failure(kind=Kind.TIMEOUT, message=why))
        self.now += seconds

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds

    async def _send(self, request: Request) -> Response:
        secret = dict(request.headers)["authorization"].removeprefix("Bearer ")
        host = request.origin.host.partition(".")[0]
        self.sends.append((self.now, host))
        self._path.append(secret.removeprefix("secret-"))
        plan = self.behaviours.get(host, well)(secret)
        if isinstance(plan, Failure):
            self.now += 0.1
            raise Failed(plan)
        self.passes(plan.before, request.timeouts.first_byte or request.timeouts.total, "no head came")
        return Answering(self, plan, request.timeouts.idle)

    async def ask(self, model: str = "both") -> Told:
        """One streamed request, read to its end."""
        told = Told(self.now)
        self._path = told.path
        course = Course()
        body = b'{"model":"%b","stream":true,"messages":[{"role":"user","content":"hi"}]}' % model.encode()
        job = Job(CHAT, CHAT.decode_head(body, None, None), (), Facts(asked=model, stream=True))
        refusal: Refusal | None = None
        try:
            route = self.engine.resolve(model, ANYONE)
            job, route, _ = police(self.engine, ANYONE, route, job, self.tools.emit)
            answer = await run(route.node, job, self.engine.runtime, self.tools, course, route.budget)
        except Refused as refused:
            refusal = refused.refusal
        except Failed as failed:
            refusal = refusal_of(failed.failure, course.trials)
        else:
            told.by = answer.target.name
            try:
                while await answer.more():
                    pass
            except Failed as failed:
                interrupted(answer, failed.failure, self.tools)
                told.code, told.by = str(failed.failure.kind), ""
            finally:
                answer.close()
        if refusal is not None:
            told.status, told.code, told.retry_after = refusal.status, refusal.code, refusal.retry_after
        told.seconds = self.now - told.at
        self.told.append(told)
        return told

    async def until(self, end: float, model: str = "both") -> list[Told]:
        """A request each second until a time; what came of them."""
        found = []
        while self.now < end:
            at = self.now
            found.append(await self.ask(model))
            self.now = max(self.now, at + 1.0)
        return found


class Drill:
    """What is written down of one: `ill` are the requests while something was wrong, `after` those since."""

    def __init__(self, ill: list[Told], after: list[Told], healed: float) -> None:
        self.ill = ill
        self.after = after
        self.healed = healed

    @property
    def failed(self) -> list[Told]:
        """Requests whose client did not get a whole answer."""
        return [told for told in (*self.ill, *self.after) if not told.by]

    @property
    def slowest(self) -> float:
        return round(max(told.seconds for told in self.ill), 1)

    @property
    def attempts(self) -> int:
        """The most sends of one request."""
        return max(len(told.path) for told in self.ill)

    def wasted(self, *credentials: str) -> int:
        """Sends, of all requests, to what was ill."""
        return sum(told.path.count(each) for told in self.ill for each in credentials)

    def back(self, *credentials: str) -> float:
        """Seconds after the healing until each of these had answered again."""
        firsts = [next(told.at for told in self.after if told.by and told.path[-1] == each) for each in credentials]
        return round(max(firsts) - self.healed, 1)


async def drill(stage: Stage, host: str, ill: Behaviour, *, model: str = "both", seconds: float = 60.0) -> Drill:
    """Ten good seconds, an illness, and 100 good seconds."""
    before = await stage.until(10.0, model)
    assert all(told.by for told in before)
    hosts = ("first", "second") if host == "*" else (host,)
    stage.behaviours |= dict.fromkeys(hosts, ill)
    sick = await stage.until(10.0 + seconds, model)
    stage.behaviours.clear()
    healed = stage.now
    return Drill(sick, await stage.until(healed + 100.0, model), healed)
