"""A PostgreSQL of the tests' own: started in a new directory, stopped, killed and started again at one port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
BIN = FOUND[-1].parent if FOUND else None
USER = "postgres" if os.geteuid() == 0 else None  # PostgreSQL does not run as root


class Postgres:
    """A running server; `url` has no password: it trusts this host."""

    def __init__(self) -> None:
        assert BIN is not None
        self._bin = BIN
        self.directory = Path(tempfile.mkdtemp(prefix="pg-"))
        if USER is not None:
            shutil.chown(self.directory, USER)
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port: int = sock.getsockname()[1]
        self._do("initdb", "-D", "data", "-A", "trust", "-U", "postgres", "--no-sync")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """A new database's URL."""
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return self.database(name)

    def start(self) -> None:
        settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self.directory}", "fsync=off")
        command = [str(self._bin / "postgres"), "-D", "data", "-p", str(self.port)]
        for setting in settings:
            command += ["-c", setting]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, stderr=log, stdout=log, user=USER)
        deadline = time.monotonic() + 20
        while self._ready() != 0:
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """As a crash would: every process at once, nothing is written any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ready(self) -> int:
        command = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode

    def _do(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(self._bin / program), *words], cwd=self.directory, user=USER, check=True, stdout=subprocess.DEVNULL
        )
