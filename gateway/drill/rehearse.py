"""A whole drill: each scenario on each route, from a fresh start.

A cell is: `HEALTHY` requests while all is well, one a second and every other one streamed; then the fault, and as many
requests as were asked for; then recovery, and a request a second, after a minute every five, until the primary provider
answers again. All seconds are virtual. The same configuration, scenarios, number and seed give the same card.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from gateway.config.load import Loaded
from gateway.config.patterns import matches
from gateway.diagnostics.suggest import closest
from gateway.drill.judging import BACK_MOST, Card, Outcome, judged, worst
from gateway.drill.loop import VirtualLoop
from gateway.drill.scenarios import Reach, Scenario
from gateway.drill.stage import Seen, Stage, opened, staged
from gateway.engine.engine import Engine
from gateway.routing.node import targets

HEALTHY: Final = 6
_EVERY: Final = 1.0
_LATER: Final = 5.0
_PATIENT: Final = 60.0  # seconds after which the way back is asked for less often


class NoRoute(LookupError):  # noqa: N818 - it says what was asked for
    """A name that leads nowhere; the message says which, and what is like it."""


def drill(
    loaded: Loaded,
    routes: Sequence[str],
    scenarios: Sequence[Scenario],
    *,
    requests: int,
    seed: int,
    caller: str | None = None,
    told: Callable[[str], None] = lambda route: None,
) -> list[Card]:
    """The card of each route that is named, exactly or by a `*`; of every public model and combo where none is.

    `told` is called with each route before it is drilled. Runs an event loop of its own. Raises `NoRoute`;
    KeyError where there is no key `caller`; ValueError where the configuration has errors.
    """
    if loaded.config is None:
        raise ValueError("the configuration has errors")
    what = staged(loaded.config, loaded.secrets, caller)

    async def whole() -> list[Card]:
        async with opened(what, seed, loaded.revision) as stage:
            names = chosen(stage.engine, routes, loaded.config.aliases if loaded.config is not None else ())
            cards = []
            for name in names:
                told(name)
                cards.append(await card(stage, name, scenarios, requests))
            return cards

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


def chosen(engine: Engine, wanted: Sequence[str], aliases: Sequence[str] | dict[str, str]) -> list[str]:
    """The names to drill. Raises `NoRoute`."""
    public = [name for name, route in engine.routes.items() if route.public]
    if not wanted:
        return [name for name in public if name not in aliases and "@" not in name] + [
            pattern.text.replace("*", "drill") for pattern in engine.patterns if pattern.fills
        ]
    found: dict[str, None] = {}
    for name in wanted:
        hits = [each for each in public if matches(name, each)] if "*" in name else []
        if not hits and engine.route(name) is None:
            near = closest(name, public)
            raise NoRoute(f"there is no route {name!r}{f'; did you mean {near!r}?' if near else ''}")
        found.update(dict.fromkeys(hits or [name]))
    return list(found)


async def card(stage: Stage, name: str, scenarios: Sequence[Scenario], requests: int) -> Card:
    """The card of one route."""
    stage.reset()
    route = stage.engine.route(name)
    reached = tuple(target.name for target in targets(route.node)) if route is not None else ()
    well = [await _one(stage, name, number) for number in range(HEALTHY)]
    bad = next((seen for seen in well if seen.end != "whole"), None)
    primary = Counter(seen.provider for seen in well).most_common(1)[0][0]
    healthy = max(seen.seconds for seen in well)
    if bad is not None:
        problem = f"a request is {bad.end} while every provider is well: {bad.status} {bad.code}".rstrip()
        return Card(route=name, targets=reached, primary=primary, healthy=healthy, grade="F", problem=problem)
    outcomes = [await cell(stage, name, each, requests, primary, healthy) for each in scenarios]
    grade = worst([outcome.grade for outcome in outcomes])
    return Card(route=name, targets=reached, primary=primary, healthy=healthy, grade=grade, outcomes=tuple(outcomes))


async def cell(stage: Stage, name: str, scenario: Scenario, requests: int, primary: str, healthy: float) -> Outcome:
    """One scenario on one route, from a fresh start."""
    stage.reset()
    for number in range(HEALTHY):
        await _one(stage, name, number)
    credential = next((each for by, each in stage.sends[-1:] if by == primary), "")
    fakes = stage.fakes.items()
    struck = [fake for by, fake in fakes if scenario.reach is Reach.ALL or by == primary]
    for fake in struck:
        fake.refuses = scenario.words is None
        words = scenario.words
        only = credential if scenario.reach is Reach.CREDENTIAL else None
        fake.ill = (lambda who, words=words, only=only: words if only in (None, who) else None) if words else None
    ill = [await _one(stage, name, number) for number in range(requests)]
    for fake in struck:
        fake.ill, fake.refuses = None, False
    return judged(scenario, ill, await _back(stage, name, primary), healthy)


async def _back(stage: Stage, name: str, primary: str) -> float | None:
    """Seconds until the primary provider gives a whole answer; None where that is not in time."""
    healed, number = stage.now(), 0
    while stage.now() - healed <= BACK_MOST:
        since = stage.now() - healed
        seen = await _one(stage, name, number, _EVERY if since < _PATIENT else _LATER)
        if seen.end == "whole" and seen.provider == primary:
            return round(since, 1)
        number += 1
    return None


async def _one(stage: Stage, name: str, number: int, every: float = _EVERY) -> Seen:
    """A request, and the rest of its time; every other one is streamed."""
    seen = await stage.ask(name, streamed=number % 2 == 0)
    await asyncio.sleep(max(0.0, every - seen.seconds))
    return seen
