"""What the rules of the file make of one request, before anything is sent: the one place where they are asked.

The server asks for every request, and a dry walk (dry.py) for each that it explains. Policies come first, in the order
of the file, then guardrails of requests; what holds for targets and answers is left in the job.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.engine.access import Caller
from gateway.engine.engine import Engine, Route
from gateway.engine.rerouting import rerouted
from gateway.events import Emit
from gateway.failure import Refused
from gateway.routing.attempt import Answer
from gateway.routing.guardrails import guarded, inbound
from gateway.routing.mirroring import copy
from gateway.routing.policies.ruling import Mirror, Ruling
from gateway.routing.run import Tools
from gateway.routing.sending import Job


def copied(engine: Engine, caller: Caller, mirrors: Iterable[Mirror], job: Job, answer: Answer, tools: Tools) -> None:
    """Begins the copies that policies ask for of a request that was answered. What its key, or a policy that requires
    something, keeps from a copy's targets is not copied there."""
    for mirror in mirrors:
        if mirror.sample < 1 and tools.random.random() >= mirror.sample:
            continue
        asked = job
        try:
            route, constraints = rerouted(engine, mirror.to, caller)
            if constraints is not None:
                asked = job.with_request(job.request())
                asked.constraints = constraints.within(job.constraints)
        except Refused:
            continue
        copy(route.node, asked, answer, engine.runtime, tools)


def police(engine: Engine, caller: Caller, route: Route, job: Job, emit: Emit) -> tuple[Job, Route, Ruling | None]:
    """The request as its caller's policies and guardrails leave it, and where it leads now.

    None where no policy holds for it. Raises `Refused`: what a policy denies (its status), a guardrail rejects or
    nobody can read (400), or a policy leads to what its key may not reach (403).
    """
    rules = engine.rules.get(caller.name)
    if rules is None:
        return job, route, None
    ruling = rules.book.apply(job)
    if rules.marking:
        return job, route, ruling
    if ruling is not None:
        if ruling.edited is not None:
            job = ruling.edited
        if ruling.route is not None:
            route, constraints = rerouted(engine, ruling.route, caller)
            if constraints is not None:
                job.constraints = constraints.within(job.constraints)
    if rules.inbound:
        job = inbound(rules.inbound, job, emit)
    if rules.outbound:
        job.request()  # its answer is written from it, so what cannot be read is refused before anybody is asked
        job.guards = guarded(rules.outbound, job, emit)
    return job, route, ruling
