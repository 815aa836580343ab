"""Whether a caller may ask now: the limits of its key, its team and its user; and what every answer tells of them.

An `Admission` is taken (`admitted`, else `wait`) after policies and before caches, and closed once, however the request
ends. Tokens are reserved as `demand.py` says, and settled by the usage of the answer that the caller got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.failure import Refusal, Refused
from gateway.ir.usage import Usage
from gateway.routing.allowances import UNBOUNDED
from gateway.routing.demand import demand_of
from gateway.routing.limiting import FOREVER, Full, Limits, Tab, too_many
from gateway.routing.telling import lines
from gateway.state.meters import StoreDown
from gateway.state.sheets import Taken

if TYPE_CHECKING:
    from gateway.routing.facts import Facts
    from gateway.routing.run import Tools
    from gateway.routing.sending import Job
    from gateway.state.meters import Standing

SESSIONS_RETRY: Final = 60.0  # seconds: nobody knows when a session ends


class Admission(msgspec.Struct):
    """What a request holds of its caller's limits: `taken` of the tab's sheet; nothing before that, and in the end."""

    tab: Tab
    tokens: int = 0
    taken: Taken | None = None

    async def wait(self, limits: Limits, job: Job, tools: Tools) -> None:
        """Takes what could not be taken at once: asks the store, and waits in line. Raises `Refused` (429, 503)."""
        sheet = self.tab.sheet
        try:
            lacks = await limits.take(self.tab, sheet.asks(self.tokens, 0), job, tools)
        except StoreDown:
            raise Refused(store_down()) from None
        if lacks is None:
            self.taken = sheet.waited(self.tokens, 0)
            return
        if not isinstance(lacks, Full):
            raise TypeError("a caller's limits are no budgets")
        retry = lacks.retry_after if lacks.limit.what != "sessions" else SESSIONS_RETRY
        raise Refused(
            Refusal(
                status=429,
                type="rate_limit_error",
                code="rate_limit_exceeded",
                message=too_many(lacks),
                retry_after=retry if retry is not None and retry < FOREVER else None,
            )
        )

    def close(self, usage: Usage | None) -> None:
        """The request is over; `usage` None used no tokens. Only the first call counts."""
        taken, tab = self.taken, self.tab
        if taken is None:
            return
        self.taken = None
        tab.sheet.give(taken, usage.input + usage.output if usage is not None else 0, 0)
        if tab.may_wait:
            tab.line.nudge()

    def minute(self) -> Standing | None:
        """Where the caller stands in its tightest limit of requests per minute."""
        limited = [meter for meter in self.tab.once if self.tab.of[meter.key][1].per == "minute"]
        stands = [meter.standing() for meter in limited]
        return min(stands, key=lambda each: each.left / each.limit if each.limit else 0.0, default=None)

    def lines(self, wall: float) -> str:
        """The headers that say where the caller stands, each with its line end; "" where no rate limits him."""
        tab = self.tab
        if not tab.told:
            return ""
        tab.sheet.look()
        return lines(tab.told, wall)

    def tell(self, headers: dict[str, str], wall: float) -> None:
        """Adds them one by one."""
        for line in self.lines(wall).splitlines():
            name, _, value = line.partition(": ")
            headers[name] = value


def admission_of(limits: Limits, facts: Facts) -> Admission | None:
    """What a caller holds who has asked nothing; None where nothing limits him."""
    tab = limits.of_caller(facts)
    return Admission(tab) if tab is not None else None


def admitted(limits: Limits, job: Job, tools: Tools) -> Admission | None:
    """The admission of a job, which must `wait` where it is not `taken` yet; None where nothing limits its caller."""
    tab = limits.own.get(job.facts.key) or limits.of_caller(job.facts)
    if tab is None:
        return None
    tokens = 0
    if tab.tokens:
        demand = job.demand or demand_of(job)
        tokens = demand.input + (demand.most or UNBOUNDED) * demand.n
    if tab.may_wait and not limits.may(tab, job, tools.clock()):
        return Admission(tab, tokens)
    return Admission(tab, tokens, tab.sheet.take(tokens, 0))


def store_down() -> Refusal:
    """What is told where limits cannot be counted, and the file says to refuse then."""
    return Refusal(
        status=503,
        type="service_unavailable_error",
        code="store_unavailable",
        message="Limits cannot be counted now: the store of the gateway's state cannot be reached. Try again soon.",
        retry_after=5.0,
    )
