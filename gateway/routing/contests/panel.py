"""`panel`: all children answer at the same time, then the judge makes one answer of theirs.

Their answers are whole; the judge's streams where the client streams. Once `least` children have answered the others
are waited for `patience` seconds more, then cancelled. One answer alone is given as it is; none is the failure of the
last. The usage that the client sees is the sum of all; each is settled by itself.
"""

from __future__ import annotations

import asyncio

from gateway.failure import Failure
from gateway.ir.chat import Response
from gateway.routing.attempt import Answer
from gateway.routing.contests import words
from gateway.routing.contests.ring import Heat, Outcome, Ring
from gateway.routing.contests.showing import response_of, shown
from gateway.routing.node import Panel
from gateway.routing.walk import UNTRIED, Contest


async def run(contest: Contest, ring: Ring) -> Outcome:
    """The judge's answer, the only answer, or the last failure."""
    plan = contest.split.plan
    if not isinstance(plan, Panel):
        raise TypeError(f"{contest.split.name} is no panel")
    job = ring.job
    asked = job.whole()
    single = words.single(asked.request())
    if single is not asked.request():
        asked = asked.with_request(single)
    heats = [ring.begin(node, asked, "voice") for node in contest.children]
    answered: list[tuple[Heat, Answer, Response]] = []
    try:
        failure = await _gather(heats, answered, plan, ring)
        if not answered:
            return failure
        if len(answered) == 1:
            heat, answer, response = answered.pop()
            heats.remove(heat)
            return shown(answer, response, job, ring.tools.wall())
        # in the order of the file: who answered first says nothing about who is right
        answered.sort(key=lambda each: heats.index(each[0]))
        await ring.end(heats)
        heats.clear()
        judging = job.with_request(words.judged(job.request(), [words.said(each[2]) for each in answered]))
        for _, answer, _ in answered:
            if answer.usage is not None:
                judging.spent = answer.usage if judging.spent is None else judging.spent.plus(answer.usage)
        return await ring.lead(plan.judge, judging)
    finally:
        await ring.end(heats)


async def _gather(heats: list[Heat], answered: list[tuple[Heat, Answer, Response]], plan: Panel, ring: Ring) -> Failure:
    """Waits until the answers are enough; the last failure. What has answered stands in `answered`."""
    running: dict[asyncio.Future[Outcome], Heat] = {heat.task: heat for heat in heats}
    least = len(heats) if plan.least is None else min(plan.least, len(heats))
    failure = UNTRIED
    timer: asyncio.Future[None] | None = None
    try:
        while running:
            if timer is None and len(answered) >= least:
                timer = asyncio.ensure_future(ring.tools.sleep(plan.patience))
            waited: list[asyncio.Future[Outcome] | asyncio.Future[None]] = [*running]
            if timer is not None:
                waited.append(timer)
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in [each for each in running if each in done]:
                heat = running.pop(task)
                outcome = task.result()
                if isinstance(outcome, Answer):
                    response = response_of(outcome, heat.moment.job)
                    if isinstance(response, Response):
                        answered.append((heat, outcome, response))
                        continue
                    outcome = response
                ring.moment.absorb(heat.moment)
                if outcome is not UNTRIED:
                    failure = outcome
            if timer is not None and timer in done:
                break
    finally:
        if timer is not None:
            timer.cancel()
    return failure
