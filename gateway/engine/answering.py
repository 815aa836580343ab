"""The answer of a route as a request gets it; where no money is left for it, of the route that its budget names.

It is the whole of what stands between the rules of the file (policing.py) and `routing.run`; the server asks it for
every request that no cache has answered, and a dry walk for each that it explains.
"""

from __future__ import annotations

from gateway.engine.access import Caller
from gateway.engine.engine import Engine, Route
from gateway.engine.policing import copied
from gateway.failure import Failed, Kind
from gateway.routing.attempt import Answer
from gateway.routing.policies.ruling import Ruling
from gateway.routing.run import Course, Tools, run
from gateway.routing.sending import Job


async def answer_of(
    engine: Engine, caller: Caller, route: Route, job: Job, ruling: Ruling | None, tools: Tools, course: Course
) -> Answer:
    """The answer, past the copies that policies ask for. Another route is tried once, and only one that the caller may
    use. Raises `Failed`, and `Refused` where no target may be tried."""
    try:
        answer = await run(route.node, job, engine.runtime, tools, course, route.budget)
    except Failed as failed:
        instead = engine.routes.get(course.instead) if course.instead is not None else None
        if instead is None or failed.failure.kind is not Kind.BUDGET:
            raise
        if not caller.may(instead.name, instead.models):
            raise
    else:
        return _copied(engine, caller, ruling, job, answer, tools)
    answer = await run(instead.node, job, engine.runtime, tools, course, instead.budget)
    return _copied(engine, caller, ruling, job, answer, tools)


def _copied(engine: Engine, caller: Caller, ruling: Ruling | None, job: Job, answer: Answer, tools: Tools) -> Answer:
    if ruling is not None and ruling.mirrors:
        copied(engine, caller, ruling.mirrors, job, answer, tools)
    return answer
