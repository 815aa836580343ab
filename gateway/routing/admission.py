"""Whether a caller may ask now: the limits of its key, its team and its user; and what every answer tells of them.

An `Admission` is taken (`take_now`, else `wait`) after policies and before caches, and closed once, however the request
ends. Tokens are reserved as `demand.py` says, and settled by the usage of the answer that the caller got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.failure import Refusal, Refused
from gateway.ir.usage import Usage
from gateway.routing.allowances import UNBOUNDED
from gateway.routing.demand import demand_of
from gateway.routing.limiting import FOREVER, Full, Limits, Tab, Taking, too_many
from gateway.routing.telling import lines
from gateway.state.meters import StoreDown

if TYPE_CHECKING:
    from gateway.routing.facts import Facts
    from gateway.routing.run import Tools
    from gateway.routing.sending import Job
    from gateway.state.meters import Standing

SESSIONS_RETRY: Final = 60.0  # seconds: nobody knows when a session ends


class Admission(Taking):
    """What a request holds of its caller's limits; nothing before it was taken."""

    __slots__ = ("_own", "_tools")

    def __init__(self, limits: Limits, tab: Tab, tokens: int, tools: Tools) -> None:
        super().__init__(limits, tab, tab.sheet, tokens)
        self._own = tab
        self._tools = tools

    async def wait(self, job: Job) -> None:
        """Takes what `take_now` could not: asks the store, and waits in line. Raises `Refused` (429, 503)."""
        try:
            lacks = await self.take(job, self._tools)
        except StoreDown:
            raise Refused(store_down()) from None
        if lacks is None:
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
        self.end(usage.input + usage.output if usage is not None else 0, 0)

    def minute(self) -> Standing | None:
        """Where the caller stands in its tightest limit of requests per minute."""
        limited = [meter for meter in self._own.once if self._own.of[meter.key][1].per == "minute"]
        stands = [meter.standing() for meter in limited]
        return min(stands, key=lambda each: each.left / each.limit if each.limit else 0.0, default=None)

    def lines(self) -> str:
        """The headers that say where the caller stands, each with its line end; "" where no rate limits him."""
        told = self._own.told
        if not told:
            return ""
        self._sheet.look()
        return lines(told, self._tools.wall())

    def tell(self, headers: dict[str, str]) -> None:
        """Adds them one by one."""
        for line in self.lines().splitlines():
            name, _, value = line.partition(": ")
            headers[name] = value


def admission_of(limits: Limits, facts: Facts, tools: Tools, job: Job | None = None) -> Admission | None:
    """The admission of a caller, and of a job of his, not taken yet; None where nothing limits him."""
    tab = limits.of_caller(facts)
    if tab is None:
        return None
    tokens = 0
    if job is not None and tab.tokens:
        demand = job.demand or demand_of(job)
        tokens = demand.input + (demand.most or UNBOUNDED) * demand.n
    return Admission(limits, tab, tokens, tools)


def store_down() -> Refusal:
    """What is told where limits cannot be counted, and the file says to refuse then."""
    return Refusal(
        status=503,
        type="service_unavailable_error",
        code="store_unavailable",
        message="Limits cannot be counted now: the store of the gateway's state cannot be reached. Try again soon.",
        retry_after=5.0,
    )
