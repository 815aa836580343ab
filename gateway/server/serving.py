"""What the handlers share: the Engine in force, the tools of routing, and the way to the supervisor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from gateway.config.model import Config
from gateway.config.refs import Secrets
from gateway.config.written import Places
from gateway.engine.engine import Engine
from gateway.engine.live import Live
from gateway.routing.run import Tools
from gateway.server.caching import Caches
from gateway.server.recording import Recording
from gateway.state.health import Health
from gateway.state.pool import StatePool
from gateway.store.contract import Store

REMEMBERED: Final = 4


class Running(NamedTuple):
    """What an Engine was compiled from."""

    config: Config
    secrets: Secrets
    places: Places


class Serving:
    """One per worker. `status` is what the supervisor last said for /health; `draining` ends keep-alive.

    `state` says where shared state is, and whether it can be reached.
    `ask_metrics` gives a msgpack list of snapshots; `ask_change` what came of a change that an
    operator wants (what, who, to: see `channel.AskChange`), as JSON.
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
        ask_change: Callable[[str, str, str], Awaitable[bytes]],
        on_swap: Callable[[Engine], None] = lambda engine: None,
    ) -> None:
        self.live = live
        self.tools = tools
        self.caches = Caches(store, tools)
        self.state = state
        self.ask_metrics = ask_metrics
        self.ask_change = ask_change
        self.on_swap = on_swap
        self.status: dict[str, Any] = {}
        self.draining = False
        self.pool = pool
        self.health: Health | None = None  # where it is shared
        self.recording: Recording | None = None  # the ledger
        self.running: dict[str, Running] = {}  # by revision
        self.records = False  # whether events carry what a ledger would want, though there is none

    def remember(self, revision: str, running: Running) -> None:
        """A revision is compiled. The last few are remembered: those in force, and one that may be."""
        self.running.pop(revision, None)
        self.running[revision] = running
        while len(self.running) > REMEMBERED:
            del self.running[next(iter(self.running))]

    def swapped(self, engine: Engine) -> None:
        """A new Engine is in force."""
        self.caches.bound(engine.caching)
        self.on_swap(engine)
