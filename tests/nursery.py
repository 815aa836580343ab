"""A process that has read the whole program, and forks gateways: a test waits for its gateway, not for Python's imports.

What runs in a fork is `gateway serve` from its command line on, with an environment, a directory and a standard error of
its own; only the interpreter's start and the imports lie behind it. Tests of starting itself, of replaced processes and
of the soak begin with a program (`forked=False`).

    python -m tests.nursery FD

FD is a socket; each message is JSON of what to run, with two descriptors: standard error, and a pipe on which the
process's number is told first, then its exit code, four bytes each.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[1]
READ = (
    "gateway.cli.serve", "gateway.server.supervisor", "gateway.server.planned", "gateway.engine.reload", "watchfiles",
    "gateway.store.disk", "gateway.store.redis", "gateway.store.ledger.book",
)  # fmt: skip


class Gateway:
    """A forked gateway as its test sees it: of `subprocess.Popen` what tests use."""

    def __init__(self, told: IO[bytes]) -> None:
        self._told = told
        self.pid = _number(told)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("gateway serve", timeout or 0.0)
            self.returncode = _number(self._told)
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _number(told: IO[bytes]) -> int:
    data = told.read(4)
    if len(data) < 4:
        raise RuntimeError("who waits for the gateway is gone")
    return int.from_bytes(data, "big", signed=True)


def _tell(told: int, number: int) -> None:
    os.write(told, number.to_bytes(4, "big", signed=True))


class Nursery:
    """Begins gateways."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.nursery", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

    def begin(self, arguments: list[str], environ: Mapping[str, str], directory: Path, stderr: IO[str]) -> Gateway:
        """`gateway ARGUMENTS` in a directory."""
        read, write = os.pipe()
        message = {"arguments": arguments, "environ": dict(environ), "directory": str(directory)}
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], [stderr.fileno(), write])
        finally:
            os.close(write)
        return Gateway(os.fdopen(read, "rb", buffering=0))

    def close(self) -> None:
        """No more are begun."""
        self._control.close()
        self._process.wait(10)


@cache
def nursery() -> Nursery:
    """That of this process; it ends with it."""
    found = Nursery()
    atexit.register(found.close)
    return found


def _serve(message: dict[str, Any], stderr: int) -> NoReturn:
    """The gateway, to its end."""
    code = 1
    try:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.chdir(message["directory"])
        os.environ.clear()
        os.environ.update(message["environ"])
        sys.argv = ["gateway", *message["arguments"]]
        from gateway.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # it is said here, since nobody is above
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


def _keep(message: dict[str, Any], stderr: int, told: int) -> NoReturn:
    """Begins a gateway, and waits for its end in a process of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _serve(message, stderr)
    os.close(stderr)
    _tell(told, pid)
    _tell(told, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _reap() -> None:
    """Waits for those who wait, as far as they have ended: what they used is then counted as used by this process."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    """The process."""
    for name in READ:
        import_module(name)
    import_module("gateway.server.worker").read_all()
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its socket
    gc.collect()
    gc.freeze()
    while True:
        data, fds, *_ = socket.recv_fds(control, 1 << 20, 2)
        _reap()
        if not data:
            return
        if os.fork() == 0:
            control.close()
            _keep(json.loads(data), *fds)
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    main()
