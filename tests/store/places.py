"""The stores that a contract is tried on, each with a clock that the test moves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.store.contract import Store
from gateway.store.disk import Disk
from gateway.store.memory import Memory
from gateway.store.redis import Redis

START = 1_800_000_000.0


class Clock:
    """Seconds since the epoch."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class TimedRedis(Redis):
    """A Redis whose scripts take the time from a test's clock."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, f"test-{uuid.uuid4().hex}:", patience=5.0)
        self._clock = clock

    async def now(self) -> float:
        return self._clock()

    async def _run(self, script: str, keys: Sequence[str], words: Sequence[str | bytes]) -> Any:
        assert "redis.call('TIME')" in script
        told = script.replace("redis.call('TIME')", f"{{'{self._clock():.6f}', '0'}}")
        async with self._told():
            return await self._client.eval(told, len(keys), *keys, *words)


def place(kind: str, clock: Clock, directory: Path, url: Callable[[], str]) -> Store:
    """A new, empty store."""
    match kind:
        case "memory":
            return Memory(clock)
        case "disk":
            return Disk(directory / uuid.uuid4().hex, clock, patience=5.0)
        case "redis":
            return TimedRedis(url(), clock)
    raise ValueError(kind)
