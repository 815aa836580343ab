"""How a worker's process begins: as a fork of the supervisor, or as a program of its own.

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
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, Protocol

_PAUSE: Final = 0.02  # seconds between two looks at a process that is to end in a given time


class Process(Protocol):
    """What the supervisor does with a worker's process; `subprocess.Popen` is one."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal. Raises subprocess.TimeoutExpired after `timeout` seconds."""

    def kill(self) -> None:
        """Ends it at once; one that has ended is left alone."""


class Begun(NamedTuple):
    """A worker's process, and the supervisor's end of their socket pair."""

    process: Process
    control: socket.socket


def may_fork() -> bool:
    """Whether this process may be forked: on Linux, and while it has one thread. Elsewhere what the system's libraries
    keep to themselves does not outlive a fork."""
    return sys.platform == "linux" and threading.active_count() == 1


def fork(listening: Sequence[socket.socket], shared: Path | None) -> list[Begun]:
    """A worker for each listening socket; what it inherits of Python is what is imported here (Python seeds `random`
    anew in each). Raises OSError where there can be no more processes; then those that were begun end by themselves."""
    gc.disable()
    from gateway.server.worker import read_all

    read_all()
    gc.freeze()  # whoever looks for cycles writes to what it looks at, and then it is shared no more
    gc.enable()
    sys.stderr.flush()
    sys.stdout.flush()
    begun: list[Begun] = []
    for mine in listening:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            others = [other for other in listening if other is not mine]
            _live(mine, theirs, [ours, *others, *(earlier.control for earlier in begun)], shared)
        theirs.close()
        begun.append(Begun(Forked(pid), ours))
    return begun


def execute(listening: socket.socket, shared: Path | None) -> Begun:
    """A worker as a program of its own. Raises OSError where it cannot be started."""
    ours, theirs = socket.socketpair()
    fds = (listening.fileno(), theirs.fileno())
    command = [sys.executable, "-m", "gateway.server.worker", *map(str, fds), str(shared or "")]
    with theirs:
        return Begun(subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL), ours)  # noqa: S603 - ourselves


def _live(mine: socket.socket, theirs: socket.socket, not_mine: list[socket.socket], shared: Path | None) -> NoReturn:
    """A forked worker, from its first moment to its last: it never comes back to what the supervisor was doing."""
    code = 1
    try:
        for sock in not_mine:
            sock.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        from gateway.server.worker import serve

        serve(mine.detach(), theirs.detach(), shared)
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
