"""A whole gateway on free ports, as a person would start it, in front of sandbox upstreams that listen."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.serve import Upstream, start
from tests.nursery import Gateway, nursery
from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server

gc.disable()  # ten thousand tests are collected, and stay: to look for cycles among them takes longer than to make them


def pytest_collection_finish() -> None:
    """What was collected is never looked at again."""
    gc.freeze()
    gc.enable()


KEY = "sk-test-0123456789abcdef"
ADMIN = "sk-admin-0123456789abcdef"


class Running:
    """A gateway process, `forked` or a program. `write` replaces its file as an editor would; `health` is what it says
    of itself."""

    def __init__(self, directory: Path, text: str, files: dict[str, str] | None = None, *, forked: bool = True) -> None:
        self.directory = directory
        self.text = text
        for name, content in (files or {}).items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(content)
        self.file = directory / "router.yaml"
        if text:  # else the file is there already
            self.write(text)
        self.log = directory / "gateway.log"
        self._sink = self.log.open("w")
        environ = {**os.environ, "CALLER_KEY": KEY, "ADMIN_KEY": ADMIN}
        arguments = ["serve", "--config", str(self.file)]
        self.process: Gateway | subprocess.Popen[bytes]
        if forked:
            self.process = nursery().begin(arguments, environ, directory, self._sink)
        else:
            command = [sys.executable, "-m", "gateway", *arguments]
            self.process = subprocess.Popen(command, stderr=self._sink, env=environ, cwd=directory)
        self.url = self._wait_for_url()

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            match = re.search(r"url=(http://\S+)", self.log.read_text())
            if match is not None:
                return match[1]
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway exited with {self.process.returncode}:\n{self.log.read_text()}")
            time.sleep(0.02)
        raise RuntimeError(f"the gateway did not start:\n{self.log.read_text()}")

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def write(self, text: str) -> None:
        """Replaces the file in one step."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            return json.loads(response.read())

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/health")
        return found

    def wait(self, condition: Any, seconds: float = 15.0) -> dict[str, Any]:
        """Waits until /health satisfies a condition."""
        deadline = time.monotonic() + seconds
        while True:
            health = self.health()
            if condition(health):
                return health
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not come: {health}\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._sink.close()
        return code


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A sandbox that listens, in the loop of the test."""
    server = await start()
    yield server
    await server.close()
    await asyncio.sleep(0)


@pytest.fixture(scope="module")
def standing_upstream() -> Iterator[Upstream]:
    """A sandbox that listens for all tests of a module, in a thread and a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@contextmanager
def launching(place: Path) -> Iterator[Callable[..., Running]]:
    """Starts gateways, each in a directory of its own; all are stopped at the end, and none may have raised."""
    started: list[Running] = []

    def begin(text: str, files: dict[str, str] | None = None, *, forked: bool = True) -> Running:
        directory = place / str(len(started))
        directory.mkdir()
        running = Running(directory, text, files, forked=forked)
        started.append(running)
        return running

    yield begin
    for running in started:
        running.stop()
        log = running.log.read_text()
        assert "Traceback" not in log, log


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Any]:
    """Starts gateways of one test."""
    with launching(tmp_path) as begin:
        yield begin


@pytest.fixture(scope="module")
def launch_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Starts gateways that all tests of a module ask: for those that leave nothing behind which another could see."""
    with launching(tmp_path_factory.mktemp("standing")) as begin:
        yield begin


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis that stays up for the whole session; whoever shares it takes a prefix of its own."""
    server = redis_server()
    yield server.url
    server.kill()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of this test alone: it may be killed and paused."""
    server = redis_server()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that stays up for the whole session; whoever shares it takes a database of its own."""
    server = postgres_server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_url(shared_postgres: PostgresServer) -> str:
    """Its first database; whoever uses it takes a schema of its own."""
    return shared_postgres.url


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test alone: it may be killed."""
    server = postgres_server()
    yield server
    server.close()


def refused_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
