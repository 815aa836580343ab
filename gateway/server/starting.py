"""How a worker's process begins: as a fork of the supervisor, or as a program of its own; and how the scribe does.

The first workers are forked before the supervisor has an event loop or a thread: what it has read, and what a worker
reads beyond that, is read once and its memory is shared. Later ones, in the place of one that died, are executed: a
process with threads must not be forked. Either is handed its listening socket and its end of a socket pair, and holds
no other socket of the supervisor's: whoever reads the end of the stream knows that the other side is gone. A fork also
holds the lock on what is shared, so that nobody takes it away while one lives.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

_PAUSE: Final = 0.02  # seconds between two looks at a process that is to end in a given time


class Process(Protocol):
    """What the supervisor does with a worker's process; `subprocess.Popen` is one."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal. Raises subprocess.TimeoutExpired after `timeout` seconds."""

    def kill(self) -> None:
        """Ends it at once; one that has ended is left alone."""


class Scribe:
    """The process that writes the ledger for the workers (scribe.py), and the supervisor's end to it."""

    def __init__(self, process: Process, control: socket.socket) -> None:
        self._process = process
        self.control = control

    def end(self) -> socket.socket | None:
        """A worker's end to it, which is to be closed here once the worker has it; None where the scribe is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self.control, [b"+"], [theirs.fileno()])
            except OSError:
                ours.close()
                return None
        return ours

    def close(self, patience: float) -> None:
        """Waits until it has ended, which it does when all workers have; kills it after `patience` seconds. Blocks."""
        self.control.close()
        finish(self._process, patience)


class Common(NamedTuple):
    """What the workers of a gateway have in common. `shared`: the directory of the state that the file keeps in
    memory, where they share it."""

    shared: Path | None = None
    scribe: Scribe | None = None


class Begun(NamedTuple):
    """A worker's process, and the supervisor's end of their socket pair."""

    process: Process
    control: socket.socket


def may_fork() -> bool:
    """Whether this process may be forked: on Linux, and while it has one thread. Elsewhere what the system's libraries
    keep to themselves does not outlive a fork."""
    return sys.platform == "linux" and threading.active_count() == 1


def read_all(*, ledger: bool) -> None:
    """Imports what workers need, and the scribe, before they are forked: it is read once, and its memory is shared."""
    gc.disable()
    from gateway.server import worker

    worker.read_all()
    if ledger:
        import gateway.store.ledger.book  # noqa: F401
    gc.freeze()  # whoever looks for cycles writes to what it looks at, and then it is shared no more
    gc.enable()


def fork_scribe(listening: Sequence[socket.socket]) -> Scribe:
    """The scribe. `listening` are not for it. Raises OSError where there can be no more processes."""
    ours, theirs = socket.socketpair()
    pid = _forked(partial(_write, theirs), [ours, *listening])
    theirs.close()
    return Scribe(Forked(pid), ours)


def fork(listening: Sequence[socket.socket], common: Common) -> list[Begun]:
    """A worker for each listening socket; what it inherits of Python is what is imported here (Python seeds `random`
    anew in each). Raises OSError where there can be no more processes; then those that were begun end by themselves."""
    begun: list[Begun] = []
    for mine in listening:
        ours, theirs = socket.socketpair()
        scribe = common.scribe.end() if common.scribe is not None else None
        not_its = [ours, *(other for other in listening if other is not mine), *(each.control for each in begun)]
        if common.scribe is not None:
            not_its.append(common.scribe.control)
        pid = _forked(partial(_work, mine, theirs, common.shared, scribe), not_its)
        theirs.close()
        if scribe is not None:
            scribe.close()
        begun.append(Begun(Forked(pid), ours))
    return begun


def execute(listening: socket.socket, common: Common) -> Begun:
    """A worker as a program of its own. Raises OSError where it cannot be started."""
    ours, theirs = socket.socketpair()
    scribe = common.scribe.end() if common.scribe is not None else None
    with theirs, scribe or nullcontext():
        fds = [listening.fileno(), theirs.fileno(), *([scribe.fileno()] if scribe is not None else [])]
        command = [sys.executable, "-m", "gateway.server.worker", str(common.shared or ""), *map(str, fds)]
        return Begun(subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL), ours)  # noqa: S603 - ourselves


def _work(listening: socket.socket, control: socket.socket, shared: Path | None, scribe: socket.socket | None) -> None:
    from gateway.server.worker import serve

    serve(listening.detach(), control.detach(), shared, scribe)


def _write(control: socket.socket) -> None:
    from gateway.server.scribe import live

    live(control)


def _forked(run: Callable[[], None], not_its: Sequence[socket.socket]) -> int:
    """A child that does `run` and closes what is not its own: its number. The child never comes back to what the
    supervisor was doing."""
    sys.stderr.flush()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for sock in not_its:
            sock.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        run()
        code = 0
    except BaseException:  # it is said here, since nobody is above
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


class Forked:
    """A child of this process that is no `Popen`. Several threads may wait for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._reaping = threading.Lock()

    def _look(self) -> int | None:
        with self._reaping:
            if self._code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid == self.pid:
                    self._code = os.waitstatus_to_exitcode(status)
            return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self._look()) is None:
            if end is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired("a worker", timeout or 0.0)
            time.sleep(_PAUSE)
        return code

    def kill(self) -> None:
        """Ends it at once; one that has ended is left alone."""
        with self._reaping:  # its number may be another's once it has been waited for
            if self._code is None:
                os.kill(self.pid, signal.SIGKILL)


def finish(process: Process, patience: float) -> None:
    """Waits for the end of a process; kills it after `patience` seconds. Blocks."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
