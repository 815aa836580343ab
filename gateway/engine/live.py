"""The Engine in force, and those that still finish what they began.

A request pins the Engine it starts with; a pin is a count. Swapping is one assignment; the old Engine, and with it
the state that nothing else uses, goes when its last pin does.

Beside the Engine in force another may be tried out: it is pinned by a share of the sessions, until it is withdrawn.
Which sessions is decided in `canary.py`.
"""

from __future__ import annotations

from gateway.engine.canary import falls_to
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
        self._tried: Pin | None = None
        self._share = 0.0
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

    @property
    def tried(self) -> Engine | None:
        """The Engine that is tried out, None where none is."""
        return self._tried.engine if self._tried is not None else None

    def pin_for(self, session: str) -> Pin:
        """Takes the Engine that serves a session, by what that is called; `release` is owed."""
        tried = self._tried
        if tried is None or not falls_to(tried.engine.revision, self._share, session):
            return self.pin()
        tried.count += 1
        return tried

    def release(self, pin: Pin) -> None:
        """Gives a pin back."""
        pin.count -= 1
        if pin.count == 0 and pin is not self._current and pin is not self._tried:
            self._draining.remove(pin)

    def swap(self, engine: Engine) -> None:
        """Puts an Engine in force for every request that begins from now on."""
        old = self._current
        self._current = Pin(engine)
        if old is not None and old.count:
            self._draining.append(old)

    def try_out(self, engine: Engine, share: float) -> None:
        """Lets an Engine serve `share` (0 to 1) of the sessions beside the one in force, in place of any other."""
        self.withdraw()
        self._tried, self._share = Pin(engine), share

    def withdraw(self) -> None:
        """Ends a trial: whoever begins from now on is served by the Engine in force."""
        tried, self._tried = self._tried, None
        if tried is not None and tried.count:
            self._draining.append(tried)

    def pins(self) -> list[tuple[str, int]]:
        """(revision, requests) of the Engine in force, of one that is tried out and of those that drain."""
        held = [*self._draining] + [pin for pin in (self._tried, self._current) if pin is not None]
        return [(pin.engine.revision, pin.count) for pin in held]
