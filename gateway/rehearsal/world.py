"""What one test has to itself: an Engine with fresh state, a clock, chance, upstreams; and what is then true of them.

Time is that of the virtual loop that it is made on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Final

import msgspec

from gateway.config.model import Config
from gateway.config.model_tests import Given
from gateway.engine.engine import Engine
from gateway.engine.stores import size_of
from gateway.events import Event, Finished
from gateway.rehearsal.request import Outgoing
from gateway.rehearsal.upstreams import Sent, Upstreams
from gateway.routing.allowances import Budget
from gateway.routing.node import Target
from gateway.routing.run import Tools
from gateway.routing.runtime import Lane
from gateway.routing.spending import Spending
from gateway.server.loopback import Loopback, Reply
from gateway.state.pool import StatePool
from gateway.store.memory import Memory

LONGEST: Final = 86400.0  # virtual seconds after which an answer will never come
UP: Final = 1000.0  # seconds on the clock of a process at its beginning: it never reads 0
_ROUNDS: Final = 32  # of the loop, in which what follows an answer is done
_NANO: Final = 10**9


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request. `reply` None: none ever came. `seconds` are virtual."""

    reply: Reply | None
    finished: Finished | None
    sent: tuple[Sent, ...]
    seconds: float
    events: tuple[Event, ...]


NOTHING: Final = Happened(reply=None, finished=None, sent=(), seconds=0.0, events=())


class World:
    """See the module. `targets`: by the key of their lanes; `wall`: seconds since the epoch at its beginning."""

    def __init__(
        self,
        config: Config,
        targets: Mapping[str, Target],
        compiled: Callable[[StatePool], Engine],
        door: Loopback,
        wall: float,
        seed: int,
    ) -> None:
        self._config = config
        self._targets = targets
        self._door = door
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self.events: list[Event] = []
        self.pool = StatePool(Memory(clock=self.wall, size=size_of(config)))
        self.engine = compiled(self.pool)
        self.upstreams = Upstreams(targets, asyncio.sleep, self.clock)
        self.tools = Tools(
            send=self.upstreams,
            clock=self.clock,
            wall=self.wall,
            sleep=asyncio.sleep,
            random=Random(seed),  # noqa: S311 - what is drawn must come again
            emit=self.events.append,
        )

    def clock(self) -> float:
        """Monotonic seconds."""
        return self._loop.time() + UP

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
                reply = await self._door.ask("POST", request.path, request.headers, request.body, request.peer)
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

    @property
    def passed(self) -> float:
        """Virtual seconds so far."""
        return self._loop.time()

    def give(self, given: Given) -> None:
        """Makes true what was before the first request. The names in it have been checked."""
        now, runtime = self.clock(), self.engine.runtime
        for name, seconds in given.resting.items():
            for lane in self._lanes(name):
                lane.own.open_for(now, seconds, "overloaded")
        for name, count in given.busy.items():
            for target in self._named(name):
                runtime.loads[target.lanes].count = count
        for name, seconds in given.latency.items():
            for target in self._named(name):
                latency = runtime.latency_of(target)
                if latency is not None:
                    latency.measured(seconds, True, now)
                    latency.measured(seconds, False, now)
        for name, shares in given.spent.items():
            for whose, money in shares.items():
                spending, budget = self._budget(name)
                spending.purse(budget, whose)[2].charge(round(money.amount * _NANO))

    async def spent(self, budget: str, whose: str) -> int:
        """Nano-dollars that are used of a budget, or of one's share of it."""
        spending, found = self._budget(budget)
        return (await spending.used([(found, whose)]))[0]

    def breaker(self, name: str) -> str:
        """How the breakers of a model stand: as those of the credential that is best off."""
        now = self.clock()
        states = [
            max(_STATES.index(each.snapshot(now).state) for each in (lane.own, lane.whole))
            for lane in self._lanes(name)
        ]
        return _STATES[min(states, default=0)]

    def meaning(self, name: str) -> str:
        """The model or combo at the end of a chain of aliases."""
        aliases = self._config.aliases
        while name in aliases:
            name = aliases[name]
        return name

    def named(self, name: str, target: str) -> bool:
        """Whether a name of a test stands for this target."""
        name = self.meaning(name)
        return target == name or (target.rpartition("@")[0] == name and name in self._config.models)

    def _named(self, name: str) -> Iterable[Target]:
        return [target for target in self._targets.values() if self.named(name, target.name)]

    def _lanes(self, name: str) -> Iterable[Lane]:
        return [lane for target in self._named(name) for lane in self.engine.runtime.lanes_of(target)]

    def _budget(self, name: str) -> tuple[Spending, Budget]:
        gate = self.engine.runtime.gate
        spending = gate.spending if gate is not None else None
        if spending is None:
            raise LookupError(name)
        return spending, next(budget for budget in spending.rules.budgets if budget.name == name)


_STATES: Final = ("closed", "half-open", "open")
