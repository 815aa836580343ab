"""The worker processes as their supervisor sees them: started, kept on one revision, restarted, stopped.

All or none: `offer` brings a configuration to every worker and commits only when all have prepared it. A worker that
dies is started again on the revision in force; the sockets stay open here, so connections that arrive meanwhile wait
in its queue and are not lost.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from gateway.server import channel as say
from gateway.server.channel import Channel
from gateway.telemetry.log import Log

PREPARE_WITHIN: Final = 60.0
COMMIT_WITHIN: Final = 10.0
SNAPSHOT_WITHIN: Final = 2.0
RESPAWN_PAUSE: Final = 0.5

T = TypeVar("T")


class Offer(msgspec.Struct, frozen=True):
    """A checked configuration on its way to the workers."""

    revision: str
    payload: bytes


class Worker:
    """One process, its control channel, and what is being waited for from it."""

    def __init__(self, index: int, process: subprocess.Popen[bytes], control: Channel) -> None:
        self.index = index
        self.process = process
        self.control = control
        self.prepared: asyncio.Future[str | None] | None = None
        self.committed: asyncio.Future[str | None] | None = None
        self.snapshots: dict[int, asyncio.Future[bytes]] = {}


class Crew:
    """`sockets`: one bound socket per worker. `ask_reload`: what to do when an operator asks a worker to reload.

    `shared`: the directory in which the workers share state that the file keeps in memory.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        offer: Offer,
        log: Log,
        ask_reload: Callable[[], Awaitable[bytes]],
        shared: Path | None = None,
    ) -> None:
        self._sockets = sockets
        self._shared = shared
        self._offer = offer
        self._log = log
        self._ask_reload = ask_reload
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
            workers = list(self._workers.values())
            errors = await asyncio.gather(*(self._prepare(worker, offer) for worker in workers))
            failed = [error for error in errors if error is not None]
            if failed:
                for worker in workers:
                    worker.control.send(say.Abort(offer.revision))
                return failed[0]
            self._offer = offer  # from here on a worker that starts, starts on this
            errors = await asyncio.gather(*(self._commit(worker, offer.revision) for worker in workers))
            for worker, error in zip(workers, errors, strict=True):
                if error is not None:  # it must not stay behind: it starts again on the new revision
                    self._log.line("error", "a worker is replaced", worker=worker.index, why=error)
                    worker.process.kill()
            return None

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
        await asyncio.gather(*(asyncio.to_thread(_end, worker.process, patience) for worker in workers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Ends all workers at once."""
        self._stopping = True
        for worker in self._workers.values():
            worker.process.kill()

    async def _start(self, index: int) -> None:
        ours, theirs = socket.socketpair()
        listen = self._sockets[index]
        fds = (listen.fileno(), theirs.fileno())
        command = [sys.executable, "-m", "gateway.server.worker", *map(str, fds), str(self._shared or "")]
        try:
            process = await asyncio.to_thread(subprocess.Popen, command, pass_fds=fds, stdin=subprocess.DEVNULL)
        finally:
            theirs.close()
        ours.setblocking(False)
        worker = Worker(index, process, await Channel.over(ours))
        self._spawn(self._listen(worker))
        error = await self._prepare(worker, self._offer)
        if error is None:
            worker.control.send(self._told(len(self._workers) + 1))  # before it accepts: /health is never empty
            error = await self._commit(worker, self._offer.revision)
        if error is not None:
            process.kill()
            raise RuntimeError(f"worker {index} did not start: {error}")
        self._workers[index] = worker
        self.tell(self._status)

    async def _prepare(self, worker: Worker, offer: Offer) -> str | None:
        worker.prepared = asyncio.get_running_loop().create_future()
        worker.control.send(say.Prepare(offer.revision, offer.payload))
        return await _within(worker.prepared, PREPARE_WITHIN, f"worker {worker.index} did not prepare it")

    async def _commit(self, worker: Worker, revision: str) -> str | None:
        worker.committed = asyncio.get_running_loop().create_future()
        worker.control.send(say.Commit(revision))
        return await _within(worker.committed, COMMIT_WITHIN, f"worker {worker.index} did not commit it")

    async def _listen(self, worker: Worker) -> None:
        """Takes a worker's messages until it is gone, then starts another in its place."""
        while (message := await worker.control.receive()) is not None:
            match message:
                case say.Prepared(error=error):
                    _settle(worker.prepared, error)
                case say.Committed():
                    _settle(worker.committed, None)
                case say.AskReload(id=id_):
                    self._spawn(self._answer_reload(worker, id_))
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

    async def _answer_reload(self, worker: Worker, id_: int) -> None:
        worker.control.send(say.Reply(id_, await self._ask_reload()))

    async def _answer_metrics(self, worker: Worker, id_: int) -> None:
        self._snapshot_id += 1
        asked = self._snapshot_id
        futures: list[asyncio.Future[bytes]] = []
        for other in self._workers.values():
            future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            other.snapshots[asked] = future
            other.control.send(say.TakeSnapshot(asked))
            futures.append(future)
        if futures:
            await asyncio.wait(futures, timeout=SNAPSHOT_WITHIN)
        bodies = [future.result() for future in futures if future.done() and not future.cancelled()]
        worker.control.send(say.Reply(id_, msgspec.msgpack.encode(bodies)))

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


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
