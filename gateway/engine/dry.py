"""A request walked without sending anything: every function that the server uses, but for the send itself.

`Dry.walk` does what the ingress does, in its order: hints and the name, policies and guardrails, the caller's limits,
then `routing.run` over a likeness of the Engine's state (shadow.py), on a virtual clock, with a seeded random, and with
an attempt that comes to what `Given` says. So strategies, breakers, credentials, retries, limits, money, contests and
fallbacks decide as they do when serving. Caches are not asked, and what a model would say is not known: an answer is a
word.

One `Dry` walks one request at a time, in a thread that runs no event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final, Literal, Self

import msgspec

from gateway.engine.access import Caller
from gateway.engine.answering import answer_of
from gateway.engine.clients import Received, job_of
from gateway.engine.engine import Engine, Route
from gateway.engine.policing import police
from gateway.engine.shadow import Fault, Given, named, shadowed
from gateway.engine.virtual import VirtualLoop
from gateway.engine.wished import wished
from gateway.events import Event, Mirrored, Skipped
from gateway.failure import Failed, Failure, Kind, Refusal, Refused
from gateway.ir.chat import Choice, Dropped, Finish, Response, Text
from gateway.ir.usage import Usage
from gateway.routing.admission import admitted
from gateway.routing.attempt import Answer
from gateway.routing.node import Node, Target
from gateway.routing.outcome import refusal_of
from gateway.routing.policies.ruling import Ruling
from gateway.routing.run import Course, Tools
from gateway.routing.runtime import Lane
from gateway.routing.sending import Job, sending
from gateway.transport.contract import Request as Sent
from gateway.transport.contract import Response as Came

NOTHING: Final = Given()
START: Final = 1000.0  # monotonic seconds of a walk over an Engine that never served
_STATUS: Final = {
    Kind.SERVER_ERROR: 500,
    Kind.OVERLOADED: 503,
    Kind.RATE_LIMIT: 429,
    Kind.QUOTA: 402,
    Kind.AUTH: 401,
    Kind.NOT_FOUND: 404,
    Kind.CONTEXT_WINDOW: 400,
    Kind.CONTENT_FILTER: 400,
    Kind.UNSUPPORTED: 400,
    Kind.INVALID_REQUEST: 400,
}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a walk came to. `did`: answered, failed, skipped, or cancelled (a contest was won by another).

    `kind` and `why` are of a failure, `why` also of what was skipped; `seconds` until then. `at` is the target itself,
    None for one that was skipped.
    """

    target: str
    did: Literal["answered", "failed", "skipped", "cancelled"]
    credential: str = ""
    kind: Kind | None = None
    why: str = ""
    seconds: float = 0.0
    dropped: tuple[Dropped, ...] = ()
    at: Target | None = None


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request. `resolved` is what its name led to, `route` where policies led it then; each None where
    it was refused before. `job` is the request as it is after them, or as it came to the one that refused it.

    `served` is who has answered; None with a `refusal`, whose `kind` is there where targets failed. `instead` is the
    route of a budget that had no money. `copies`: routes that would have been sent a copy. `sends` counts what counts
    as an attempt; `seconds` are virtual.
    """

    asked: str
    steps: tuple[Step, ...]
    resolved: Route | None = None
    route: Route | None = None
    instead: str | None = None
    job: Job | None = None
    ruling: Ruling | None = None
    served: Target | None = None
    refusal: Refusal | None = None
    kind: Kind | None = None
    copies: tuple[str, ...] = ()
    sends: int = 0
    seconds: float = 0.0

    @property
    def path(self) -> tuple[str, ...]:
        """The targets that were sent something, in order."""
        return tuple(step.target for step in self.steps if step.did != "skipped")

    @property
    def status(self) -> int:
        """What the client sees."""
        return self.refusal.status if self.refusal is not None else 200


class Dry:
    """See the module; a context manager, since its clock is an event loop."""

    def __init__(self) -> None:
        self._loop = VirtualLoop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()

    def walk(
        self,
        engine: Engine,
        caller: Caller,
        received: Received,
        given: Given = NOTHING,
        *,
        seed: int = 0,
        now: float = START,
    ) -> Walked:
        """`now`: monotonic seconds, by the clock that the Engine's state knows. Raises nothing that a request can
        cause."""
        self._loop.begin(now)
        walk = _Walk(self._loop.time, received.wall, given, Random(seed))  # noqa: S311 - it repeats a choice, it guards nothing
        return self._loop.run_until_complete(walk.whole(engine, caller, received))


class _Notes(list[Skipped]):
    """What a course skips, told in its place among what was tried."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self._steps = steps

    def append(self, each: Skipped) -> None:
        super().append(each)
        self._steps.append(Step(target=each.target, did="skipped", why=each.why))


class _Walk:
    """One walk: what it is given, and what it has come to."""

    def __init__(self, clock: Callable[[], float], wall: float, given: Given, random: Random) -> None:
        self._clock = clock
        self._start = clock()
        self._wall = wall
        self._given = given
        self._left = {name: list(faults) for name, faults in given.faults.items()}
        self._random = random
        self._events: list[Event] = []
        self._steps: list[Step] = []

    async def whole(self, engine: Engine, caller: Caller, received: Received) -> Walked:
        """The request from its beginning to its end."""
        course = Course()
        course.skipped = _Notes(self._steps)
        found: dict[str, Any] = {}
        try:
            answer = await self._served(engine, caller, received, course, found)
            found["served"] = answer.target
        except Refused as refused:
            found["refusal"] = refused.refusal
        except Failed as failed:
            found["refusal"] = refusal_of(failed.failure, course.trials)
            found["kind"] = failed.failure.kind
        finally:
            await _end_others()
        copies = (event.model for event in self._events if isinstance(event, Mirrored) and event.kind == "dropped")
        return Walked(
            asked=received.head.model,
            steps=tuple(self._steps),
            instead=course.instead,
            copies=tuple(model for model in copies if model is not None),
            sends=course.begun,
            seconds=self._clock() - self._start,
            **found,
        )

    async def _served(
        self, engine: Engine, caller: Caller, received: Received, course: Course, found: dict[str, Any]
    ) -> Answer:
        head, route, hints = wished(engine, caller, received.head, received.headers)
        found["resolved"] = route
        found["job"] = job = job_of(engine, caller, received, head)
        job, route, ruling = police(engine, caller, route, job, self._events.append)
        job.hints = hints
        found.update(job=job, route=route, ruling=ruling)
        engine = shadowed(engine, _nodes(engine, route), self._given, self._clock, self._wall)
        tools = self._tools()
        if engine.limits is not None:
            admission = admitted(engine.limits, job, tools)
            if admission is not None and admission.taken is None:
                await admission.wait(engine.limits, job, tools)
        if not all(job.forwards(name) for name in route.protocols):
            job.request()
        return await answer_of(engine, caller, route, job, ruling, tools, course)

    def _tools(self) -> Tools:
        return Tools(
            send=_nobody,
            clock=self._clock,
            wall=lambda: self._wall + self._clock() - self._start,
            sleep=asyncio.sleep,
            random=self._random,
            emit=self._events.append,
            attempt=self._attempt,
        )

    def _fault(self, target: Target) -> Fault:
        name = named(self._left, target)
        if name is None:
            return self._given.otherwise
        faults = self._left[name]
        return faults.pop(0) if len(faults) > 1 else faults[0]

    async def _attempt(
        self,
        job: Job,
        target: Target,
        lane: Lane,
        *,
        seconds: float | None,
        left: Callable[[Usage | None], None],
        **_: object,
    ) -> Answer:
        """Stands for `routing.attempt`: what would be sent is made, and comes to what is given."""
        place = len(self._steps)
        begun = self._clock()
        step = Step(target=target.name, did="cancelled", credential=lane.credential, at=target)
        self._steps.append(step)
        try:
            parcel = sending(job, target)
            await self._come_to(self._fault(target), target, _bound(target, seconds, stream=job.head.stream))
        except Failed as failed:
            failure = failed.failure
            step = msgspec.structs.replace(step, did="failed", kind=failure.kind, why=failure.message)
            raise
        except BaseException:
            left(None)
            raise
        else:
            step = msgspec.structs.replace(step, did="answered", dropped=parcel.dropped)
            left(None)
            return Answer(target, lane, None, None, _word(job), None, "application/json", parcel.dropped, _over)
        finally:
            self._steps[place] = msgspec.structs.replace(step, seconds=self._clock() - begun)

    async def _come_to(self, fault: Fault, target: Target, bound: float | None) -> None:
        """Raises `Failed`, but for an answer. `bound`: seconds for which the target is waited for."""
        kind, after = fault.kind, fault.after or 0.0
        if kind is Kind.TIMEOUT:
            after = bound if fault.after is None and bound is not None else after
        elif bound is not None and after >= bound:
            kind, after = Kind.TIMEOUT, bound
        if after:
            await asyncio.sleep(after)
        if kind is not None:
            raise Failed(
                Failure(
                    kind=kind,
                    message=fault.message,
                    status=_STATUS.get(kind) if fault.status is None else fault.status,
                    retry_after=fault.retry_after,
                    sent=kind is not Kind.CONNECTION,
                )
            )


async def _end_others() -> None:
    """Ends what goes on beside the request: what budgets would tell the log."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _nodes(engine: Engine, route: Route) -> Iterable[Node]:
    """All that a request of a route may come to: the route, and what budgets lead to."""
    yield route.node
    if engine.limits is not None:
        for budget in engine.limits.rules.budgets:
            instead = engine.routes.get(budget.route) if budget.route is not None else None
            if instead is not None:
                yield instead.node


def _bound(target: Target, left: float | None, *, stream: bool) -> float | None:
    """Seconds until a target that does not answer is given up."""
    times = (left, target.total, target.first_token if stream else None)
    return min((time for time in times if time is not None), default=None)


def _word(job: Job) -> bytes:
    """An answer in the client's protocol, for whoever reads it: judges and next stages."""
    try:
        request = job.request()
    except Refused:
        return b""
    choice = Choice(parts=(Text("ok"),), finish=Finish.STOP)
    response = Response(origin=job.protocol.name, id="dry", model=request.model, choices=(choice,), created=1)
    return msgspec.json.encode(job.protocol.encode_response(response, request).body)


def _over(_usage: Usage | None) -> None:
    """It is over already."""


async def _nobody(request: Sent) -> Came:
    raise RuntimeError("a dry walk sends nothing")
