"""What a contest runs its children with: their own walks and moments, one course, deadline, gate and bound of attempts.

Whoever begins a heat owes its end: `end` cancels what still runs, closes what answered in vain, and waits until both
are done, so that nothing of a contest outlives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from gateway.failure import Failure
from gateway.routing import asides
from gateway.routing.attempt import Answer
from gateway.routing.moment import Moment
from gateway.routing.node import Node
from gateway.routing.sending import Job

if TYPE_CHECKING:
    from gateway.routing.run import Course, Tools

Outcome: TypeAlias = Answer | Failure
Lead: TypeAlias = Callable[[Node, Moment, "Tools", "Course", float | None, bool], Awaitable[Outcome]]


class Heat:
    """One child under way. `ended`: by the clock."""

    __slots__ = ("ended", "moment", "node", "started", "task")

    def __init__(self, node: Node, moment: Moment, started: float, task: asyncio.Task[Outcome]) -> None:
        self.node = node
        self.moment = moment
        self.started = started
        self.task = task
        self.ended = started


class Ring:
    """One contest of one request. `follow` walks a node, `lead` does so as for a request of its own: what rests for
    long is asked where there is nothing else."""

    __slots__ = ("_follow", "_lead", "chosen", "course", "deadline", "moment", "tools")

    def __init__(
        self,
        moment: Moment,
        tools: Tools,
        course: Course,
        deadline: float | None,
        chosen: bool,
        follow: Lead,
        lead: Lead,
    ) -> None:
        self.moment = moment
        self.tools = tools
        self.course = course
        self.deadline = deadline
        self.chosen = chosen
        self._follow = follow
        self._lead = lead

    @property
    def job(self) -> Job:
        """The request."""
        return self.moment.job

    async def serve(self, node: Node) -> Outcome:
        """A child as if it stood in the contest's place."""
        return await self._follow(node, self.moment, self.tools, self.course, self.deadline, self.chosen)

    async def lead(self, node: Node, job: Job, line: str = "") -> Outcome:
        """A request of its own on the way to the answer; `line` "" where it is the answer. Targets that were tried
        before may be tried again, since it asks something else."""
        moment = self.moment.apart(job, line)
        moment.tried, moment.refused_by, moment.last, moment.larger_than = set(), set(), None, None
        return await self._lead(node, moment, self.tools, self.course, self.deadline, False)

    def begin(self, node: Node, job: Job, line: str) -> Heat:
        """Starts a child by itself; `end` is owed."""
        moment = self.moment.apart(job, line)
        going = self._follow(node, moment, self.tools, self.course, self.deadline, self.chosen)
        heat = Heat(node, moment, self.tools.clock(), asyncio.ensure_future(going))

        def ended(_: asyncio.Future[Outcome]) -> None:
            heat.ended = self.tools.clock()

        heat.task.add_done_callback(ended)
        return heat

    async def end(self, heats: Iterable[Heat]) -> None:
        """Ends what was begun and does not serve: what runs is cancelled, what has answered is closed."""
        waiting = [heat for heat in heats if not heat.task.done() and heat.task.cancel()]
        if waiting:
            await asyncio.wait([heat.task for heat in waiting])
        for heat in heats:
            if heat.task.done() and not heat.task.cancelled() and heat.task.exception() is None:
                outcome = heat.task.result()
                if isinstance(outcome, Answer):
                    self.lost(heat, outcome)

    def lost(self, heat: Heat, answer: Answer) -> None:
        """An answer that serves nobody is closed and told."""
        answer.close()
        self.tell(heat.moment.line, answer, heat.moment.job, heat.ended - heat.started)

    def tell(self, line: str, answer: Answer, job: Job, seconds: float) -> None:
        """Tells of an answer that is not the request's own, and is over after `seconds`."""
        emit = self.tools.emit
        if answer.lane is not None:
            asides.tell(line, job, answer.target, answer.lane, emit, kind=None, seconds=seconds, usage=answer.usage)
