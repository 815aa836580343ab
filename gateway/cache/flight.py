"""One piece of work that several requests wait for, and the answer as each of them gets it.

The work runs in a task of its own, so that it goes on while anybody waits, whoever began it. From its commit point on
there is no task: whoever has nothing left to give to its client reads on, for all, so the fastest reader's pace is the
upstream's, and a reader that leaves is followed by another. What came stays at hand for those that join late, up to
`KEPT_MOST`; beyond that nobody joins any more, nothing is kept, and the fastest waits for a reader that is so far
behind.

An answer that breaks off breaks off for everybody. When all readers have left, the work is cancelled. Exactly one
reader, the first that is still there at the end, reports the usage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from gateway.cache.rules import KEPT_MOST
from gateway.failure import Failed, Failure, Refused
from gateway.ir.usage import Usage
from gateway.routing.attempt import Answer

Work: TypeAlias = Callable[[], Awaitable[Answer]]
After: TypeAlias = Coroutine[Any, Any, None]
# told once: the flight, and the whole body where it is complete and not larger than what may be kept → what is left to
# do, which no reader waits for
Over: TypeAlias = Callable[["Flight", bytes | None], After | None]
Later: TypeAlias = Callable[[After], None]
Broke: TypeAlias = Callable[[Answer, Failure], None]


class Flight:
    """See the module. `owner` is whose work it is, `asked` what identifies it to those that would join."""

    __slots__ = (
        "_broke", "_error", "_failure", "_frames", "_gone", "_later", "_over", "_readers", "_reading", "_size", "_task",
        "_told", "_waiting", "answer", "asked", "done", "owner",
    )  # fmt: skip

    def __init__(self, owner: str, asked: bytes, over: Over, broke: Broke, later: Later) -> None:
        self.owner = owner
        self.asked = asked
        self.answer: Answer | None = None
        self.done = False  # the answer is complete
        self._told = False  # somebody reports the usage
        self._over: Over | None = over
        self._broke = broke
        self._later = later
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._failure: Failure | None = None
        self._frames: list[bytes] = []
        self._gone = 0  # bytes that are not at hand any more
        self._size = 0  # bytes that came
        self._readers: list[Reader] = []
        self._reading = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def joinable(self) -> bool:
        """Whether a newcomer can have all of it."""
        return not self._gone and self._failure is None and self._error is None and (self.done or bool(self._readers))

    def start(self, work: Work) -> asyncio.Task[None]:
        """Begins the work; `join` is next. The task also does what is left to do after a whole answer."""
        self._task = asyncio.get_running_loop().create_task(self._run(work))
        return self._task

    async def join(self) -> Reader:
        """The answer, for one more. Raises what the work raised."""
        reader = Reader(self)
        self._readers.append(reader)
        try:
            while self.answer is None and self._error is None:
                await self._woken()
        except BaseException:
            self.leave(reader)
            raise
        if self.answer is None:
            self._readers.remove(reader)
            raise _again(self._error)
        reader.begin(self.answer)
        return reader

    async def _run(self, work: Work) -> None:
        after: After | None = None
        try:
            answer = await work()
        except BaseException as error:
            self._error = error
            after = self._ended(None)
        else:
            self.answer = answer
            self._frames.append(answer.body)
            self._size = len(answer.body)
            if not answer.stream:
                self.done = True
                answer.close()
                after = self._ended(answer.body if self._size <= KEPT_MOST else None)
        self._wake()
        if after is not None:
            await after

    # What readers ask.

    def since(self, at: int) -> bytes:
        """What came after the first `at` bytes."""
        missing, index = self._size - at, len(self._frames)
        while missing > 0:
            index -= 1
            missing -= len(self._frames[index])
        rest = self._frames[index:]
        if missing:
            rest[0] = rest[0][-missing:]
        return rest[0] if len(rest) == 1 else b"".join(rest)

    async def more(self, reader: Reader) -> bytes:
        """What came that a reader does not have yet, b"" at the end. Raises `Failed(interrupted)`."""
        while reader.at == self._size:
            if self._failure is not None:
                raise Failed(self._failure)
            if self.done:
                return b""
            if self._reading or self._far_ahead():
                await self._woken()
            else:
                await self._read()
        data = self.since(reader.at)
        reader.at = self._size
        if self._size > KEPT_MOST:
            self._forget()
        return data

    async def _read(self) -> None:
        answer = self.answer
        if answer is None:
            raise RuntimeError("nothing has begun")
        self._reading = True
        try:
            data = await answer.more()
            if data:
                self._frames.append(data)
                self._size += len(data)
            else:
                self._finish()
        except Failed as failed:
            self._failure = failed.failure
            self._broke(answer, failed.failure)
            self._end(None)
        finally:
            self._reading = False
            self._wake()

    def _far_ahead(self) -> bool:
        """Whether a reader is so far behind that the others wait for it."""
        return self._size > KEPT_MOST and self._size - min(reader.at for reader in self._readers) > KEPT_MOST

    def _forget(self) -> None:
        """Lets go of what every reader has."""
        least = min((reader.at for reader in self._readers), default=self._size)
        while self._frames and self._gone + len(self._frames[0]) <= least:
            self._gone += len(self._frames.pop(0))
        self._wake()

    def leave(self, reader: Reader) -> Usage | None:
        """A reader is through, or gives up; the usage where it is this one's to report."""
        if reader not in self._readers:
            return None
        first = self._readers[0] is reader
        self._readers.remove(reader)
        if not self._readers and not self.done and self._failure is None:
            if self.answer is not None:
                self.answer.close()
            elif self._task is not None:
                self._task.cancel()
            self._end(None)
        elif not self.done and self._failure is None:
            self._wake()  # another reads on
            return None
        if not first or self._told or self.answer is None:
            return None
        self._told = True
        return self.answer.usage

    def _finish(self) -> None:
        self.done = True
        if self.answer is not None:
            self.answer.close()
        self._end(b"".join(self._frames) if self._size <= KEPT_MOST else None)

    def _end(self, body: bytes | None) -> None:
        after = self._ended(body)
        if after is not None:
            self._later(after)

    def _ended(self, body: bytes | None) -> After | None:
        over, self._over = self._over, None
        return over(self, body) if over is not None else None

    async def _woken(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class Reader(Answer):
    """A flight's answer as one request gets it. It has no lane: the flight tells the breakers what there is to tell."""

    __slots__ = ("_flight", "at")

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self.at = 0

    def begin(self, answer: Answer) -> None:
        """The work has an answer: from here on this is one."""
        flight = self._flight
        body = flight.since(0)
        super().__init__(answer.target, None, None, None, body, None, answer.content_type, answer.dropped, _nothing)
        self.stream = answer.stream
        self.at = len(body)
        if not self.stream:
            self.close()

    async def more(self) -> bytes:
        """See `Answer.more`."""
        return await self._flight.more(self)

    def close(self) -> None:
        """See `Answer.close`."""
        self.usage = self._flight.leave(self) or self.usage


def _nothing(_usage: Usage | None) -> None:
    pass


def _again(error: BaseException | None) -> BaseException:
    """What one of several is told: an exception of its own, so that none has another's traceback."""
    if isinstance(error, Failed):
        return Failed(error.failure)
    if isinstance(error, Refused):
        return Refused(error.refusal)
    return error if error is not None else RuntimeError("the work ended without an outcome")
