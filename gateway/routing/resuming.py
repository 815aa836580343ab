"""An answer that lasts: where its stream breaks off, another target of the route goes on with it.

The next target is given the conversation and the text so far, and the client's stream stays one answer: one beginning,
one id, one end, the usage of both added up. Only targets that are known to go on with what was said are asked
(`Protocol.continues`). An answer is not gone on with once a tool is being called, while the model still thinks, with
guardrails on its text, with a structured form, or where several answers were asked for; then, and where nobody can, it
breaks off as it would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from gateway.failure import Failed, Failure, Kind, Refused
from gateway.ir.chat import Message, Request, Text
from gateway.ir.estimate import text_tokens
from gateway.ir.usage import Usage
from gateway.protocols.resuming import Joint, Recorder, caught_up, story
from gateway.protocols.translate import Translation
from gateway.routing import asides
from gateway.routing.attempt import Answer, unwatched
from gateway.routing.moment import Moment
from gateway.routing.node import Node
from gateway.routing.sending import Job

if TYPE_CHECKING:
    from gateway.routing.run import Course, Tools

Follow: TypeAlias = Callable[[Node, Moment, "Tools", "Course", float | None, bool], Awaitable[Answer | Failure]]

Interrupted: TypeAlias = Callable[[Answer, Failure, "Tools"], None]

KEPT_MOST: Final = 8 << 20  # bytes of a stream that passes: what is longer is not gone on with


class Lasting(Answer):
    """See the module. `target`, `lane` and `usage` are those of whoever speaks last."""

    __slots__ = (
        "_answer", "_asked", "_course", "_deadline", "_follow", "_interrupted",  "_moment", "_node", "_recorder",
        "_resuming", "_seen", "_size", "_speaker", "_started", "_tools", "_watchers",
    )  # fmt: skip

    def __init__(
        self,
        answer: Answer,
        node: Node,
        job: Job,
        moment: Moment,
        tools: Tools,
        course: Course,
        deadline: float | None,
        follow: Follow,
        interrupted: Interrupted,
    ) -> None:
        super().__init__(
            answer.target, answer.lane, None, None, answer.body, None, answer.content_type, answer.dropped, _nothing
        )
        self.stream = True
        self._node = node
        self._asked = job
        self._moment = moment
        self._tools = tools
        self._course = course
        self._deadline = deadline
        self._follow = follow
        self._interrupted = interrupted
        self._watchers: list[tuple[Callable[[bytes], None], Callable[[], None]]] = []
        self._resuming: asyncio.Task[bytes] | None = None
        self._seen: list[bytes] = []
        self._size = 0
        self._recorder: Recorder | None = None
        self._takes(answer)
        self._see(answer.body)

    @property
    def end(self) -> bytes:
        """The last bytes of whoever spoke last."""
        return self._answer.end

    async def more(self) -> bytes:
        """The next frames of the stream, whoever they come from. Raises `Failed(interrupted)` where it breaks off for
        good."""
        if self._resuming is None:
            try:
                data = await self._answer.more()
            except Failed as failed:
                if failed.failure.kind is not Kind.INTERRUPTED:
                    raise
                self._resuming = asyncio.ensure_future(self._resumed(failed))
            else:
                self._see(data)
                self._show(data)
                return data
        try:
            data = await asyncio.shield(self._resuming)
        except Failed:
            self._resuming = None
            raise
        self._resuming = None  # not where the wait was cancelled: what came of it is there for the next
        self._show(data)
        return data

    def close(self) -> None:
        """Ends the exchange, wherever it is."""
        task, self._resuming = self._resuming, None
        if task is not None and not task.cancel() and not task.cancelled():
            task.exception()  # nobody waits for it any more
        self._answer.close()
        self.usage = self._answer.usage
        watchers, self._watchers = self._watchers, []
        for _, over in watchers:
            over()

    def watch(self, seen: Callable[[bytes], None], over: Callable[[], None]) -> None:
        """As `Answer.watch`, over all that speak."""
        self._watchers.append((seen, over))

    def _takes(self, answer: Answer) -> None:
        self._answer = answer
        self.target, self.lane = answer.target, answer.lane
        self._started = self._tools.clock()
        self._speaker = unwatched(answer.sniffer)
        if self._recorder is None and isinstance(self._speaker, Translation):
            encoder = self._speaker.encoder
            self._recorder = encoder if isinstance(encoder, Recorder) else None

    def _show(self, data: bytes) -> None:
        for seen, _ in self._watchers:
            seen(data)

    def _see(self, data: bytes) -> None:
        if self._recorder is None:
            self._size += len(data)
            if self._size <= KEPT_MOST:
                self._seen.append(data)

    async def _resumed(self, failed: Failed) -> bytes:
        """The first frames of the rest. Raises `failed` where there is none."""
        broken, tools = self._answer, self._tools
        before, complete = self._left_over()
        if complete:
            return before
        self._see(before)
        try:
            recorder = self._told()
            told = story(recorder.events) if recorder is not None else None
            request = self._asked.request()
        except Refused:
            raise failed from None
        if recorder is None or told is None or request.n not in (msgspec.UNSET, None, 1) or request.format is not None:
            raise failed
        sent = told.text.rstrip()
        if not sent:
            raise failed
        job = self._asked.with_request(_begun(request, sent))
        job.lasting = False
        job.onto = lambda: Joint(recorder, told, sent)
        usage = asides.partial(self._asked, told.text, broken.usage)
        others = self._speaker.spent if isinstance(self._speaker, Translation) else None
        job.spent = usage if others is None or usage is None else others.plus(usage)
        moment = self._moment.apart(job, "")
        moment.continues = True
        moment.tried.add(broken.target.name)
        moment.last = Failure(kind=Kind.CONNECTION, message="the stream broke off")
        outcome = await self._follow(self._node, moment, tools, self._course, self._deadline, False)
        if isinstance(outcome, Failure):
            raise failed
        self._recorder = recorder
        self._seen.clear()
        seconds = tools.clock() - self._started
        if broken.lane is not None:
            kind = failed.failure.kind
            self._interrupted(broken, failed.failure, tools)
            asides.tell(
                "beginning",
                self._asked,
                broken.target,
                broken.lane,
                tools.emit,
                kind=kind,
                seconds=seconds,
                usage=usage,
            )
        self._moment.tried = moment.tried
        self._takes(outcome)
        return before + outcome.body

    def _left_over(self) -> tuple[bytes, bool]:
        """Of a stream that broke off: the last frames that are whole, and whether the answer is complete with them,
        since only the end of the body was missing."""
        speaker = self._speaker
        if speaker is None or speaker.failure is not None:
            return b"", False
        return speaker.finish(), speaker.failure is None

    def _told(self) -> Recorder | None:
        """What the client has been told, with what tells it; None where it is not known any more."""
        if self._recorder is not None:
            return self._recorder
        if self._size > KEPT_MOST:
            return None
        now = int(self._tools.wall())
        return caught_up(self._asked.protocol, self._asked.request(), b"".join(self._seen), now)


def _nothing(_usage: Usage | None) -> None:
    pass


def _begun(request: Request, sent: str) -> Request:
    """The request with the beginning of its answer. Thinking is over, and the bound on the answer is what is left."""
    messages = request.messages
    last = messages[-1] if messages else None
    if last is not None and last.role == "assistant":  # the client began the answer itself
        final = last.parts[-1] if last.parts else None
        if isinstance(final, Text):
            parts = (*last.parts[:-1], msgspec.structs.replace(final, text=final.text + sent))
        else:
            parts = (*last.parts, Text(sent))
        messages = (*messages[:-1], msgspec.structs.replace(last, parts=parts))
    else:
        messages = (*messages, Message("assistant", (Text(sent),)))
    most = request.max_tokens
    if isinstance(most, int):
        most = max(1, most - text_tokens(sent))
    return msgspec.structs.replace(
        request, messages=messages, max_tokens=most, thinking=None, continues=True, stream=True
    )
