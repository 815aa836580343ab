"""An event loop whose time is virtual: it never waits, and when nothing is ready its clock jumps to the next timer.

What is awaited on it must be timers and what they lead to; a thread or a socket has no place here. A day of virtual
time costs as much as the work that is done in it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(RuntimeError):  # noqa: N818 - it says what the loop is
    """A task waits for what nobody does: there is no timer, and nothing is ready."""


class _Impatient(selectors.SelectSelector):
    """A selector that notes how long it was to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise Stuck("nothing will ever happen: a task waits for what nobody does")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is seconds of the virtual clock, which begins at 0."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.now

    def begin(self, now: float) -> None:
        """Sets the clock, while nothing runs."""
        self._impatient.now = now


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a virtual clock. Raises `Stuck`, and what it raises."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
