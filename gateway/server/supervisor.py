"""The supervisor: compiles the file, starts the workers, and decides what is in force.

It serves no request. A reload is loaded and built here first, off every worker's loop; what is wrong with it goes to
the log and to /health, and the last good configuration keeps serving. What a running server cannot change is named
and refused: what it reports as its configuration is what it runs. How an accepted one comes into force, and goes
again, is in `rollout.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from gateway.config.load import Loaded, load
from gateway.config.model import Config
from gateway.diagnostics.diagnostic import Diagnostic, Severity
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.engine.reload import changes, fingerprint
from gateway.engine.restart import needs_restart
from gateway.engine.stores import size_of
from gateway.events import Changed
from gateway.server import channel as say
from gateway.server.crew import Crew, Offer
from gateway.server.rollout import Accepted, Rollout, moment
from gateway.server.shared import Shared
from gateway.server.starting import Begun, Common, fork, fork_scribe, may_fork, read_all
from gateway.telemetry.log import Log

GRACE: Final = 5.0  # seconds beyond `gateway.drain` before a worker is killed


class Invalid(Exception):  # noqa: N818 - it says what the file is
    """The file cannot be served; `loaded` has the diagnostics."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__("the configuration is not valid")
        self.loaded = loaded


class _Opened(NamedTuple):
    """What workers are begun with, and those that were."""

    sockets: list[socket.socket]
    shared: Shared | None
    common: Common
    begun: list[Begun]


class Supervisor:
    """`paths` are the files of one configuration. Raises `Invalid` where it cannot be served."""

    def __init__(self, paths: Sequence[Path], environ: Mapping[str, str]) -> None:
        self._paths = list(paths)
        self._environ = environ
        loaded, config = self._load()
        if config is None:
            raise Invalid(loaded)
        self._first = Accepted(Offer(loaded.revision, loaded.payload()), config)
        self._files: Sequence[Path] = loaded.files
        self._seen = fingerprint(loaded.files)  # now, so that a change during start-up is one
        self._stop = asyncio.Event()
        self._opened: _Opened | None = None
        self._crew: Crew | None = None
        self._rollout: Rollout | None = None
        self._reloading = asyncio.Lock()
        self._last_reload: dict[str, Any] = {"at": _now(), "why": "start", "outcome": "reloaded", "seconds": None}
        self._last_rejection: dict[str, Any] | None = None
        self._hangups: set[asyncio.Task[dict[str, Any]]] = set()
        self.log = Log(config.gateway.log.level, config.gateway.log.format, time.time)

    def _load(self) -> tuple[Loaded, Config | None]:
        """Loads and builds what the files say now; the config is None where it is not to be served."""
        loaded = load(self._paths, known=KNOWN, environ=self._environ)
        if loaded.config is None or loaded.diagnostics.has_errors:
            return loaded, None
        build(loaded.config, loaded.secrets, revision=loaded.revision)
        return loaded, loaded.config

    def open(self) -> None:
        """Binds the address and begins the workers, before there is an event loop: forked, they begin sooner and share
        memory. Raises OSError where the address cannot be had."""
        gateway = self._first.config.gateway
        count = gateway.workers if isinstance(gateway.workers, int) else len(os.sched_getaffinity(0))
        sockets = bind(gateway.listen, count)
        # Workers that share what the file keeps in memory do it in a directory, which goes with this process.
        shared = Shared(size_of(self._first.config)) if gateway.state == "memory" and count > 1 else None
        common = Common(shared.path if shared is not None else None)
        begun: list[Begun] = []
        if may_fork():
            ledger = gateway.ledger is not None
            read_all(ledger=ledger)
            common = common._replace(scribe=fork_scribe(sockets) if ledger else None)
            begun = fork(sockets, common)
        self._opened = _Opened(sockets, shared, common, begun)

    async def run(self, ready: asyncio.Future[str] | None = None) -> None:
        """Serves what `open` opened, until SIGTERM or SIGINT. `ready` is given the URL once every worker accepts
        connections."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        if self._opened is None:
            raise RuntimeError("`open` comes first")
        sockets, shared, common, begun = self._opened
        crew = self._crew = Crew(
            sockets,
            self._first.offer,
            self.log,
            self._asked,
            begun,
            common,
            lambda: rollout.samples(),
            lambda why: rollout.lost(why),
        )
        rollout = self._rollout = Rollout(
            self._first,
            crew,
            emit=self._changed,
            told=self._tell,
            changing=self._reloading,
            clock=time.monotonic,
            wall=time.time,
            sleep=asyncio.sleep,
            summary=_summary,
        )
        watching: asyncio.Task[None] | None = None
        try:
            self._tell()
            await crew.start()
            url = url_of(sockets[0])
            self.log.line("info", "serving", url=url, workers=len(sockets), revision=rollout.current.revision[:12])
            if ready is not None:
                ready.set_result(url)
            if self._first.config.gateway.reload:
                watching = loop.create_task(self._watch())
            await self._stop.wait()
            self.log.line(
                "info", "stopping: open requests are finished first", within=rollout.current.config.gateway.drain
            )
        finally:
            if watching is not None:
                watching.cancel()
            await rollout.close()
            await crew.stop(rollout.current.config.gateway.drain + GRACE)
            if common.scribe is not None:
                await asyncio.to_thread(common.scribe.close, GRACE)
            for sock in sockets:
                sock.close()
            if shared is not None:
                shared.remove()

    def _signalled(self) -> None:
        if self._stop.is_set() and self._crew is not None:
            self._crew.kill()  # asked twice: at once
        self._stop.set()

    def _hung_up(self) -> None:
        task = asyncio.get_running_loop().create_task(self.reload("SIGHUP"))
        self._hangups.add(task)
        task.add_done_callback(self._hangups.discard)

    async def _asked(self, asked: say.AskChange) -> bytes:
        """What an operator wants of the supervisor."""
        rollout = self._running()
        who = f"key {asked.who}"
        if asked.what == "audit":
            return msgspec.json.encode(rollout.audit())
        if asked.what == "rollback":
            async with self._reloading:
                outcome = await rollout.rollback(asked.to, who)
                self._tell()
                return msgspec.json.encode(outcome)
        return msgspec.json.encode(await self.reload(f"POST /-/reload by {who}"))

    async def _watch(self) -> None:
        try:
            async for _ in changes(lambda: self._files, self._seen, self._stop):
                await self.reload("a source changed")
        except Exception as error:
            # Whatever it was, somebody must hear of it.
            message = "files are not watched any more: SIGHUP and POST /-/reload still read them"
            self.log.line("error", message, why=f"{type(error).__name__}: {error}")

    async def reload(self, why: str) -> dict[str, Any]:
        """Reads the sources anew and puts them in force in every worker, or in none; for some sessions first, where
        they say so.

        Returns what happened: `outcome` is "reloaded", "canary", "unchanged" or "rejected" (then with `diagnostics`),
        `revision` is the one in force afterwards.
        """
        async with self._reloading:
            started = time.monotonic()
            record = await self._reload(why)
            record = {"at": _now(), "why": why, "seconds": round(time.monotonic() - started, 4), **record}
            if record["outcome"] == "rejected":
                self._last_rejection = record
                because = [f"{found['code']} at {found['at']}" for found in record["diagnostics"]]
                self._running().refused(why, record["rejected_revision"], "; ".join(because))
            elif record["outcome"] != "unchanged":
                self._last_rejection = None
                if record["outcome"] == "reloaded":
                    self._last_reload = record
            self._tell()
            return record

    async def _reload(self, why: str) -> dict[str, Any]:
        rollout = self._running()
        loaded, config = await asyncio.to_thread(self._load)
        self._files = loaded.files or self._files
        if config is None:
            return self._rejected(loaded, list(loaded.diagnostics))
        refused = needs_restart(rollout.current.config, config, loaded.span)
        if refused:
            return self._rejected(loaded, refused)
        record = await rollout.accept(Accepted(Offer(loaded.revision, loaded.payload()), config), why)
        if record["outcome"] == "unchanged":
            self._last_rejection = None  # what was broken has been put back
        return record

    def _running(self) -> Rollout:
        if self._rollout is None:
            raise RuntimeError("nothing to change: no worker was started")
        return self._rollout

    def _changed(self, changed: Changed) -> None:
        self.log(changed)
        if changed.outcome in ("canary-promoted", "rolled-back"):
            why = {"canary-promoted": "the canary was promoted", "rolled-back": f"rolled back by {changed.who}"}
            self._last_reload = {
                "at": moment(changed.at),
                "why": why[changed.outcome],
                "seconds": None,
                "outcome": changed.outcome,
                "revision": changed.new,
            }

    def _tell(self) -> None:
        """Gives /health its news."""
        if self._crew is not None:
            self._crew.tell(self._status())

    def _rejected(self, loaded: Loaded, found: Sequence[Diagnostic]) -> dict[str, Any]:
        errors = [diagnostic for diagnostic in found if diagnostic.severity is Severity.ERROR]
        return {
            "outcome": "rejected",
            "revision": self._running().current.revision,
            "rejected_revision": loaded.revision,
            "diagnostics": [_told(diagnostic) for diagnostic in errors],
        }

    def _status(self) -> dict[str, Any]:
        return {
            **self._running().status(),
            "last_reload": self._last_reload,
            "last_rejection": self._last_rejection,
        }


async def _summary(old: Offer, new: Offer) -> str:
    """What differs between two configurations, in one line."""
    from gateway.server.planned import told  # what only a change needs

    return await asyncio.to_thread(told, old.payload, new.payload)


def _told(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic for /health and the log: no source lines, since those may hold what should not be shown."""
    span = diagnostic.span
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "at": f"{span.path}:{span.line}:{span.column}" if span is not None else "",
    }


def _now() -> str:
    return moment(time.time())


def url_of(sock: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind(listen: str, count: int) -> list[socket.socket]:
    """`count` sockets on one address, each with a queue of its own: the kernel spreads connections over them.

    Port 0 takes a free one. Raises OSError where the address cannot be had, or is had by another process already,
    which sharing the port would hide.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family, kind, proto, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, proto) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
    sockets: list[socket.socket] = []
    for _ in range(count):
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address if not sockets else sockets[0].getsockname())
        sockets.append(sock)
    return sockets
