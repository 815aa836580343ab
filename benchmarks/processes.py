"""Starting, pinning, measuring and ending the processes of a benchmark. Linux only: it reads /proc.

Every process is started in a session of its own and ended with all its children, also when the benchmark fails.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parents[1]


class Running:
    """A process and its children. `log` is where its output goes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def tree(self) -> list[int]:
        """The process and all its descendants that are alive."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in task.read_text().split()]
                except OSError:
                    continue  # it ended meanwhile
        return found

    def cpu(self) -> float:
        """Seconds of CPU time, user and system, of the whole tree so far. Resolution: one tick (10 ms)."""
        return sum(_cpu(pid) for pid in self.tree())

    def pss(self) -> dict[int, int]:
        """Bytes of memory by process, pages that are shared counted by share."""
        return {pid: _rollup(pid, "Pss") for pid in self.tree()}

    def rss(self) -> dict[int, int]:
        """Bytes of memory by process, shared pages counted in full."""
        return {pid: _rollup(pid, "Rss") for pid in self.tree()}

    def pause(self) -> None:
        """Stops the tree from running, so that it cannot disturb another's measure."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it run on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        """SIGTERM, and SIGKILL to the whole group after 5 s."""
        self.resume()
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * TICK


def _rollup(pid: int, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def core_time(core: int) -> float:
    """Seconds that a core has worked for any process so far, interrupts left out."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            return sum(int(tick) for tick in ticks[:3]) * TICK  # user, nice, system
    return 0.0


def cores() -> list[int]:
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0))


@contextmanager
def running(
    command: Sequence[str], log: Path, core: int | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """The process of `command`, alone on `core` where one is given; ended when the block is left."""

    def prepare() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    with log.open("ab") as out:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
            preexec_fn=prepare,  # safe: this process has one thread
        )
    started = Running(process, log)
    try:
        yield started
    finally:
        started.end()


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get(port: int, path: str, timeout: float = 10.0) -> tuple[int, bytes]:
    """A GET on a new connection to 127.0.0.1: the status and the body. Raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        data = b""
        while piece := sock.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise ConnectionError(f"not an answer: {head[:100]!r}")
    return int(head[9:12]), body


def wait_until_up(server: Running, port: int, path: str, patience: float = 120.0) -> float:
    """Seconds until a GET answers 200, looked for every 2 ms. Raises RuntimeError with the log where it does not."""
    began = time.perf_counter()
    while time.perf_counter() - began < patience:
        if server.process.poll() is not None:
            break
        try:
            if get(port, path)[0] == 200:
                return time.perf_counter() - began
        except OSError:
            pass
        time.sleep(0.002)
    raise RuntimeError(f"{server.process.args!r} did not come up; it said:\n{server.log.read_text()[-3000:]}")
