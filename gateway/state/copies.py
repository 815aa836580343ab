"""Copies of requests that run in the background of this worker: how many may, and what became of those that might not.

They belong to no client: they go on when it leaves, and end with the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

MOST: Final = 16  # at one time, in one worker


class Copies:
    """One per process. `running` are those under way, `dropped` counts those for which there was no place."""

    __slots__ = ("dropped", "running")

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self.dropped = 0

    def place(self) -> bool:
        """Whether another may begin now; where not, it counts as dropped."""
        if len(self.running) < MOST:
            return True
        self.dropped += 1
        return False

    def begin(self, copy: Coroutine[Any, Any, None]) -> None:
        """Starts one that was given a place."""
        task = asyncio.get_running_loop().create_task(copy)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def stop(self) -> None:
        """Ends all of them; for the end of the worker."""
        running = list(self.running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
