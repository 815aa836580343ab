"""A stage: the server's own application around one configuration, and for each test a world that nothing came before.

The file is compiled once for its routes to be looked at, and again for each world with a state of its own, as a server
that starts compiles it. A world differs from a worker in what comes from outside, and in nothing else: clock and chance
are given, upstreams are scripted, lanes carry a mark in place of what a signer adds, and keys have secrets that are
known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from hashlib import sha256
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from gateway.config.load import Loaded
from gateway.config.model import Config
from gateway.engine.access import Keyring
from gateway.engine.build import build
from gateway.engine.engine import Engine
from gateway.engine.live import Live
from gateway.engine.virtual import VirtualLoop
from gateway.events import ignore
from gateway.rehearsal.upstreams import LANE
from gateway.rehearsal.world import World
from gateway.routing.node import Target, targets
from gateway.routing.run import Tools
from gateway.server.app import make_app
from gateway.server.caching import Caches
from gateway.server.loopback import Loopback
from gateway.server.serving import Serving
from gateway.state.pool import StatePool

T = TypeVar("T")


async def _nobody(request: object) -> Any:
    raise RuntimeError("nothing is sent outside of a world")


IDLE: Final = Tools(
    send=_nobody,
    clock=lambda: 0.0,
    wall=lambda: 0.0,
    sleep=asyncio.sleep,
    random=Random(0),  # noqa: S311 - nothing is drawn
    emit=ignore,
)


class Stage:
    """One configuration, ready to be rehearsed. It must be good: `loaded` has no errors."""

    def __init__(self, loaded: Loaded) -> None:
        if loaded.config is None:
            raise ValueError("there is no configuration to rehearse")
        self.loaded = loaded
        self.config: Config = loaded.config
        self.targets: dict[str, Target] = {}
        self.engine = self.compiled(StatePool())
        live = Live()
        live.swap(self.engine)
        self._serving = Serving(
            live=live,
            tools=IDLE,
            pool=StatePool(),
            store=lambda: self._serving.pool.store,
            ask_metrics=_silence,
            ask_change=lambda what, who, to: _silence(),
        )
        self._serving.records = True
        self.door = Loopback(make_app(self._serving))

    def secret(self, key: str) -> str:
        """The secret of a key on this stage."""
        return f"rehearsal-{key}"

    def run(self, play: Callable[[World], Coroutine[Any, Any, T]], *, wall: float, seed: int) -> T:
        """Plays in a world of its own, on a clock of its own."""
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(self._played(play, wall, seed))

    async def _played(self, play: Callable[[World], Coroutine[Any, Any, T]], wall: float, seed: int) -> T:
        world = World(self.config, self.targets, self.compiled, self.door, wall, seed)
        serving = self._serving
        serving.live.swap(world.engine)
        serving.pool, serving.tools = world.pool, world.tools
        serving.caches = Caches(lambda: world.pool.store, world.tools)
        serving.swapped(world.engine)
        return await play(world)

    def compiled(self, pool: StatePool) -> Engine:
        """The Engine with a state, its lanes marked and its keys' secrets known."""
        engine = build(self.config, self.loaded.secrets, pool, revision=self.loaded.revision)
        lanes = engine.runtime.lanes
        for name, each in lanes.items():
            lanes[name] = tuple(
                msgspec.structs.replace(
                    lane, headers=(*lane.headers, (LANE, f"{name}\0{lane.credential}")), signer=None
                )
                for lane in each
            )
        if not self.targets:
            reached = (*engine.routes.values(), *(pattern.route for pattern in engine.patterns))
            self.targets.update({target.lanes: target for route in reached for target in targets(route.node)})
        callers = {}
        for caller in engine.keyring.callers.values():
            digest = sha256(self.secret(caller.name).encode()).digest()
            callers[digest] = msgspec.structs.replace(caller, digest=digest)
        return msgspec.structs.replace(engine, keyring=Keyring(open=engine.keyring.open, callers=callers))


async def _silence() -> bytes:
    return b"[]"
