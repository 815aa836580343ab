"""What a walk over a compiled node knows of its request, and remembers of its way so far."""

from __future__ import annotations

from copy import copy
from random import Random
from typing import Final

from gateway.events import Skipped as Skipped  # also found here by who walks
from gateway.failure import Failure, Kind
from gateway.ir.cost import dearest, usd
from gateway.ir.estimate import prompt_tokens
from gateway.protocols import PROTOCOLS
from gateway.routing.needs import unable
from gateway.routing.node import Target
from gateway.routing.runtime import Lane, Runtime
from gateway.routing.sending import Job

OUTPUT: Final = 4096


class Moment:
    """What one walk knows and remembers: the request, what was tried and skipped, what the next target must be able
    to do. `now`: monotonic seconds at its beginning.

    `asked`: something was sent. `resort`: a lane that rests for long, and all there is where nobody was asked. `line`:
    what a send is that serves no answer of its own, "" where it does (events.Aside). `continues`: the answer has begun
    already, and the next target must go on with it. `prompt`: the prompt's estimated tokens, once somebody asked.
    `spent`: nano-dollars that earlier sends may have cost, where a cap looks at them. `passed`: what providers would
    have answered that were not asked for it. `made`: the target and the credential that made the answer which this
    request goes on from. `served`: who has answered.
    """

    __slots__ = (
        "asked",
        "continues",
        "job",
        "larger_than",
        "last",
        "line",
        "made",
        "now",
        "passed",
        "prompt",
        "random",
        "refused_by",
        "resort",
        "runtime",
        "served",
        "skipped",
        "spent",
        "tried",
    )

    def __init__(self, runtime: Runtime, random: Random, job: Job, now: float = 0.0) -> None:
        self.runtime = runtime
        self.job = job
        self.now = now
        self.random = random
        self.tried: set[str] = set()
        self.skipped: list[Skipped] = []
        self.last: Failure | None = None
        self.larger_than: int | None = None
        self.refused_by: set[str] = set()
        self.passed: set[Kind] = set()
        self.made: tuple[str, str] | None = None
        self.served: Target | None = None
        self.asked = False
        self.resort: tuple[Target, Lane] | None = None
        self.line = ""
        self.continues = False
        self.prompt: int | None = None
        self.spent = 0

    def objection(self, target: Target, chosen: bool) -> str | None:
        """Why a target is not to be tried now. `chosen`: a fallback rule named the kind that led here."""
        job = self.job
        caps = job.caps
        if caps is not None and caps.cost is not None and (why := self._too_dear(target, caps.cost)) is not None:
            return why
        constraints = job.constraints
        if constraints is not None and target.lanes not in constraints.kept and (why := constraints.objection(target)):
            return why
        if target.name in self.tried:
            return "already tried for this request"
        if self.continues and not _continues(target):
            return "it cannot go on with an answer that has begun"
        hints = job.hints
        if hints is not None:
            if (why := hints.objection(target, bool(self.tried))) is not None:
                return why
            if not any(hints.takes(target, lane.credential) for lane in self.runtime.lanes_of(target)):
                return f"it has no credential {hints.credential!r}"
        if target.supports is not None or target.context is not None:
            cannot = unable(target, job)
            if cannot is not None:
                self.passed.add(cannot.kind)
                return cannot.why
        last = self.last
        if last is None:
            return None
        if last.kind is Kind.CONTEXT_WINDOW:
            if target.context is None or self.larger_than is None:
                return None if chosen else "its context window is not known to be larger"
            if target.context <= self.larger_than:
                return f"its context window ({target.context}) is not larger than {self.larger_than}"
        elif last.kind is Kind.UNSUPPORTED and not chosen and target.provider in self.refused_by:
            return f"{target.provider} refused this parameter"
        return None

    def apart(self, job: Job, line: str) -> Moment:
        """The moment of a child that runs by itself: it knows what this one knows, and what it learns stays its own.
        What it skips is said here too."""
        other = copy(self)
        other.job = job
        other.line = self.line if self.line == "copy" else line
        other.asked, other.resort = False, None
        other.tried = set(self.tried)
        other.refused_by = set(self.refused_by)
        other.passed = set(self.passed)
        return other

    def absorb(self, other: Moment) -> None:
        """Takes in what a child that failed has learnt."""
        self.tried |= other.tried
        self.refused_by |= other.refused_by
        self.passed |= other.passed
        self.last = other.last or self.last
        if other.larger_than is not None:
            self.larger_than = max(self.larger_than or 0, other.larger_than)
        self.resort = self.resort or other.resort
        self.asked = self.asked or other.asked

    def worst(self, target: Target) -> int:
        """Nano-dollars that a send may cost at most, by the estimated prompt; 0 where nobody knows the price. An answer
        that nobody bounds counts as `OUTPUT` tokens."""
        if target.price is None:
            return 0
        request = self.job.request()
        if self.prompt is None:
            self.prompt = prompt_tokens(request)
        most = request.max_tokens if isinstance(request.max_tokens, int) else target.max_output or OUTPUT
        times = request.n if isinstance(request.n, int) and request.n > 1 else 1
        return dearest(target.price, self.prompt, most * times)

    def _too_dear(self, target: Target, cap: int) -> str | None:
        """Why the most that one more send may cost does not fit into the cap."""
        worst = self.worst(target)
        if self.spent + worst <= cap:
            return None
        return f"it may cost {usd(worst)} USD, and {usd(max(cap - self.spent, 0))} USD are left of this request's cap"

    def learn(self, target: Target, failure: Failure) -> None:
        """Takes in how a target failed."""
        self.tried.add(target.name)
        self.last = failure
        if failure.kind is Kind.CONTEXT_WINDOW:
            if target.context is not None:
                self.larger_than = max(self.larger_than or 0, target.context)
        elif failure.kind is Kind.UNSUPPORTED:
            self.refused_by.add(target.provider)


def _continues(target: Target) -> bool:
    """Whether a target is known to go on with an answer that has begun: its facts say so, or its wire does."""
    if target.supports is not None and "prefill" in target.supports:
        return True
    return PROTOCOLS[target.protocol].continues(target.dialect)
