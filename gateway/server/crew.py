"""The worker processes as their supervisor sees them: started, kept on one revision, restarted, stopped.

All or none: `offer` brings a configuration to every worker and commits only when all have prepared it. So does
`try_out`, for a share of the sessions. A worker that dies is started again on the revision in force, and on the one
that is tried out; the sockets stay open here, so connections that arrive meanwhile wait in its queue and are not lost.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import msgspec

from gateway.engine.canary import Seen, together
from gateway.server import channel as say
from gateway.server.channel import Channel
from gateway.server.starting import Begun, Common, Process, execute, finish
from gateway.telemetry.log import Log
from gateway.telemetry.metrics import Sample

PREPARE_WITHIN: Final = 60.0
COMMIT_WITHIN: Final = 10.0
SNAPSHOT_WITHIN: Final = 2.0
RESPAWN_PAUSE: Final = 0.5

_SEEN: Final = msgspec.msgpack.Decoder(dict[str, Seen])

T = TypeVar("T")


class Offer(msgspec.Struct, frozen=True):
    """A checked configuration on its way to the workers."""

    revision: str
    payload: bytes


class Worker:
    """One process, its control channel, and what is being waited for from it."""

    def __init__(self, index: int, process: Process, control: Channel) -> None:
        self.index = index
        self.process = process
        self.control = control
        self.prepared: asyncio.Future[str | None] | None = None
        self.committed: asyncio.Future[str | None] | None = None
        self.snapshots: dict[int, asyncio.Future[bytes]] = {}


class Crew:
    """`sockets`: one bound socket per worker. `asked`: what to do when an operator asks a worker for a change.

    `begun`: the workers that were begun already, one per socket, or none. `common`: what they are begun with.
    `samples`: what /metrics says of the supervisor. `died`: what to do when a worker is gone, with the reason.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        offer: Offer,
        log: Log,
        asked: Callable[[say.AskChange], Awaitable[bytes]],
        begun: Sequence[Begun] = (),
        common: Common = Common(),  # noqa: B008 - a value
        samples: Callable[[], list[Sample]] = list,
        died: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._sockets = sockets
        self._begun = dict(enumerate(begun))
        self._common = common
        self._offer = offer
        self._log = log
        self._asked = asked
        self._samples = samples
        self._died = died
        self._tried: tuple[Offer, float] | None = None
        self._workers: dict[int, Worker] = {}
        self._changing = asyncio.Lock()  # a worker's start and a change of revision must not cross
        self._snapshot_id = 0
        self._status: dict[str, Any] = {}
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts every worker. Raises RuntimeError where one does not come up."""
        await asyncio.gather(*(self._start(index) for index in range(len(self._sockets))))

    async def offer(self, offer: Offer) -> str | None:
        """Puts a configuration in force in every worker, or in none; the reason where none."""
        async with self._changing:
            return await self._put(offer, 1.0)

    async def try_out(self, offer: Offer, share: float) -> str | None:
        """Lets a configuration serve a share of the sessions in every worker, or in none; the reason where none."""
        async with self._changing:
            return await self._put(offer, share)

    async def promote(self) -> str | None:
        """Puts the configuration that is tried out in force in every worker, or leaves it on trial; then why. It is
        prepared anew, since on trial it had breakers of its own."""
        async with self._changing:
            if self._tried is None:
                return "nothing is tried out"
            tried, self._tried = self._tried, None
            error = await self._put(tried[0], 1.0)
            if error is not None:
                self._tried = tried
            return error

    async def withdraw(self) -> None:
        """Ends the trial of a configuration in every worker."""
        async with self._changing:
            if self._tried is not None:
                revision, self._tried = self._tried[0].revision, None
                await self._everywhere(lambda worker: self._commit(worker, revision, 0.0))

    async def seen(self) -> dict[str, Seen] | None:
        """The counts of a trial in all workers together, by the beginnings of revisions; None where one is silent."""
        workers = len(self._workers)
        counts = [_SEEN.decode(body) for body in await self._snapshots(trial=True)]
        if len(counts) < workers:
            return None
        revisions = {revision for each in counts for revision in each}
        return {revision: together(each[revision] for each in counts if revision in each) for revision in revisions}

    async def _put(self, offer: Offer, share: float) -> str | None:
        workers = list(self._workers.values())
        errors = await asyncio.gather(*(self._prepare(worker, offer, trial=share < 1) for worker in workers))
        failed = [error for error in errors if error is not None]
        if failed:
            for worker in workers:
                worker.control.send(say.Abort(offer.revision))
            return failed[0]
        if share < 1:  # from here on a worker that starts, starts on this
            self._tried = (offer, share)
        else:
            self._offer = offer
        await self._everywhere(lambda worker: self._commit(worker, offer.revision, share))
        return None

    async def _everywhere(self, step: Callable[[Worker], Awaitable[str | None]]) -> None:
        """Takes a step in every worker. One that fails must not stay behind: it starts again on what is to be."""
        workers = list(self._workers.values())
        errors = await asyncio.gather(*(step(worker) for worker in workers))
        for worker, error in zip(workers, errors, strict=True):
            if error is not None:
                self._log.line("error", "a worker is replaced", worker=worker.index, why=error)
                worker.process.kill()

    def tell(self, status: dict[str, Any]) -> None:
        """Gives every worker what /health is to say."""
        self._status = status
        message = self._told(len(self._workers))
        for worker in self._workers.values():
            worker.control.send(message)

    def _told(self, workers: int) -> say.Status:
        return say.Status(msgspec.json.encode({**self._status, "workers": workers}))

    async def stop(self, patience: float) -> None:
        """Asks all workers to finish; kills those that have not after `patience` seconds."""
        self._stopping = True
        workers = list(self._workers.values())
        for worker in workers:
            worker.control.send(say.Stop())
        await asyncio.gather(*(asyncio.to_thread(finish, worker.process, patience) for worker in workers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Ends all workers at once."""
        self._stopping = True
        for worker in self._workers.values():
            worker.process.kill()

    async def _start(self, index: int) -> None:
        begun = self._begun.pop(index, None)
        if begun is None:
            begun = await asyncio.to_thread(execute, self._sockets[index], self._common)
        process, ours = begun
        ours.setblocking(False)
        worker = Worker(index, process, await Channel.over(ours))
        self._spawn(self._listen(worker))
        error = await self._prepare(worker, self._offer)
        if error is None:
            worker.control.send(self._told(len(self._workers) + 1))  # before it accepts: /health is never empty
            error = await self._commit(worker, self._offer.revision)
        if error is None and self._tried is not None:
            offer, share = self._tried
            error = await self._prepare(worker, offer, trial=True) or await self._commit(worker, offer.revision, share)
        if error is not None:
            process.kill()
            raise RuntimeError(f"worker {index} did not start: {error}")
        self._workers[index] = worker
        self.tell(self._status)

    async def _prepare(self, worker: Worker, offer: Offer, *, trial: bool = False) -> str | None:
        worker.prepared = asyncio.get_running_loop().create_future()
        worker.control.send(say.Prepare(offer.revision, offer.payload, trial))
        return await _within(worker.prepared, PREPARE_WITHIN, f"worker {worker.index} did not prepare it")

    async def _commit(self, worker: Worker, revision: str, share: float = 1.0) -> str | None:
        worker.committed = asyncio.get_running_loop().create_future()
        worker.control.send(say.Commit(revision, share) if share else say.Withdraw(revision))
        return await _within(worker.committed, COMMIT_WITHIN, f"worker {worker.index} did not commit it")

    async def _listen(self, worker: Worker) -> None:
        """Takes a worker's messages until it is gone, then starts another in its place."""
        while (message := await worker.control.receive()) is not None:
            match message:
                case say.Prepared(error=error):
                    _settle(worker.prepared, error)
                case say.Committed():
                    _settle(worker.committed, None)
                case say.AskChange():
                    self._spawn(self._answer_change(worker, message))
                case say.AskMetrics(id=id_):
                    self._spawn(self._answer_metrics(worker, id_))
                case say.Snapshot(id=id_, body=body):
                    _settle(worker.snapshots.pop(id_, None), body)
                case _:
                    raise RuntimeError(f"not a message for a supervisor: {type(message).__name__}")
        worker.control.close()
        code = await asyncio.to_thread(worker.process.wait)
        _settle(worker.prepared, f"worker {worker.index} exited with {code}")
        _settle(worker.committed, f"worker {worker.index} exited with {code}")
        for future in worker.snapshots.values():
            future.cancel()
        if self._workers.get(worker.index) is worker:
            del self._workers[worker.index]
            if not self._stopping:
                self.tell(self._status)
                self._log.line("error", "a worker died; starting another", worker=worker.index, exit=code)
                if self._died is not None and self._tried is not None:
                    self._spawn(self._told_of(f"worker {worker.index} died (exit {code})"))
                await self._respawn(worker.index)

    async def _respawn(self, index: int) -> None:
        while not self._stopping:
            await asyncio.sleep(RESPAWN_PAUSE)
            async with self._changing:
                try:
                    await self._start(index)
                except (RuntimeError, OSError) as error:
                    self._log.line("error", "a worker could not be started", worker=index, why=str(error))
                else:
                    return

    async def _told_of(self, why: str) -> None:
        if self._died is not None:
            await self._died(why)

    async def _answer_change(self, worker: Worker, asked: say.AskChange) -> None:
        worker.control.send(say.Reply(asked.id, await self._asked(asked)))

    async def _answer_metrics(self, worker: Worker, id_: int) -> None:
        bodies = [*await self._snapshots(), msgspec.msgpack.encode(self._samples())]
        worker.control.send(say.Reply(id_, msgspec.msgpack.encode(bodies)))

    async def _snapshots(self, *, trial: bool = False) -> list[bytes]:
        """What all workers count; of those that answer soon."""
        self._snapshot_id += 1
        asked = self._snapshot_id
        futures: list[asyncio.Future[bytes]] = []
        for other in self._workers.values():
            future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            other.snapshots[asked] = future
            other.control.send(say.TakeSnapshot(asked, trial))
            futures.append(future)
        if futures:
            await asyncio.wait(futures, timeout=SNAPSHOT_WITHIN)
        return [future.result() for future in futures if future.done() and not future.cancelled()]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _settle(future: asyncio.Future[T] | None, value: T) -> None:
    if future is not None and not future.done():
        future.set_result(value)


async def _within(future: asyncio.Future[str | None], seconds: float, what: str) -> str | None:
    try:
        return await asyncio.wait_for(future, seconds)
    except TimeoutError:
        return f"{what} within {seconds:g}s"
