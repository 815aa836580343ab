"""Real servers for tests: a private Redis and a private PostgreSQL on free ports, gone at the end of the session.

Each pytest process has its own. Where a server is not installed its tests are skipped and say so; under CI=true they
fail: `make test` installs it there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def missing(what: str, package: str) -> None:
    """Skips, or fails in CI."""
    message = f"{what} is not installed (Debian: apt-get install {package}): what needs it was NOT tested"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class RedisServer:
    """A redis-server without persistence. It can be killed, paused, and started again on the same port."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        options = {
            "port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": tempfile.gettempdir(),
        }  # fmt: skip
        command = [self._program, *(word for name, value in options.items() for word in (f"--{name}", value))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1.0) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(5) == b"+PONG":
                        return process
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        """At once, with everything that it had."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """An empty one, on the same port."""
        self.process = self._begin()

    def pause(self) -> None:
        """It accepts connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again."""
        self.process.send_signal(signal.SIGCONT)


def redis_server() -> RedisServer:
    """A server, or a skip."""
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server", "redis-server")
    return RedisServer(str(program))


def postgres_programs() -> Path | None:
    """Where initdb and postgres are; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class PostgresServer:
    """A PostgreSQL that trusts this host. It can be killed, and started again on the same port with what it had."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.directory = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
        self._before: list[str] = []
        if os.getuid() == 0:  # which it refuses
            shutil.chown(self.directory, "nobody")
            self._before = ["setpriv", "--reuid=nobody", "--clear-groups", "--"]
        self._environ = {**os.environ, "LC_ALL": "C", "HOME": str(self.directory)}
        self.port = free_port()
        self._do("initdb", "-D", "data", "-U", "gateway", "--auth=trust", "-N", "-E", "UTF8")
        self.process = self._begin()

    @property
    def url(self) -> str:
        """One empty database."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """Another empty database's URL."""
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gateway", name)
        return self.database(name)

    def kill(self) -> None:
        """At once, with every connection, as a crash would."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def restart(self) -> None:
        """The same one again."""
        self.process = self._begin()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _do(self, program: str, *words: str) -> None:
        command = [*self._before, str(self._programs / program), *words]
        subprocess.run(command, check=True, capture_output=True, env=self._environ, cwd=self.directory)

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [*self._before, str(self._programs / "postgres"), "-D", "data", "-p", str(self.port)]
        command += ["-k", str(self.directory), "-h", "127.0.0.1", "-F", "-c", "max_connections=60"]
        path = self.directory / "log"
        with path.open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environ, cwd=self.directory)
        _until_ready(process, path)
        return process


def postgres_server() -> PostgresServer:
    """A server, or a skip."""
    programs = postgres_programs()
    if programs is None:
        missing("PostgreSQL", "postgresql")
    assert programs is not None
    return PostgresServer(programs)


def _until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while "ready to accept connections" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.05)
