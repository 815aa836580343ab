"""A process that takes units from a shared store as fast as it can, as one of several.

    python -m tests.store.taking WHERE WINDOW LIMIT SECONDS

WHERE is a directory, or a Redis' URL and a prefix. It says "ready", waits for a line, takes for so many seconds, and
prints the times of its takes as JSON. It imports little: many of it are started.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from gateway.state.meters import Fixed, Meters, Sliding, Window
from gateway.store.contract import Store
from gateway.store.disk import Disk

TOTAL = Fixed("total", float("inf"))
WINDOWS: dict[str, Window] = {"fixed": TOTAL, "sliding": Sliding(3600.0), "short": Sliding(2.0)}


def opened(where: str) -> Store:
    """The store that a place names."""
    if where.startswith("redis://"):
        from gateway.store.redis import Redis

        url, _, prefix = where.partition(" ")
        return Redis(url, prefix, patience=5.0)
    return Disk(Path(where), patience=5.0)


async def take(where: str, window: str, limit: int, seconds: float) -> None:
    """Takes as fast as it can; tells when each was taken. Who is refused asks again after 20 ms: 20 at a time are still
    ten times as many as any limit here admits."""
    store = opened(where)
    meters = Meters(store)
    meter = meters.meter("k", limit, lambda now: WINDOWS[window])
    taken: list[float] = []
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.time() + seconds

    async def worker() -> None:
        while time.time() < end:
            before = time.time()
            if await meters.take([(meter, 1)]) is None:
                taken.append(before)
            else:
                await asyncio.sleep(0.02)

    await asyncio.gather(*(worker() for _ in range(20)))
    await meters.close()
    await store.close()
    print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
