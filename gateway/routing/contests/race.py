"""`race`: the next child starts where the last has given no content in time, or has failed; the first content wins.

For a whole answer the commit point is its last byte, and it is that which is waited for. Losers are cancelled at once:
their connections are closed, nobody's health is judged by it, what they used is settled. A failure that another target
would only repeat starts nobody, but whoever runs already may still win.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from gateway.routing.attempt import Answer
from gateway.routing.contests.ring import Heat, Outcome, Ring
from gateway.routing.node import Node, Race, targets
from gateway.routing.walk import UNTRIED, Contest, goes_on

UNMEASURED: Final = 1.0  # seconds, while there are too few measurements for a p95


async def run(contest: Contest, ring: Ring) -> Outcome:
    """The first answer, else the last failure."""
    waiting = deque(contest.children)
    running: dict[asyncio.Future[Outcome], Heat] = {}
    timer: asyncio.Future[None] | None = None
    failure = UNTRIED
    start = True
    try:
        while waiting or running:
            if start and waiting:
                heat = ring.begin(waiting.popleft(), ring.job, "loser")
                running[heat.task] = heat
                if timer is not None:
                    timer.cancel()
                timer = asyncio.ensure_future(ring.tools.sleep(_after(contest, heat.node, ring))) if waiting else None
            if not running:
                break
            waited: list[asyncio.Future[Outcome] | asyncio.Future[None]] = [*running]
            if timer is not None:
                waited.append(timer)
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            start = timer in done
            if start:
                timer = None
            for task in [each for each in running if each in done]:
                heat = running.pop(task)
                outcome = task.result()
                if isinstance(outcome, Answer):
                    return outcome
                ring.moment.absorb(heat.moment)
                start = True
                if outcome is not UNTRIED:
                    failure = outcome
                    if not goes_on(outcome):
                        waiting.clear()
        return failure
    finally:
        if timer is not None:
            timer.cancel()
        await ring.end(running.values())


def _after(contest: Contest, node: Node, ring: Ring) -> float:
    """Seconds that a child has: as stated, else the p95 of the first target that it leads to."""
    plan = contest.split.plan
    if isinstance(plan, Race) and plan.after is not None:
        return plan.after
    latency = ring.moment.runtime.latency_of(targets(node)[0])
    measured = latency.p95(ring.job.head.stream) if latency is not None else None
    return UNMEASURED if measured is None else measured
