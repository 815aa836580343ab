"""The Engine in force, and those that still finish what they began.

A request pins the Engine it starts with; a pin is a count. Swapping is one assignment; the old Engine, and with it
the state that nothing else uses, goes when its last pin does.
"""

from __future__ import annotations

from gateway.engine.engine import Engine


class Pin:
    """One Engine with the number of requests that hold it."""

    __slots__ = ("count", "engine")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.count = 0


class Live:
    """Owned by one event loop. `current` is None until the first commit."""

    def __init__(self) -> None:
        self._current: Pin | None = None
        self._draining: list[Pin] = []

    @property
    def engine(self) -> Engine:
        """The Engine in force. Raises RuntimeError before the first swap."""
        if self._current is None:
            raise RuntimeError("no configuration is in force yet")
        return self._current.engine

    def pin(self) -> Pin:
        """Takes the Engine in force for one request; `release` is owed."""
        current = self._current
        if current is None:
            raise RuntimeError("no configuration is in force yet")
        current.count += 1
        return current

    def release(self, pin: Pin) -> None:
        """Gives a pin back."""
        pin.count -= 1
        if pin.count == 0 and pin is not self._current:
            self._draining.remove(pin)

    def swap(self, engine: Engine) -> None:
        """Puts an Engine in force for every request that begins from now on."""
        old = self._current
        self._current = Pin(engine)
        if old is not None and old.count:
            self._draining.append(old)

    def pins(self) -> list[tuple[str, int]]:
        """(revision, requests) of the Engine in force and of those that drain, for metrics."""
        held = [*self._draining] + ([self._current] if self._current is not None else [])
        return [(pin.engine.revision, pin.count) for pin in held]
