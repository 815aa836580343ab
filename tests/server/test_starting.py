"""How processes begin and end: `gateway serve` as a program, its first workers as forks, later ones as programs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.server.starting import Forked
from tests.conftest import Running
from tests.server.test_reload import children_of

CONFIG = """
version: 1
gateway: {{listen: "{listen}", workers: 2, auth: open, drain: 5s}}
providers: {{sandbox: {{}}}}
models: {{m: {{provider: sandbox}}}}
"""


def config(listen: str = "127.0.0.1:0") -> str:
    return CONFIG.format(listen=listen)


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_first_workers_are_forks_and_later_ones_programs(launch: Any) -> None:
    gateway = launch(config(), forked=False)
    first = children_of(gateway.process.pid)
    assert len(first) == 2
    assert all(command_of(pid) == command_of(gateway.process.pid) for pid in first)
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: later_of(gateway, first))
    assert len(later_of(gateway, first)) == 1
    gateway.wait(lambda health: health["workers"] == 2)
    log = gateway.log.read_text()
    assert "a worker died; starting another" in log and "exit=-9" in log
    last = children_of(gateway.process.pid)
    assert gateway.stop() == 0
    assert all(gone(pid) for pid in (*first, *last))


def later_of(gateway: Running, first: list[int]) -> list[int]:
    """The workers that are not of the first, and are programs by now."""
    new = [pid for pid in children_of(gateway.process.pid) if pid not in first]
    return [pid for pid in new if "gateway.server.worker" in command_of(pid)]


@pytest.mark.parametrize("forked", [False, True])
def test_workers_end_with_their_supervisor(launch: Any, forked: bool) -> None:
    """None holds what tells another that the supervisor is gone."""
    gateway = launch(config(), forked=forked)
    workers = children_of(gateway.process.pid)
    assert len(workers) == 2
    os.kill(gateway.process.pid, signal.SIGKILL)
    assert gateway.process.wait(10) == -signal.SIGKILL
    wait_until(lambda: all(gone(pid) for pid in workers))


def test_an_address_that_another_has_is_not_shared(launch: Any) -> None:
    gateway = launch(config(), forked=False)
    with pytest.raises(RuntimeError, match="exited with 1") as caught:
        launch(config(f"127.0.0.1:{gateway.port}"), forked=False)
    assert "gateway: cannot serve: " in str(caught.value)
    assert gateway.health()["workers"] == 2


def test_a_fork_is_waited_for_as_long_as_is_said() -> None:
    child = subprocess.Popen(["sleep", "60"])
    fork = Forked(child.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.05)
    fork.kill()
    assert (fork.wait(10), fork.wait()) == (-signal.SIGKILL, -signal.SIGKILL), "by whoever asks"
    fork.kill()  # its number may be another's by now
    child.wait()  # for what was waited for already
