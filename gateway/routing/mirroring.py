"""Copies of requests: sent in the background, compared with what the client got, and told as events.

A copy asks for a whole answer, is bound by `SECONDS` and by the places of state/copies.py, and is nobody's: it goes on
when the client leaves, ends with the worker, and never touches the answer. Where there is no place it is dropped, and
counted. The limits of its target hold for it; the caller's limits do not know of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.events import Mirrored
from gateway.failure import Failed, Failure, Refused
from gateway.ir.chat import Ended, Event, Finish, Opened, Piece
from gateway.protocols import replay, translate
from gateway.protocols.contract import Protocol
from gateway.routing import asides
from gateway.routing.attempt import Answer
from gateway.routing.moment import Moment
from gateway.routing.node import Node
from gateway.routing.runtime import Runtime
from gateway.routing.sending import Job

if TYPE_CHECKING:
    from gateway.routing.run import Tools

SECONDS: Final = 120.0  # for a copy, from its beginning to its end
_SEEN_MOST: Final = 4 << 20  # bytes of a served stream that are kept for the comparison


class Outline(msgspec.Struct, frozen=True):
    """What of an answer is compared: why it ended, the names of the tools it calls, the characters of its text."""

    finish: Finish
    calls: tuple[str, ...]
    length: int


def outline(events: list[Event]) -> Outline | None:
    """Of the first choice; None where the answer is not there to its end."""
    finish: Finish | None = None
    names: list[str] = []
    texts: set[int] = set()
    length = 0
    for event in events:
        match event:
            case Opened(choice=0):
                if event.kind == "tool_call":
                    names.append(event.name)
                elif event.kind == "text":
                    texts.add(event.block)
            case Piece():
                length += len(event.text) if event.block in texts else 0
            case Ended(choice=0):
                finish = event.finish
    return None if finish is None else Outline(finish, tuple(sorted(names)), length)


class Served:
    """The answer that the client gets, as far as it has been seen. `end` is there once it is over."""

    __slots__ = ("_protocol", "_seen", "_size", "end", "model")

    def __init__(self, answer: Answer, job: Job) -> None:
        self.model = answer.target.model
        self.end: asyncio.Future[Outline | None] = asyncio.get_running_loop().create_future()
        self._protocol = job.protocol
        self._seen: list[bytes] = []
        self._size = 0
        if not job.head.stream:
            self.end.set_result(_of_whole(job.protocol, answer.body))
            return
        self._take(answer.body)
        if answer.stream:
            answer.watch(self._take, self._over)
        else:
            self._over()

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= _SEEN_MOST:
            self._seen.append(data)

    def _over(self) -> None:
        if self._size > _SEEN_MOST:
            self.end.set_result(None)
            return
        decoder = self._protocol.stream_decoder()
        events = decoder.feed(b"".join(self._seen))
        self._seen.clear()
        self.end.set_result(outline(events) if decoder.ended else None)


def _of_whole(protocol: Protocol, body: bytes) -> Outline | None:
    try:
        return outline(list(replay.events_of(translate.response_of(protocol, body))))
    except Failed:
        return None


def copy(node: Node, job: Job, answer: Answer, runtime: Runtime, tools: Tools) -> None:
    """Begins a copy of a request that `answer`, whose stream nobody has read yet, was given to."""
    if not runtime.copies.place():
        tools.emit(
            Mirrored(
                request_id=job.facts.request_id,
                served=answer.target.model,
                provider=None,
                model=node.name,
                status=None,
                kind="dropped",
                seconds=0.0,
            )
        )
        return
    runtime.copies.begin(_send(node, job, Served(answer, job), runtime, tools))


async def _send(node: Node, job: Job, served: Served, runtime: Runtime, tools: Tools) -> None:
    """One copy from its beginning to its events."""
    from gateway.routing.run import Course, lead  # it knows the contests, one of which copies

    started = tools.clock()
    outcome: Answer | Failure
    try:
        asked = job.whole()
        moment = Moment(runtime, tools.random, asked, started)
        moment.line = "copy"
        outcome = await lead(node, moment, tools, Course(), started + SECONDS, False)
    except Refused:
        return  # nobody could be asked for it
    seconds = tools.clock() - started
    if isinstance(outcome, Failure):
        tools.emit(
            Mirrored(
                request_id=job.facts.request_id,
                served=served.model,
                provider=None,
                model=node.name,
                status=outcome.status,
                kind=outcome.kind,
                seconds=seconds,
            )
        )
        return
    target = outcome.target
    if outcome.lane is not None:
        asides.tell("copy", asked, target, outcome.lane, tools.emit, kind=None, seconds=seconds, usage=outcome.usage)
    theirs, ours = await served.end, _of_whole(job.protocol, outcome.body)
    same = None if theirs is None or ours is None else (theirs, ours)
    tools.emit(
        Mirrored(
            request_id=job.facts.request_id,
            served=served.model,
            provider=target.provider,
            model=target.model,
            status=200,
            kind=None,
            seconds=seconds,
            usage=outcome.usage,
            same_finish=same and same[0].finish is same[1].finish,
            same_calls=same and same[0].calls == same[1].calls,
            length=same and round(same[1].length / max(1, same[0].length), 3),
        )
    )
