"""Requests of clients: one handler for every protocol row.

The order is the one of the data plane: authenticate, read the head, resolve the name, check the key against what the
name can reach, route, answer. Whatever refuses, refuses in the caller's own protocol with a request id. From its pin
to its last byte a request sees one Engine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias, TypeGuard

from sanic import Request
from sanic.response import HTTPResponse

from gateway.cache.ask import Ask
from gateway.engine.access import Caller
from gateway.engine.answering import answer_of
from gateway.engine.clients import Received, job_of
from gateway.engine.engine import Engine, Route
from gateway.engine.policing import police
from gateway.engine.wished import wished
from gateway.events import Finished, Record, new_id
from gateway.failure import Failed, Failure, Kind, Refusal, Refused
from gateway.ir.chat import Dropped
from gateway.ir.cost import cost, usd
from gateway.protocols.contract import Head, Protocol
from gateway.protocols.labels import answer_id, finish
from gateway.protocols.surfaces import Asked, Surface
from gateway.routing.admission import Admission, admitted
from gateway.routing.attempt import Answer
from gateway.routing.counting import count
from gateway.routing.demand import counted
from gateway.routing.facts import Facts
from gateway.routing.node import Target
from gateway.routing.outcome import refusal_of
from gateway.routing.policies.ruling import Ruling
from gateway.routing.run import Course, interrupted
from gateway.routing.sending import Job
from gateway.server.caching import BYPASSED, BYPASSED_LINES, answered, concerns, outcome_of, tell
from gateway.server.explaining import DRY, HEADER, may, told, way
from gateway.server.progress import progress_of
from gateway.server.serving import Serving
from gateway.server.split import pinned
from gateway.server.writer import StreamWriter

Handler: TypeAlias = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

LOSSY_MOST: Final = 1000  # characters of the header that says what a translation lost

_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def given_id(request: Request) -> str | None:
    """The client's own `X-Request-Id` where it is fit to be echoed."""
    given = request.headers.get("x-request-id")
    return str(given) if given is not None and _ID.fullmatch(given) else None


def presented_key(request: Request) -> str | None:
    """The key a client presents, by any of the four carriers; the first that is there counts."""
    headers = request.headers
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return str(value.strip())
    key = headers.get("x-api-key") or headers.get("x-goog-api-key")
    if key is None and "key=" in request.query_string:
        key = request.args.get("key")
    return key or None


def authenticate(request: Request, engine: Engine, wall: float) -> Caller:
    """The caller. Raises `Refused` (401)."""
    keyring = engine.keyring
    found = keyring.find(presented_key(request), datetime.fromtimestamp(wall, UTC).date())
    if isinstance(found, str):
        raise Refused(
            Refusal(status=401, type="authentication_error", code="invalid_api_key", message=found, should_retry=False)
        )
    return found


class Answered(HTTPResponse):
    """An answer whose headers need no cleaning: the gateway made them, or its HTTP parser let them pass.

    They are a plain dictionary of lower-case names and `lines` that are written already, and go out in one piece.
    """

    def __init__(self, body: bytes, headers: dict[str, str], content_type: str, lines: str = "") -> None:
        self.lines = lines
        self.asgi = False
        self.body = body
        self.content_type = content_type
        self.stream = None
        self.status = 200
        self.headers = headers  # type: ignore[assignment]  # Sanic asks no more of it than a dictionary has
        self._cookies = None

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Names and values as bytes: the first name, and everything else as its value."""
        self.headers["content-length"] = str(len(self.body or b""))  # in Sanic's hands it is a number
        lines = "\r\n".join(map(": ".join, self.headers.items()))
        block = f"{lines}\r\n{self.lines}content-type: {self.content_type}".encode("utf-8", "surrogateescape")
        name, _, rest = block.partition(b": ")
        return iter(((name, rest),))


class Exchange:
    """One client request on its way: what every outcome of it has to report."""

    __slots__ = (
        "admission",
        "answer",
        "ask",
        "asked",
        "bypassed",
        "caller",
        "cost",
        "course",
        "engine",
        "explains",
        "facts",
        "first_content",
        "given",
        "id",
        "job",
        "operation",
        "protocol",
        "route",
        "ruling",
        "serving",
        "started",
        "stream",
        "wall",
    )

    def __init__(
        self, serving: Serving, engine: Engine, protocol: Protocol, operation: str, given: str | None = None
    ) -> None:
        self.serving = serving
        self.engine = engine
        self.protocol = protocol
        self.operation = operation
        self.id = given or new_id()
        self.given = given is not None
        self.started = serving.tools.clock()
        self.wall = serving.tools.wall()
        self.job: Job | None = None
        self.asked = ""
        self.admission: Admission | None = None
        self.caller: Caller | None = None
        self.route: Route | None = None
        self.facts: Facts | None = None
        self.ruling: Ruling | None = None
        self.stream = False
        self.answer: Answer | None = None
        self.ask: Ask | None = None
        self.explains = False  # its answer says how it came to be
        self.bypassed = False  # by the caches of the file
        self.first_content: float | None = None
        self.cost: int | None = None
        self.course = Course()

    def headers(self, answer: Answer | None = None, *, every: bool = True) -> dict[str, str]:
        """The gateway's own response headers; not `every` one where `Answered.lines` say the rest."""
        headers = {"x-request-id": self.id, "x-gateway-revision": self.engine.revision[:12]}
        if answer is not None:
            headers["x-gateway-provider"] = answer.target.provider
            headers["x-gateway-model"] = answer.target.name
            if answer.dropped:
                headers["x-gateway-lossy"] = lossy(answer.dropped)
            if self.cost is not None:
                headers["x-gateway-cost"] = usd(self.cost)
        if every and self.admission is not None:
            self.admission.tell(headers, self.serving.tools.wall())
        trials = len(self.course.trials)
        if trials:
            headers["x-gateway-attempts"] = str(trials)
        if self.ask is not None:
            tell(self.ask, self.engine.caching is not None, answer, self.serving.tools.wall(), headers)
        elif self.bypassed and every:
            headers |= BYPASSED
        if self.explains:
            headers[HEADER] = way(self)
        return headers

    def refuse(self, refusal: Refusal) -> HTTPResponse:
        """The refusal in the caller's protocol."""
        headers = self.headers()
        if refusal.retry_after is not None:
            headers["retry-after"] = str(max(1, round(refusal.retry_after + 0.499)))
        if refusal.should_retry is not None:
            headers["x-should-retry"] = "true" if refusal.should_retry else "false"
        if refusal.status == 401:
            headers["www-authenticate"] = "Bearer"
        return HTTPResponse(
            self.protocol.encode_error(refusal, self.id),
            status=refusal.status,
            headers=headers,
            content_type="application/json",
        )

    def finished(self, status: int, kind: str | None = None) -> None:
        """Reports the end. Called exactly once."""
        tools, answer = self.serving.tools, self.answer
        usage = answer.usage if answer is not None else None
        target = answer.target if answer is not None else None
        record: Record | None = None
        if self.serving.recording is not None or self.serving.records:
            if target is None and self.course.left is not None:  # the client left before there was an answer
                target = self.course.left[0]
                usage = counted(self.job, None, 0) if self.job is not None else None
            record = self._record(target)
        price = target.price if target is not None else None
        if usage is not None and price is not None:
            course = self.course
            self.cost = course.money if course.priced is usage else cost(usage, price)
        tools.emit(
            Finished(
                request_id=self.id,
                operation=self.operation,
                route=self.route.label if self.route is not None else "",
                provider=target.provider if target is not None else None,
                model=target.model if target is not None else None,
                key=self.caller.name if self.caller is not None else None,
                revision=self.engine.revision[:12],
                status=status,
                kind=kind,
                stream=self.stream,
                attempts=len(self.course.trials),
                seconds=tools.clock() - self.started,
                first_content=self.first_content,
                usage=usage,
                tags=self.facts.tags if self.facts is not None else (),
                lossy=tuple(each.field for each in answer.dropped) if _warns(answer) else (),
                cost=self.cost,
                price_source=price.source if price is not None else None,
                cache=outcome_of(self.ask, self.engine.caching is not None)
                if self.ask is not None
                else "bypass"
                if self.bypassed
                else None,
                record=record,
            )
        )

    def _record(self, target: Target | None) -> Record:
        """What the ledger wants beside that."""
        facts, answer, course = self.facts, self.answer, self.course
        id_ = new_id() if self.given else None
        if facts is None:  # it was refused before anybody knew what to do with it
            team = self.caller.team if self.caller is not None else None
            return Record(at=self.wall, id=id_, team=team, protocol=self.protocol.name, asked=self.asked)
        lane = answer.lane if answer is not None else course.left[1] if course.left is not None else None
        return Record(
            at=self.wall,
            id=id_,
            team=facts.team,
            end_user=facts.user,
            protocol=self.protocol.name,
            asked=self.asked,
            upstream=target.upstream if target is not None else None,
            credential=lane.credential if lane is not None else None,
            answer_id=answer_id(answer.body) if answer is not None else None,
            finish=finish(answer.end) if answer is not None else None,
            trials=course.trials,
            skipped=course.skipped,
            policies=facts.policies,
        )


def _warns(answer: Answer | None) -> TypeGuard[Answer]:
    """Whether a loss is to be logged."""
    return answer is not None and bool(answer.dropped) and answer.target.on_lossy != "allow"


def lossy(dropped: tuple[Dropped, ...]) -> str:
    """The value of `x-gateway-lossy`: the fields, as far as a header may hold them."""
    text = ", ".join(each.field for each in dropped)
    return "".join(char if " " <= char <= "~" else "?" for char in text[:LOSSY_MOST])


def handler(serving: Serving, surface: Surface) -> Handler:
    """The handler of one surface."""

    async def handle(request: Request, name: str | None = None) -> HTTPResponse | None:
        what = surface.asked(name, {"alt": request.args.get("alt") or ""} if name is not None else {})
        pin = pinned(serving.live, request, what, presented_key)
        exchange = Exchange(serving, pin.engine, what.protocol, surface.operation, given_id(request))
        request.ctx.request_id, request.ctx.revision = exchange.id, pin.engine.revision[:12]
        try:
            if what.counts:
                return await _count(request, exchange, what)
            return await _serve(request, exchange, what)
        finally:
            serving.live.release(pin)

    return handle


def received_of(request: Request, exchange: Exchange, head: Head) -> Received:
    """The request as it came."""
    return Received(
        protocol=exchange.protocol,
        head=head,
        headers=request.headers,
        peer=request.ip,
        operation=exchange.operation,
        wall=exchange.wall,
        request_id=exchange.id,
    )


def work_of(request: Request, exchange: Exchange, head: Head) -> Job:
    """The request as work."""
    return job_of(exchange.engine, exchange.caller, received_of(request, exchange, head), head)


def ruled(exchange: Exchange, route: Route, job: Job) -> tuple[Job, Route]:
    """The request and its route after the rules of the file. Raises `Refused`."""
    exchange.route, exchange.facts = route, job.facts
    if exchange.caller is not None and exchange.engine.rules:
        job, route, exchange.ruling = police(exchange.engine, exchange.caller, route, job, exchange.serving.tools.emit)
        exchange.route = route
    return job, route


async def _serve(request: Request, exchange: Exchange, asked: Asked) -> HTTPResponse | None:
    serving, engine, protocol = exchange.serving, exchange.engine, exchange.protocol
    writer: StreamWriter | None = None
    admission: Admission | None = None
    try:
        exchange.caller = authenticate(request, engine, exchange.wall)
        head = protocol.decode_head(request.body, asked.model, asked.stream)
        exchange.stream, exchange.asked = head.stream, head.model
        if HEADER in request.headers and may(exchange.caller):
            if request.headers[HEADER] == DRY:
                return told(exchange, exchange.caller, received_of(request, exchange, head))
            exchange.explains = True
        head, route, hints = wished(engine, exchange.caller, head, request.headers)
        job, route = ruled(exchange, route, work_of(request, exchange, head))
        job.hints = hints
        exchange.job = job
        if engine.limits is not None:
            exchange.admission = admission = admitted(engine.limits, job, serving.tools)
            if admission is not None and admission.taken is None:
                await admission.wait(engine.limits, job, serving.tools)
        if not all(job.forwards(name) for name in route.protocols):
            job.request()  # what cannot be read is refused before anybody is asked
        if head.stream:
            frames = asked.frames() if asked.frames is not None else None
            progress = progress_of(protocol.name, frames is not None, request.headers, serving.tools.clock)
            writer = StreamWriter(
                request, protocol, serving.tools.clock, exchange.headers, frames=frames, progress=progress
            )
        if concerns(exchange, job, request.headers):
            work = partial(_answer, exchange, exchange.caller, route, job)
            answer = await answered(exchange, job, route, request.headers, work)
        else:
            answer = await _answer(exchange, exchange.caller, route, job)
        if writer is None:
            exchange.answer = answer
            exchange.finished(200)
            lines = admission.lines(serving.tools.wall()) if admission is not None else ""
            if exchange.bypassed:
                lines += BYPASSED_LINES
            return Answered(answer.body, exchange.headers(answer, every=False), answer.content_type, lines)
        await _stream(exchange, answer, writer)
    except Refused as refused:
        exchange.finished(refused.refusal.status, kind=refused.refusal.code)
        return exchange.refuse(refused.refusal)
    except Failed as failed:
        return await _fail(exchange, failed.failure, writer)
    except asyncio.CancelledError:
        exchange.finished(499, kind=Kind.CANCELLED)
        raise
    finally:
        if admission is not None:
            own = exchange.answer if exchange.course.trials else None  # what a cache gave used nothing
            admission.close(own.usage if own is not None else None)
        if writer is not None:
            writer.cancel()
    return None


async def _answer(exchange: Exchange, caller: Caller, route: Route, job: Job) -> Answer:
    """The answer of a route. Raises `Failed`."""
    tools, course = exchange.serving.tools, exchange.course
    return await answer_of(exchange.engine, caller, route, job, exchange.ruling, tools, course)


async def _count(request: Request, exchange: Exchange, asked: Asked) -> HTTPResponse:
    """The tokens of a prompt. Where no provider counted them the answer says so."""
    serving, engine, protocol = exchange.serving, exchange.engine, exchange.protocol
    exchange.operation = "count_tokens"
    try:
        exchange.caller = authenticate(request, engine, exchange.wall)
        if protocol.counting is None:
            raise LookupError(protocol.name)
        head = protocol.counting.decode_head(request.body, asked.model)
        exchange.asked = head.model
        head, route, _ = wished(engine, exchange.caller, head, request.headers)
        job, route = ruled(exchange, route, work_of(request, exchange, head))
        tokens, target = await count(route.node, job, engine.runtime, serving.tools)
    except Refused as refused:
        exchange.finished(refused.refusal.status, kind=refused.refusal.code)
        return exchange.refuse(refused.refusal)
    headers = exchange.headers()
    if target is None:
        headers["x-gateway-estimated"] = "true"
    else:
        headers |= {"x-gateway-provider": target.provider, "x-gateway-model": target.name}
    exchange.finished(200)
    return Answered(protocol.counting.encode(tokens), headers=headers, content_type="application/json")


async def _fail(exchange: Exchange, failure: Failure, writer: StreamWriter | None) -> HTTPResponse | None:
    """The end of the chain: a status where nothing was sent yet, an error inside the stream where something was."""
    refusal = refusal_of(failure, exchange.course.trials)
    if writer is None or not writer.begun:
        exchange.finished(refusal.status, kind=failure.kind)
        return exchange.refuse(refusal)
    exchange.finished(200, kind=failure.kind)
    await writer.end(exchange.protocol.encode_stream_error(refusal, exchange.id))
    return None


async def _stream(exchange: Exchange, answer: Answer, writer: StreamWriter) -> None:
    """Passes a stream on until it ends, breaks off, or the client leaves."""
    tools = exchange.serving.tools
    exchange.first_content = tools.clock() - exchange.started
    exchange.answer = answer
    last = b""
    kind: str | None = None
    try:
        await writer.begin(answer.body, exchange.headers(answer))
        while data := await answer.more():
            await writer.send(data)
    except Failed as failed:
        kind = failed.failure.kind
        interrupted(answer, failed.failure, tools)
        last = exchange.protocol.encode_stream_error(refusal_of(failed.failure, exchange.course.trials), exchange.id)
    finally:
        answer.close()
    if writer.progress is not None and answer.usage is not None:
        writer.progress.tokens = answer.usage.output
    await writer.end(last)
    exchange.finished(200, kind=kind)
