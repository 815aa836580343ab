"""An event loop whose time stands still while there is anything to do, and jumps to the next timer when there is not.

Sockets are real, time is not: `asyncio.sleep`, time-outs and `loop.time()` count virtual seconds from 0. That holds as
long as everything that talks is on this one loop and on this host, where what one side has sent the other can read
already; `GRACE` real seconds are given to the kernel all the same before time passes. Work in threads would be jumped
over: there must be none.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any, Final

GRACE: Final = 0.001
TICK: Final = 1e-7  # virtual seconds that each turn of the loop takes: a remainder of nothing at all is waited for, too


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now


class _Jumping(selectors.BaseSelector):
    """The platform's selector; a wait that no socket ends is not waited for."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.now += TICK
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        found = self._real.select(GRACE)
        if not found:
            self._loop.now += timeout
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
