"""`pipeline`: the answer of one child is the input of the next (words.py); the last one answers, and streams.

A stage is a request of its own: it has its own fallbacks, and all stages share the time and the attempts of the whole.
A stage that calls a tool ends the pipeline, since only the client can run it: its answer is given as it is. A stage
that fails is the failure of the whole. The usage that the client sees is the sum of all; each is settled by itself.
"""

from __future__ import annotations

from gateway.failure import Failure, Kind
from gateway.ir.usage import Usage
from gateway.routing.contests import words
from gateway.routing.contests.ring import Outcome, Ring
from gateway.routing.contests.showing import response_of, shown
from gateway.routing.walk import Contest


async def run(contest: Contest, ring: Ring) -> Outcome:
    """The last stage's answer."""
    job = ring.job
    *stages, last = contest.children
    spent: Usage | None = None
    answer = ""
    for node in stages:
        asked = job.whole()
        request = words.single(asked.request())
        if answer:
            request = words.carried(request, answer)
        asked = asked.with_request(request)
        started = ring.tools.clock()
        outcome = await ring.lead(node, asked, "stage")
        if isinstance(outcome, Failure):
            return outcome
        response = response_of(outcome, job)
        if isinstance(response, Failure):
            return response
        if words.calls(response):
            return shown(outcome, response, job, ring.tools.wall())
        ring.tell("stage", outcome, asked, ring.tools.clock() - started)
        answer = words.said(response)
        if not answer:
            return Failure(kind=Kind.BAD_RESPONSE, message=f"{outcome.target.name} gave the next stage nothing")
        if outcome.usage is not None:
            spent = outcome.usage if spent is None else spent.plus(outcome.usage)
    final = job.with_request(words.carried(job.request(), answer)) if stages else job
    final.spent = spent
    return await ring.lead(last, final)
