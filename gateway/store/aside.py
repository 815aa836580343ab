"""A thread of its own for work that blocks, so that no event loop ever does.

What is asked is done in order. Whoever waits too long is told `StoreDown`, and what it asked for is left out where it
has not begun; what has begun ends by itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from gateway.store.contract import StoreDown

T = TypeVar("T")


class _Work(Generic[T]):
    __slots__ = ("future", "loop", "work")

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()

    def run(self) -> None:
        if self.future.cancelled():
            return
        try:
            result = self.work()
        except Exception as error:
            self._tell(self._fail, error)
        else:
            self._tell(self._settle, result)

    def _tell(self, how: Callable[[Any], None], what: object) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(how, what)

    def _settle(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Aside:
    """See the module. The thread begins with the first work and never keeps the process alive."""

    def __init__(self, name: str, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._queue: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises StoreDown where it takes too long."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        asked = _Work(work)
        self._queue.put(asked)
        try:
            async with asyncio.timeout(self._patience):
                return await asked.future
        except TimeoutError:
            raise StoreDown(f"{self._name} did not answer within {self._patience:g}s") from None

    def close(self) -> None:
        """Ends the thread after what was asked before."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread = None

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work.run()
