"""Plays a test: its steps one after another in one world, and what each of its expectations missed.

A test without `steps` has one. What a step expects is asked of each of its requests; what a test with steps expects, in
the end: of the last answer, and of what is then true.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.config.model_tests import Expect, Step, Test, TestRequest
from gateway.config.read import Path
from gateway.events import Finished
from gateway.rehearsal.expecting import Missed, missed, missed_after
from gateway.rehearsal.request import Outgoing, merged, outgoing
from gateway.rehearsal.stage import Stage
from gateway.rehearsal.world import NOTHING, Happened, World

TIME: Final = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)
SEED: Final = 1


class Asked(msgspec.Struct, frozen=True):
    """One request of a test and what came of it."""

    request: TestRequest
    outgoing: Outgoing
    happened: Happened


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """A test that was played. `index`: its place in `tests`. It passed where nothing was missed.

    `asked` has the last request of each step; `requests` is how many there were. `sent`: to whom anything was sent.
    """

    index: int
    name: str
    missed: tuple[Missed, ...]
    asked: tuple[Asked, ...]
    requests: int
    seconds: float
    finished: tuple[Finished | None, ...]
    sent: frozenset[str]


def perform(stage: Stage, index: int, test: Test, seed: int = SEED) -> Played:
    """Plays one test of the stage's configuration."""
    given = test.given
    wall = (given.time or TIME).timestamp()
    return stage.run(
        lambda world: _played(stage, world, index, test), wall=wall, seed=given.seed if given.seed is not None else seed
    )


async def _played(stage: Stage, world: World, index: int, test: Test) -> Played:
    world.give(test.given)
    world.upstreams.befall(test.faults)
    whole: Path = ("tests", index)
    steps = test.steps or [Step(repeat=test.repeat, expect=Expect())]
    found: list[Missed] = []
    asked: list[Asked] = []
    everything: list[Finished | None] = []
    for number, step in enumerate(steps):
        if step.wait is not None:
            await asyncio.sleep(step.wait)
        world.upstreams.befall(step.faults)
        request = merged(test.request, step.request)
        sends = outgoing(request, stage.secret(request.key) if request.key is not None else None)
        here: list[Finished | None] = []
        happened = NOTHING
        expect = step.expect if test.steps else test.expect
        path: Path = (*whole, "steps", number, "expect") if test.steps else (*whole, "expect")
        for turn in range(step.repeat):
            happened = await world.ask(sends)
            here.append(happened.finished)
            which = f" (request {turn + 1} of {step.repeat})" if step.repeat > 1 else ""
            new = missed(world, request, happened, expect, path, which)
            if new:
                found += new
                break
        else:
            found += await missed_after(world, here, expect, path)
        everything += here
        asked.append(Asked(request, sends, happened))
    if test.steps and not found:
        last = asked[-1]
        path = (*whole, "expect")
        found += missed(world, last.request, last.happened, test.expect, path, "")
        found += await missed_after(world, everything, test.expect, path)
    return Played(
        index=index,
        name=test.name,
        missed=tuple(found),
        asked=tuple(asked),
        requests=len(everything),
        seconds=world.passed,
        finished=tuple(everything),
        sent=frozenset(each.target for each in world.upstreams.sent),
    )
