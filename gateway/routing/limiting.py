"""Limits bound to their counters: what is taken together, waiting in line, and the words of a refusal.

A `Tab` is all limits that one request, or one send, is under. Taking from its sheet is all or nothing and asks nobody
while this worker has leased enough; where it `may_wait`, `Limits.may` is asked before, and its line is nudged whenever
something was given back. `Limits.take` is the way that may wait: for the store, for a session's place, in line.
Who waits in a line is served in the order of arrival, and nobody passes by while somebody waits; whoever leaves
(its task is cancelled) is forgotten at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.routing.allowances import SESSION, Allowance, Limit, Rules, counter
from gateway.routing.facts import Facts
from gateway.routing.telling import told
from gateway.state.calendars import Calendar, held, rolling
from gateway.state.meters import Meter, Meters, Short, Window
from gateway.state.sheets import Sheet

if TYPE_CHECKING:
    from gateway.routing.run import Tools
    from gateway.routing.sending import Job

KEPT: Final = 4096  # tabs, counters of users, and sessions that a worker remembers
POLL: Final = 0.25  # seconds between two looks of the first in line, where a place may come free on another worker
FOREVER: Final = 366 * 86400.0  # seconds: nobody is told to come back after these
SEEN: Final = 60.0  # seconds for which a session that was here is known to be present


class Full(NamedTuple):
    """What refused. `retry_after` is None where nobody can tell."""

    allowance: Allowance
    limit: Limit
    retry_after: float | None


class Line:
    """Who waits for a place, in order; `full` is what the first in line was last told."""

    __slots__ = ("full", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[asyncio.Event] = deque()
        self.full: Full | None = None

    def nudge(self) -> None:
        """A place may have come free."""
        if self.waiting:
            self.waiting[0].set()


class Tab:
    """`once` are taken for good, `held` given back, `tokens` settled: all of them together by `sheet`. `may_wait`: more
    is to be asked than whether there is enough. `told`: of which headers tell."""

    __slots__ = ("held", "line", "may_wait", "of", "once", "queue", "sessions", "sheet", "tokens", "told")

    def __init__(self, bound: Sequence[tuple[Allowance, Limit, Meter | None, str]], line: Line, meters: Meters) -> None:
        self.once = tuple(meter for _, limit, meter, _ in bound if meter is not None and limit.what == "requests")
        self.held = tuple(meter for _, limit, meter, _ in bound if meter is not None and limit.what == "concurrent")
        self.tokens = tuple(meter for _, limit, meter, _ in bound if meter is not None and limit.what == "tokens")
        self.sessions = tuple((allowance, limit, key) for allowance, limit, _, key in bound if limit.what == "sessions")
        self.sheet = Sheet(meters, self.once, self.held, self.tokens)
        self.of = {meter.key: (allowance, limit) for allowance, limit, meter, _ in bound if meter is not None}
        self.told = told([(meter, limit) for _, limit, meter, _ in bound if meter is not None])
        self.queue = max((allowance.queue for allowance, *_ in bound), key=lambda queue: queue[1], default=(0, 0.0))
        self.may_wait = bool(self.sessions or self.queue[0])
        self.line = line

    def full(self, short: Short) -> Full:
        """Whose limit a counter is."""
        return Full(*self.of[short.meter.key], short.retry_after)


class Limits:
    """The limits of one Engine in one worker."""

    def __init__(self, rules: Rules, meters: Meters) -> None:
        self.rules = rules
        self.meters = meters
        self.own: dict[str | None, Tab] = {}  # of keys whose users have no limits of their own
        self._tabs: OrderedDict[tuple[str, ...], Tab | None] = OrderedDict()
        self._lines: dict[str, Line] = {}
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def of_caller(self, facts: Facts) -> Tab | None:
        """The limits of a key, its team, and its user. Whoever asks often asks `own` first."""
        key = facts.key or ""
        users = self.rules.users.get(key)
        name = (key,) if users is None else (key, facts.user or "")
        tab = self._tabs.get(name)
        if tab is None and name not in self._tabs:
            allowances = [(each, "") for each in self.rules.callers.get(key, ())]
            if users is not None:
                allowances.append((users, facts.user or ""))
            tab = self._keep(name, allowances)
        if tab is not None and users is None:
            if len(self.own) >= KEPT:
                self.own.clear()
            self.own[facts.key] = tab
        return tab

    def of_things(self, words: tuple[str, ...]) -> Tab | None:
        """The limits of things, by the words of a target and a lane."""
        if not words:
            return None
        if words in self._tabs:
            return self._tabs[words]
        return self._keep(words, [(self.rules.things[word], "") for word in words])

    def _keep(self, name: tuple[str, ...], allowances: Sequence[tuple[Allowance, str]]) -> Tab | None:
        bound = [
            (allowance, limit, self._meter(limit, whose), counter(limit.key, whose))
            for allowance, whose in allowances
            for limit in allowance.limits
        ]
        tab = Tab(bound, self._line(allowances), self.meters) if bound else None
        self._tabs[name] = tab
        if len(self._tabs) > KEPT:
            self._tabs.popitem(last=False)
        return tab

    def _line(self, allowances: Sequence[tuple[Allowance, str]]) -> Line:
        """Whoever is under the same limit with a queue stands in one line."""
        queued = [allowance.name + whose for allowance, whose in allowances if allowance.queue[0]]
        return self._lines.setdefault(queued[0], Line()) if queued else Line()

    def _meter(self, limit: Limit, whose: str) -> Meter | None:
        if limit.what == "sessions":
            return None
        return self.meters.meter(counter(limit.key, whose), limit.most, _window(limit))

    def may(self, tab: Tab, job: Job, now: float) -> bool:
        """Whether a tab that `may_wait` can be taken from: nobody is in line, and the session is known to be here."""
        if tab.line.waiting:
            return False
        member = _member(job)
        return all(self._seen.get((key, member), 0.0) > now - SEEN for *_, key in tab.sessions)

    async def take(
        self, tab: Tab | None, asks: Sequence[tuple[Meter, int]], job: Job, tools: Tools
    ) -> Full | Short | None:
        """Takes all, or says what lacks: a limit of the tab, or one of the other counters that are asked for."""
        if tab is None:
            return await self.meters.take(asks)
        member = _member(job)
        for allowance, limit, key in tab.sessions:
            if await self.meters.visit(key, member, SESSION, limit.most) is None:
                return Full(allowance, limit, None)
            self._seen[key, member] = tools.clock()
            self._seen.move_to_end((key, member))
            if len(self._seen) > KEPT:
                self._seen.popitem(last=False)
        if not tab.queue[0]:
            return await self._ask(tab, asks)
        return await self._stand(tab, asks, tools)

    async def _ask(self, tab: Tab, asks: Sequence[tuple[Meter, int]]) -> Full | Short | None:
        short = await self.meters.take(asks)
        return short if short is None or short.meter.key not in tab.of else tab.full(short)

    async def _stand(self, tab: Tab, asks: Sequence[tuple[Meter, int]], tools: Tools) -> Full | Short | None:
        """Waits in line until there is a place, for as long as the file says."""
        line, (most, seconds) = tab.line, tab.queue
        full: Full | Short | None = line.full
        if not line.waiting:
            full = await self._ask(tab, asks)
            if not isinstance(full, Full):
                return full
        if full is not None and len(line.waiting) >= most:
            return full
        turn = asyncio.Event()
        line.waiting.append(turn)
        deadline = tools.clock() + seconds
        try:
            while True:
                left = deadline - tools.clock()
                if line.waiting[0] is turn:
                    turn.clear()
                    full = await self._ask(tab, asks)
                    if not isinstance(full, Full):
                        return full
                    line.full = full
                    pause = min(left, full.retry_after or POLL)
                    if full.limit.what == "concurrent":
                        pause = min(pause, POLL)
                else:
                    pause = left
                if left <= 0:
                    return full or line.full
                await _sleep(turn, pause, tools)
        finally:
            first = line.waiting[0] is turn
            line.waiting.remove(turn)
            if first:
                line.nudge()

    def counters(self) -> Iterable[tuple[Allowance, Limit, str, Callable[[float], Window]]]:
        """Every limit with its counter's key and window but those of sessions; of users, those that are remembered."""
        named = [each for allowances in self.rules.callers.values() for each in allowances]
        for allowance in dict.fromkeys((*named, *self.rules.things.values())):
            for limit in allowance.limits:
                if limit.what != "sessions":
                    yield allowance, limit, limit.key, _window(limit)
        for name in list(self._tabs):
            users = self.rules.users.get(name[0]) if len(name) == 2 else None
            for limit in users.limits if users is not None else ():
                if users is not None and limit.what != "sessions":
                    yield users, limit, counter(limit.key, name[1]), _window(limit)


def _window(limit: Limit) -> Callable[[float], Window]:
    return held if limit.what == "concurrent" else rolling(Calendar("rolling", seconds=limit.seconds))


async def _sleep(turn: asyncio.Event, pause: float, tools: Tools) -> None:
    """Until it is nudged, at most `pause` seconds."""
    waits = {asyncio.ensure_future(turn.wait()), asyncio.ensure_future(tools.sleep(pause))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


def too_many(full: Full) -> str:
    """What a client reads of a limit that is used up."""
    allowance, limit, retry = full
    said = f"{_sentence(allowance.name)} is limited to {limit.words}."
    if limit.what == "sessions":
        return f"{said} Go on with one of them; a session ends after {SESSION / 60:.0f} minutes without a request."
    return f"{said} Try again in {span(retry)}." if retry is not None and retry < FOREVER else said


def _member(job: Job) -> str:
    """A session, which belongs to its key; requests that name none are one."""
    return f"{job.facts.key or ''}:{job.facts.session}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def span(seconds: float) -> str:
    """A time to wait, in words: never less than is to be waited."""
    whole = max(1, -int(-seconds // 1))
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if whole >= 2 * size:
            return f"{-(-whole // size)} {name}s"
    return f"{whole} second{'' if whole == 1 else 's'}"
