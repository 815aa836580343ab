"""A stage: the server's own application around one configuration, and for each test a world that nothing came before.

The file is compiled once for its routes to be looked at, and again for each world, with a state of its own, as a server
that starts compiles it. A world differs from a worker in what comes from outside, and in nothing else: the clock and
chance are given, upstreams are scripted, what a credential signs is a mark that tells lanes apart, and keys have secrets
that are known here.
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
from gateway.engine.stores import size_of
from gateway.events import Event, Finished
from gateway.rehearsal.request import Outgoing
from gateway.rehearsal.upstreams import LANE, Sent, Upstreams
from gateway.rehearsal.virtual import VirtualLoop
from gateway.routing.node import Target, targets
from gateway.routing.run import Tools
from gateway.server.app import make_app
from gateway.server.caching import Caches
from gateway.server.loopback import Loopback, Reply
from gateway.server.serving import Serving
from gateway.state.pool import StatePool
from gateway.store.memory import Memory

T = TypeVar("T")

LONGEST: Final = 86400.0  # virtual seconds after which an answer will never come
_ROUNDS: Final = 32  # of the loop, in which what follows an answer is done


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request. `reply` None: none ever came. `seconds` are virtual."""

    reply: Reply | None
    finished: Finished | None
    sent: tuple[Sent, ...]
    seconds: float
    events: tuple[Event, ...]


class World:
    """What one test has to itself. `wall` of its beginning: seconds since the epoch."""

    def __init__(self, stage: Stage, wall: float, seed: int) -> None:
        self._stage = stage
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self.events: list[Event] = []
        self.pool = StatePool(Memory(clock=self.wall, size=size_of(stage.config)))
        self.engine = stage.compiled(self.pool)
        self.upstreams = Upstreams(stage.targets, asyncio.sleep, self.clock)
        self.tools = Tools(
            send=self.upstreams,
            clock=self.clock,
            wall=self.wall,
            sleep=asyncio.sleep,
            random=Random(seed),  # noqa: S311 - what is drawn must come again
            emit=self.events.append,
        )

    def clock(self) -> float:
        """Monotonic seconds; a process has been up for a while when it is first asked."""
        return self._loop.time() + 1000.0

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._wall + self._loop.time()

    async def ask(self, request: Outgoing) -> Happened:
        """One request, and everything that came of it by the time its answer had come."""
        began, events, sent = self._loop.time(), len(self.events), len(self.upstreams.sent)
        reply: Reply | None = None
        took = LONGEST
        try:
            async with asyncio.timeout(LONGEST):
                reply = await self._stage.door.ask("POST", request.path, request.headers, request.body, request.peer)
            took = self._loop.time() - began
        except TimeoutError:
            pass
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        new = tuple(self.events[events:])
        return Happened(
            reply=reply,
            finished=next((event for event in new if isinstance(event, Finished)), None),
            sent=tuple(self.upstreams.sent[sent:]),
            seconds=took,
            events=new,
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
            tools=Tools(
                send=_nobody, clock=lambda: 0.0, wall=lambda: 0.0, sleep=asyncio.sleep, random=Random(0), emit=_nothing
            ),
            pool=StatePool(),
            store=lambda: self._serving.pool.store,
            ask_metrics=_silence,
            ask_reload=_silence,
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
        world = World(self, wall, seed)
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


async def _nobody(request: object) -> Any:
    raise RuntimeError("nothing is sent outside of a world")


async def _silence() -> bytes:
    return b"[]"


def _nothing(event: Event) -> None:
    """Nobody listens."""
