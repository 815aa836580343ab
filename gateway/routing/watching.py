"""Whoever reads the log learns how far a budget is used: once in each window for each part that the file names.

This worker remembers what it has said; whether another one said it before is asked of the store, after the request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.events import BudgetReached
from gateway.routing.allowances import Budget
from gateway.state.meters import Meters, Standing

if TYPE_CHECKING:
    from gateway.routing.run import Tools

KEPT: Final = 4096  # counters that a worker remembers
_LONGEST: Final = 40 * 86400.0  # seconds for which the store remembers what was said


class Watch:
    """One per Engine and worker."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._said: dict[str, tuple[str, float]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def say(
        self, budget: Budget, whose: str, key: str, window: str, reached: float, standing: Standing, tools: Tools
    ) -> None:
        """Says how far a budget is used, where that is news. `key` is its counter's, `window` names the one that runs,
        `reached` is the largest of the named parts that is used."""
        before, said = self._said.get(key, ("", 0.0))
        if before == window and reached <= said:
            return
        if len(self._said) >= KEPT:
            self._said.clear()
        self._said[key] = (window, reached)
        event = BudgetReached(budget.name, whose, reached, standing.limit - standing.left, standing.limit)
        word = f"said:{key}:{window}:{reached:g}"
        ttl = min(max(standing.resets, 60.0), _LONGEST)
        task = asyncio.get_running_loop().create_task(self._say(word, ttl, event, tools))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _say(self, word: str, ttl: float, event: BudgetReached, tools: Tools) -> None:
        if await self._meters.first(word, ttl):
            tools.emit(event)
