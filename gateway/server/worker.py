"""A worker's process: a fork of the supervisor, or `python -m gateway.server.worker LISTEN_FD CONTROL_FD SHARED`.

It owns an event loop, a Live, a StatePool, a Transport and a Sanic server on its own listening socket. Engines are
built in a thread, so that requests go on meanwhile; a swap is one assignment on the loop. When the supervisor is gone
it finishes what it began and exits. SHARED is a directory of all workers, "" where each is alone.
"""

# ruff: noqa: E402 - something has to be said before Sanic is imported
from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# Sanic imports trustme, where there is one, for certificates of its development mode, and with it 7 MB of cryptography.
sys.modules.setdefault("trustme", None)  # type: ignore[arg-type]  # None makes the import fail, as if it were not there

import msgspec
from sanic.server.async_server import AsyncioServer

from gateway.config.handoff import here, places, restore
from gateway.config.model import Config
from gateway.engine.build import build
from gateway.engine.canary import Watch
from gateway.engine.engine import Engine
from gateway.engine.live import Live
from gateway.engine.stores import Place, move, place_of, size_of, store_of, url_of
from gateway.events import Attempted, Event, Finished, Reloaded
from gateway.protocols import PROTOCOLS
from gateway.routing.run import Tools
from gateway.sandbox.local import LocalUpstream
from gateway.server import channel as say
from gateway.server.app import make_app
from gateway.server.channel import Channel
from gateway.server.health import keep
from gateway.server.health import samples as samples_of_health
from gateway.server.listening import listen
from gateway.server.recording import ledger_of, opened
from gateway.server.serving import Running, Serving
from gateway.state.health import Health
from gateway.state.pool import StatePool
from gateway.store.contract import StoreDown
from gateway.store.moving import Moving, News
from gateway.telemetry.ledger import Recorder
from gateway.telemetry.log import Log
from gateway.telemetry.metrics import Metrics, Sample
from gateway.transport.contract import Request, Response
from gateway.transport.pool import Transport


class Ready(msgspec.Struct, frozen=True):
    """A configuration that may be put in force. `size`: bytes of values that are to be kept; `url`: where Redis is;
    `ledger`: where that is."""

    engine: Engine
    log: Log
    size: int
    config: Config
    url: str
    ledger: str

    def __repr__(self) -> str:
        return f"Ready({self.engine.revision!r})"


class Worker:
    """Everything a worker process holds; the control loop drives it."""

    def __init__(
        self, control: Channel, listen: socket.socket, shared: Path | None, scribe: socket.socket | None
    ) -> None:
        self._control = control
        self._shared = shared
        self._scribe = scribe
        self._place: Place | None = None  # where its state is, once the first configuration said so
        self._bound = 0  # bytes of values that are kept at most
        self._moving: Moving | None = None  # of the store, what a new URL of it is told
        self._url = ""  # that it was told last
        self._listen = listen
        self._prepared: Ready | None = None
        self._asks: dict[int, asyncio.Future[bytes]] = {}
        self._ask_id = 0
        self._server: AsyncioServer | None = None
        self._log: Log | None = None
        self._sharing: asyncio.Task[None] | None = None
        self._record: Recorder | None = None
        self._watch: Watch | None = None  # while a revision is tried out
        self.live = Live()
        self.state = StatePool()
        self.metrics = Metrics(self._gauges)
        self.transport = Transport()
        self._sandbox = LocalUpstream(sleep=asyncio.sleep)
        self.serving = Serving(
            live=self.live,
            pool=self.state,
            tools=Tools(
                send=self._send,
                clock=time.monotonic,
                wall=time.time,
                sleep=asyncio.sleep,
                random=random.Random(),  # noqa: S311 - it spreads load, it guards nothing
                emit=self._emit,
            ),
            store=lambda: self.state.store,
            state=self._standing,
            ask_metrics=lambda: self._ask(say.AskMetrics),
            ask_change=lambda what, who, to: self._ask(lambda id_: say.AskChange(id_, what, who, to)),
        )

    async def _send(self, request: Request) -> Response:
        if request.origin.scheme == "sandbox":
            return await self._sandbox(request)
        return await self.transport(request)

    def _emit(self, event: Event) -> None:
        self.metrics(event)
        if isinstance(event, Attempted):
            return  # all else hears of whole requests
        if self._log is not None:
            self._log(event)
        if self._record is not None:
            self._record(event)
        if self._watch is not None and isinstance(event, Finished):
            self._watch(event)

    def _tell(self, level: str, message: str, **fields: object) -> None:
        if self._log is not None:
            self._log.line(level, message, **fields)

    def _said(self, up: bool, why: str) -> None:
        if up:
            self._tell("info", "the store of shared state is back")
        else:
            self._tell("error", "the store of shared state cannot be reached", why=why)

    def _said_moved(self, news: News, why: str) -> None:
        if news == "waits":
            self._tell("error", "the new URL of the store of shared state does not serve: the former is used", why=why)
            return
        self._tell("info", "the store of shared state is used by its new URL", store=news)
        if news == "another" and self.serving.health is not None:
            self.serving.health.moved()

    def _standing(self) -> dict[str, Any]:
        """Of the store, for /health. `moving`: it is not used by the file's URL yet."""
        found: dict[str, Any] = {"kind": self._place, "up": self.state.store.up}
        return found if self._moving is None else {**found, "moving": self._moving.waits}

    async def _move(self, ready: Ready) -> None:
        if self._moving is not None and ready.url != self._url:
            former, self._url = self._url, ready.url
            await move(self._moving, ready.config, former, ready.url)

    async def _resize(self, size: int) -> None:
        if size != self._bound:
            with contextlib.suppress(StoreDown):
                await self.state.store.bound(size)
                self._bound = size

    def _snapshot(self, trial: bool) -> bytes:
        if trial:
            return msgspec.msgpack.encode(self._watch.seen() if self._watch is not None else {})
        return self.metrics.snapshot()

    def _gauges(self) -> list[Sample]:
        samples = [
            Sample("gateway_requests_in_flight", (revision[:12],), [count]) for revision, count in self.live.pins()
        ]
        samples.append(Sample("gateway_config_info", (self.live.engine.revision[:12],), [1.0]))
        idle = busy = 0
        for stats in self.transport.stats().values():
            idle += stats.idle
            busy += stats.in_use
        samples.append(Sample("gateway_upstream_connections", ("idle",), [idle]))
        samples.append(Sample("gateway_upstream_connections", ("in_use",), [busy]))
        samples.append(Sample("gateway_store_up", (), [float(self.state.store.up)]))
        samples += samples_of_health(self.live.engine, self.state, time.monotonic())
        if self.serving.recording is not None:
            samples += self.serving.recording.samples()
        return samples

    async def _ask(self, question: Callable[[int], say.Message]) -> bytes:
        self._ask_id += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asks[self._ask_id] = future
        self._control.send(question(self._ask_id))
        try:
            return await future
        finally:
            self._asks.pop(self._ask_id, None)

    async def _prepare(self, message: say.Prepare) -> None:
        try:
            config, known = restore(message.payload)
            served = here(message.payload, config, known)
            url = url_of(served, known)
            if self._place is None:  # its store stays
                store, self._moving = store_of(served, known, self._shared, self._said, self._said_moved)
                self.state = StatePool(store)
                self._place, self._bound, self._url = place_of(config), size_of(config), url
                self.serving.pool = self.state
            state = self.state.apart() if message.trial else self.state
            engine = await asyncio.to_thread(build, served, known, state, revision=message.revision)
            self.serving.remember(message.revision, Running(config, known, places(message.payload)))
            log = Log(config.gateway.log.level, config.gateway.log.format, time.time)
            if self._log is None:  # its ledger stays
                self._log = log
                self.serving.recording = recording = await opened(served, known, self._tell, self._scribe)
                self._record = recording.recorder if recording is not None else None
        except Exception as error:
            # Whatever it is, this worker must answer: the supervisor aborts the change for all.
            self._control.send(say.Prepared(message.revision, f"{type(error).__name__}: {error}"))
            return
        self._prepared = Ready(engine, log, size_of(config), config, url, ledger_of(served, known))
        self._control.send(say.Prepared(message.revision))

    async def _commit(self, message: say.Commit) -> None:
        ready = self._prepared
        if ready is None or ready.engine.revision != message.revision:
            raise RuntimeError(f"told to commit {message.revision}, which was not prepared")
        engine, self._prepared = ready.engine, None
        if message.share < 1:
            self.live.try_out(engine, message.share)
            self._watch = Watch()
            self._control.send(say.Committed(engine.revision))
            return
        self.live.withdraw()
        self.live.swap(engine)
        self._watch = None
        self._log = ready.log
        self.state.reloaded()
        await self._move(ready)
        if self.serving.recording is not None:
            self.serving.recording.move(ready.ledger)
        await self._resize(ready.size)
        self.serving.swapped(engine)
        await self._share_health()
        self._emit(Reloaded(engine.revision, len(engine.routes)))
        if self._server is None:
            self._server = await self._open_server()
        self._control.send(say.Committed(engine.revision))

    async def _share_health(self) -> None:
        """What rests elsewhere, or rested before a restart, is known before the first request comes."""
        if self._place == "memory" and self._shared is None:
            return  # nobody else is there
        health = self.serving.health
        if health is None:
            store = self.state.store
            by = f"{socket.gethostname()}-{secrets.token_hex(6)}"
            health = Health(self.state, store, by=by, clock=time.monotonic, up=lambda: store.up)
            self.serving.health = health
            self._sharing = asyncio.get_running_loop().create_task(keep(health))
        health.reloaded()
        with contextlib.suppress(StoreDown):
            await health.tick()

    async def _take(self, message: say.AnyMessage) -> bool:
        """One message of the supervisor; False when it is time to go."""
        match message:
            case say.Prepare():
                await self._prepare(message)
            case say.Commit():
                await self._commit(message)
            case say.Abort():
                self._prepared = None
            case say.Withdraw():
                self.live.withdraw()
                self._watch = None
                self._control.send(say.Committed(message.revision))
            case say.Status():
                self.serving.status = msgspec.json.decode(message.json)
            case say.Reply():
                future = self._asks.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message.body)
            case say.TakeSnapshot():
                self._control.send(say.Snapshot(message.id, self._snapshot(message.trial)))
            case say.Stop():
                return False
            case _:
                raise RuntimeError(f"not a message for a worker: {type(message).__name__}")
        return True

    async def run(self) -> None:
        """Until the supervisor says stop or is gone."""
        while (message := await self._control.receive()) is not None:
            if not await self._take(message):
                break
        server = self._server
        if server is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._drain(server), self.live.engine.drain)
            for connection in list(server.connections):
                connection.abort()
        if self._sharing is not None:
            self._sharing.cancel()
        await self.state.copies.stop()
        await self.state.meters.close()
        with contextlib.suppress(StoreDown):
            await self.state.store.close()
        self.transport.close()
        recording = self.serving.recording
        if recording is not None and (lost := await recording.close()):
            self._tell("error", "the ledger could not be written before the end", rows=lost)

    async def _open_server(self) -> AsyncioServer:
        """Begins to accept connections; the first configuration is in force."""
        read_all()
        server = await listen(make_app(self.serving), self._listen)
        gc.collect()
        gc.freeze()  # what start-up made stays; collections need not look at it again
        gc.set_threshold(20_000)  # a hundred requests in flight are no reason to look for cycles: few of them leave any
        return server

    async def _drain(self, server: AsyncioServer) -> None:
        """Stops accepting, closes idle connections, waits for the others."""
        server.close()  # type: ignore[no-untyped-call]  # Sanic's
        self.serving.draining = True
        while connections := list(server.connections):
            for connection in connections:
                connection.close_if_idle()
            await asyncio.sleep(0.05)


async def _main(listen_fd: int, control_fd: int, shared: Path | None, scribe: socket.socket | None) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The supervisor receives these and says what to do; a terminal sends them to both.
        signal.signal(signum, signal.SIG_IGN)
    listen = socket.socket(fileno=listen_fd)
    listen.setblocking(False)
    control = await Channel.over(socket.socket(fileno=control_fd))
    await Worker(control, listen, shared, scribe).run()
    control.close()


def read_all() -> None:
    """Imports what a worker needs beyond this module, before it is forked; no request is to wait for a wire to be
    read."""
    tuple(PROTOCOLS.values())
    with contextlib.suppress(ImportError):
        import_module("uvloop")


def serve(listen_fd: int, control_fd: int, shared: Path | None, scribe: socket.socket | None) -> None:
    """A worker's life in this process; the descriptors are its own. `scribe` is its end to the one who writes the
    ledger for it. Uses uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(_main(listen_fd, control_fd, shared, scribe))
    else:
        uvloop.run(_main(listen_fd, control_fd, shared, scribe))


def main() -> None:
    """The program: the directory that is shared, or nothing, and descriptors of sockets."""
    shared, listen, control, *scribe = sys.argv[1:]
    end = socket.socket(fileno=int(scribe[0])) if scribe else None
    serve(int(listen), int(control), Path(shared) if shared else None, end)


if __name__ == "__main__":
    main()
