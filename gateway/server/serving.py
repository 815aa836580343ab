"""What the handlers share: the Engine in force, the tools of routing, and the way to the supervisor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.engine.engine import Engine
from gateway.engine.live import Live
from gateway.routing.run import Tools
from gateway.server.caching import Caches
from gateway.server.recording import Recording
from gateway.state.health import Health
from gateway.state.pool import StatePool
from gateway.store.contract import Store


class Serving:
    """One per worker. `status` is what the supervisor last said for /health; `draining` ends keep-alive.

    `state` says where shared state is, and whether it can be reached.
    `ask_metrics` gives a msgpack list of snapshots; `ask_reload` the outcome of a reload, as JSON.
    """

    def __init__(
        self,
        *,
        live: Live,
        tools: Tools,
        pool: StatePool,
        store: Callable[[], Store | None] = lambda: None,
        state: Callable[[], dict[str, Any]] = dict,
        ask_metrics: Callable[[], Awaitable[bytes]],
        ask_reload: Callable[[], Awaitable[bytes]],
        on_swap: Callable[[Engine], None] = lambda engine: None,
    ) -> None:
        self.live = live
        self.tools = tools
        self.caches = Caches(store, tools)
        self.state = state
        self.ask_metrics = ask_metrics
        self.ask_reload = ask_reload
        self.on_swap = on_swap
        self.status: dict[str, Any] = {}
        self.draining = False
        self.pool = pool
        self.health: Health | None = None  # where it is shared
        self.recording: Recording | None = None  # the ledger
        self.records = False  # whether events carry what a ledger would want, though there is none

    def swapped(self, engine: Engine) -> None:
        """A new Engine is in force."""
        self.caches.bound(engine.caching)
        self.on_swap(engine)
