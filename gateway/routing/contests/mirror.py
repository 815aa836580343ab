"""`mirror`: the first child serves, the others get copies of a sample of what it answered (mirroring.py)."""

from __future__ import annotations

from gateway.routing import mirroring
from gateway.routing.attempt import Answer
from gateway.routing.contests.ring import Outcome, Ring
from gateway.routing.node import Mirror
from gateway.routing.walk import Contest


async def run(contest: Contest, ring: Ring) -> Outcome:
    """What the first child comes to."""
    first, *others = contest.children
    plan = contest.split.plan
    outcome = await ring.serve(first)
    copied = ring.moment.line == "copy"  # a copy is not copied again
    if isinstance(outcome, Answer) and isinstance(plan, Mirror) and not copied:
        for node in others:
            if plan.sample >= 1 or ring.tools.random.random() < plan.sample:
                mirroring.copy(node, ring.job, outcome, ring.moment.runtime, ring.tools)
    return outcome
