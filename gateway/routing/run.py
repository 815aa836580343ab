"""The loop that turns a route into an answer: targets by `walk`, credentials in turn, retries with backoff.

Everything is decided between awaits from the failure table; the only awaits are the send itself and the pause before
a retry. Bounds over the whole request: `ATTEMPTS_MOST` sends, and the `total`s of the route's targets together, or what
`Job.caps` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Final

import msgspec

from gateway.events import Attempted, Emit, Tripped
from gateway.events import Trial as Trial  # also found here by who tells what was tried
from gateway.failure import BLOCKED, Cooldown, Failed, Failure, Kind
from gateway.ir.usage import Usage
from gateway.protocols.stripped import refused
from gateway.routing import asides
from gateway.routing.attempt import Answer, attempt
from gateway.routing.contests import CONTESTS
from gateway.routing.contests.ring import Ring
from gateway.routing.gate import NOTHING, Hold, Reserved
from gateway.routing.measuring import chosen_lanes, counted, measured
from gateway.routing.moment import Moment, Skipped
from gateway.routing.node import Node, Target
from gateway.routing.resuming import Lasting
from gateway.routing.runtime import Lane, Runtime
from gateway.routing.sending import Job
from gateway.routing.sticky import recall, remember, unknown
from gateway.routing.untried import nothing
from gateway.routing.walk import UNTRIED, Contest, Walk, walked
from gateway.state.breaker import UNTIL_RELOAD
from gateway.state.pool import Cursor
from gateway.transport.contract import Send

ATTEMPTS_MOST: Final = 12
LONG: Final = frozenset((Kind.AUTH, Kind.QUOTA, Kind.NOT_FOUND))  # rests that may outlast their cause
QUOTA_REST: Final = 3600.0  # an exhausted account is not asked again sooner, whatever the hint
TIMER_SLACK: Final = 0.005  # seconds: a timer may fire a little early, and a breaker is exact
RETRY_HINT_MOST: Final = 2.0  # a rate limit that ends within this is waited for


class Tools(msgspec.Struct, frozen=True):
    """What the loop is given from outside: `clock` is monotonic seconds, `wall` seconds since the epoch.

    `attempt` sends once; a dry walk has another one, which sends nothing (engine/dry.py).
    """

    send: Send
    clock: Callable[[], float]
    wall: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Random
    emit: Emit
    attempt: Callable[..., Awaitable[Answer]] = attempt


class Course:
    """The path of one request, written while it runs: for headers, logs and explanations.

    `left`: the send that was under way when the client left, before it had an answer. `priced`: the last usage that was
    settled, which came to `money`, nano-dollars.
    """

    __slots__ = ("begun", "instead", "left", "money", "priced", "skipped", "trials", "waits")

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.waits: list[float] = []  # the times to come back that failures named, seconds
        self.begun = 0  # sends, those in flight included
        self.instead: str | None = None  # where a budget sends what it has no money for
        self.skipped: list[Skipped] = []
        self.left: tuple[Target, Lane] | None = None
        self.priced: Usage | None = None
        self.money = 0


async def run(node: Node, job: Job, runtime: Runtime, tools: Tools, course: Course, budget: float | None) -> Answer:
    """The answer of the first target that gives one. `budget`: seconds for everything, None for no bound.

    Raises `Failed` with the last failure; its `retry_after` is the smallest that any failure named. Raises `Refused`
    where no target may be tried for this request.
    """
    moment = Moment(runtime, tools.random, job, tools.clock())
    moment.skipped = course.skipped
    if job.caps is not None and job.caps.time is not None:
        budget = job.caps.time if budget is None else min(budget, job.caps.time)
    deadline = None if budget is None else tools.clock() + budget
    if runtime.makers is not None or (runtime.shares and unknown(node, moment)):
        await recall(node, moment)
    lasting = job.head.stream and not isinstance(node, Target) and node.resumes and job.guards is None
    job.lasting = lasting
    outcome = await lead(node, moment, tools, course, deadline, False)
    if isinstance(outcome, Answer):
        if lasting and outcome.stream:
            return Lasting(outcome, node, job, moment, tools, course, deadline, follow, interrupted)
        return outcome
    if outcome is UNTRIED:
        raise nothing(node, moment)
    rests = not outcome.sent and outcome.retry_after is not None
    if course.waits and (rests or outcome.kind in (Kind.RATE_LIMIT, Kind.OVERLOADED)):
        outcome = msgspec.structs.replace(outcome, retry_after=min(course.waits))
    raise Failed(outcome)


async def lead(
    node: Node, moment: Moment, tools: Tools, course: Course, deadline: float | None, chosen: bool
) -> Answer | Failure:
    """Follows a node as a request of its own.

    A wrong key, an empty account and a missing model are mended at the provider, and nobody tells the gateway. So where
    all targets rest, the first that rests for such a reason is asked all the same: a route is never locked out by them.
    """
    outcome = await follow(node, moment, tools, course, deadline, chosen)
    if isinstance(outcome, Failure) and not moment.asked and moment.resort is not None:
        return await _use(*moment.resort, moment.job, moment, tools, course, deadline)
    return outcome


async def follow(
    node: Node, moment: Moment, tools: Tools, course: Course, deadline: float | None, chosen: bool
) -> Answer | Failure:
    """The answer of the first target that gives one, else the last failure, `UNTRIED` where there was none."""
    job = moment.job
    steps = walked(node, moment, chosen)
    failure = UNTRIED
    try:
        step = next(steps)
        while True:
            outcome: Answer | Failure
            if isinstance(step, Contest):
                ring = Ring(moment, tools, course, deadline, step.chosen, follow, lead)
                outcome = await CONTESTS[step.split.strategy](step, ring)
            else:
                outcome = await _ask(step, job, moment, tools, course, deadline)
            if isinstance(outcome, Answer):
                _tell_success(steps)
                return outcome
            if outcome is not UNTRIED:
                failure = outcome
            step = steps.send(outcome)
    except StopIteration as stop:
        return failure if stop.value is UNTRIED else stop.value or failure
    finally:
        steps.close()


def _tell_success(steps: Walk) -> None:
    with suppress(StopIteration):
        steps.send(None)


async def _ask(
    target: Target, job: Job, moment: Moment, tools: Tools, course: Course, deadline: float | None
) -> Answer | Failure:
    """One target through its credentials; the answer, or the failure that ends its turn."""
    lanes = moment.runtime.lanes_of(target)
    if len(lanes) > 1:
        lanes = _turned(lanes, moment.runtime.pools[target.lanes])
        if moment.made is not None or job.hints is not None:
            lanes = chosen_lanes(lanes, target, moment)
    failure: Failure | None = None
    closed: tuple[float, Lane] | None = None
    for lane in lanes:
        now = tools.clock()
        wait = max(lane.whole.wait(now), lane.own.wait(now))
        if wait > 0:
            if closed is None or wait < closed[0]:
                closed = (wait, lane)
            continue
        outcome = await _use(target, lane, job, moment, tools, course, deadline)
        if isinstance(outcome, Answer):
            return outcome
        failure = outcome
        if not failure.rule.next_credential:
            return failure
    if failure is not None:
        return failure
    return _resting(target, closed, moment, course)


def _turned(lanes: tuple[Lane, ...], cursor: Cursor) -> tuple[Lane, ...]:
    """The credentials, each tier from the one whose turn it is."""
    turn = cursor.at
    cursor.at = turn + 1
    if lanes[0].tier == lanes[-1].tier:
        at = turn % len(lanes)
        return lanes[at:] + lanes[:at]
    out: list[Lane] = []
    for _, group in groupby(lanes, key=attrgetter("tier")):
        tier = list(group)
        at = turn % len(tier)
        out += tier[at:] + tier[:at]
    return tuple(out)


def _resting(target: Target, closed: tuple[float, Lane] | None, moment: Moment, course: Course) -> Failure:
    """Every credential of the target is cooling down: the failure that put it there, and when it will be back."""
    wait, lane = closed if closed is not None else (0.0, None)
    word = (lane.own.kind or lane.whole.kind) if lane is not None else None
    kind = Kind(word) if word is not None else Kind.OVERLOADED
    until = "the next reload" if wait == UNTIL_RELOAD else f"{wait:.1f}s from now"
    moment.skipped.append(Skipped(target.name, f"cooling down after {kind} until {until}"))
    if lane is not None and kind in LONG and moment.resort is None:
        moment.resort = (target, lane)
    hint = None if wait == UNTIL_RELOAD else wait
    if hint is not None:
        course.waits.append(hint)
    return Failure(
        kind=kind if kind not in (Kind.INTERRUPTED, Kind.CONNECTION) else Kind.OVERLOADED,
        message=f"{target.name} is cooling down after {kind} until {until}",
        retry_after=hint,
        sent=False,
    )


async def _use(
    target: Target, lane: Lane, job: Job, moment: Moment, tools: Tools, course: Course, deadline: float | None
) -> Answer | Failure:
    """One target with one credential, retries included. Where it cannot read a seal, once more without any."""
    retries = 0
    while True:
        now = tools.clock()
        left = None if deadline is None else deadline - now
        if left is not None and left <= 0:
            return Failure(kind=Kind.TIMEOUT, message="the time for the whole request is used up", sent=False)
        most = job.caps.attempts if job.caps is not None and job.caps.attempts is not None else ATTEMPTS_MOST
        if course.begun >= most:
            return Failure(kind=Kind.OVERLOADED, message=f"{most} attempts were made", sent=False)
        outcome = await _once(target, lane, job, moment, tools, course, left)
        if isinstance(outcome, Answer):
            return outcome
        if refused(outcome) and (bare := job.without_seals()) is not None:
            job = bare
            continue
        pause = _pause(outcome, retries, target, tools.random)
        if pause is None or (left is not None and pause >= left):
            return outcome
        wait = max(lane.own.wait(tools.clock()), lane.whole.wait(tools.clock()))
        if wait > pause:
            return outcome
        if wait:
            pause = wait + TIMER_SLACK
        retries += 1
        await tools.sleep(pause)


def _pause(failure: Failure, retries: int, target: Target, random: Random) -> float | None:
    """Seconds before the same target is asked again, None where it is not."""
    allowed = min(failure.rule.retries, target.retries.attempts)
    if retries >= allowed or failure.ours:
        return None
    hint = failure.retry_after
    if failure.kind is Kind.RATE_LIMIT:
        return hint if hint is not None and hint <= RETRY_HINT_MOST else None
    if hint is not None:
        return hint if hint <= target.retries.high else None
    backoff = min(target.retries.high, target.retries.low * 2.0**retries)
    return backoff * (0.5 + random.random() / 2)


def _taken(target: Target, lane: Lane) -> Failure:
    """Another request is the probe of this target: what opened the breaker, and a short wait."""
    kind = Kind(lane.own.kind or lane.whole.kind or Kind.OVERLOADED)
    message = f"{target.name} is being probed after {kind}"
    return Failure(kind=kind, message=message, retry_after=1.0, sent=False)


def _entered(lane: Lane, now: float) -> bool:
    """Whether both breakers let a request pass."""
    if not lane.whole.enter(now):
        return False
    if lane.own.enter(now):
        return True
    lane.whole.leave()
    return False


async def _once(
    target: Target, lane: Lane, job: Job, moment: Moment, tools: Tools, course: Course, seconds: float | None
) -> Answer | Failure:
    """One send, with its bookkeeping: limits and money, load, breakers, trials, events."""
    hold: Hold = NOTHING
    bound: int | None = None
    gate = moment.runtime.gate
    course.begun += 1
    if gate is not None:
        passed = gate.enter(target, lane, job, tools)
        if isinstance(passed, Reserved):
            hold, bound = passed, passed.bound
            passed = None if passed.taken is not None else await passed.wait(target)
        if passed is not None:
            course.begun -= 1
            moment.skipped.append(Skipped(target.name, passed.message))
            if passed.retry_after is not None:
                course.waits.append(passed.retry_after)
            course.instead = course.instead or passed.instead
            return passed
    started = tools.clock()
    asks_again = moment.resort == (target, lane) and not moment.asked
    if not asks_again and not _entered(lane, started):
        course.begun -= 1
        hold.release(asked=False)
        return _taken(target, lane)
    moment.asked = True
    load = moment.runtime.loads[target.lanes]
    load.count += 1
    if moment.runtime.tallies:
        counted(moment, target, started)
    used: Usage | None = None
    worst = moment.worst(target) if job.caps is not None and job.caps.cost is not None else 0
    moment.spent += worst

    def left(usage: Usage | None) -> None:
        nonlocal used
        used = usage
        load.count -= 1
        money = hold.settle(usage)
        if money is not None:
            course.priced, course.money = usage, money

    try:
        answer = await tools.attempt(
            job,
            target,
            lane,
            send=tools.send,
            clock=tools.clock,
            wall=tools.wall,
            seconds=seconds,
            left=left,
            counts=gate is not None or moment.runtime.counts,
            bound=bound,
        )
    except Failed as failed:
        load.count -= 1
        failure = failed.failure
        if failure.code == BLOCKED:
            hold.settle(None)  # it was answered, which may be billed
        else:
            hold.release(asked=failure.sent)
            moment.spent -= worst
    except BaseException:  # the client left, or a race was lost: no verdict on the target
        lane.own.leave()
        lane.whole.leave()
        _cancelled(target, lane, job, moment, tools, course, tools.clock() - started, used)
        raise
    else:
        if answer.stream:
            lane.own.began()
            lane.whole.began()
        else:
            lane.own.success()
            lane.whole.success()
        now = tools.clock()
        took = now - started
        measured(moment, target, took, now)
        course.trials.append(Trial(target.name, lane.credential, None, 200, took))
        if moment.runtime.makers is not None:
            remember(moment, target, lane, answer.body)
        tools.emit(Attempted(target.provider, lane.credential, target.model, None, 200, took))
        return answer
    now = tools.clock()
    if failure.retry_after is not None:
        course.waits.append(failure.retry_after)
    course.trials.append(Trial(target.name, lane.credential, failure.kind, failure.status, now - started))
    tools.emit(Attempted(target.provider, lane.credential, target.model, failure.kind, failure.status, now - started))
    if failure.kind is Kind.TIMEOUT:
        measured(moment, target, now - started, now)  # it takes no less
    penalise(target, lane, failure, now, tools.emit)
    return failure


def _cancelled(
    target: Target,
    lane: Lane,
    job: Job,
    moment: Moment,
    tools: Tools,
    course: Course,
    seconds: float,
    usage: Usage | None,
) -> None:
    """Notes a send that nobody waits for any more; where the request goes on without it, what it used is told."""
    kind = Kind.CANCELLED
    course.trials.append(Trial(target.name, lane.credential, kind, None, seconds))
    tools.emit(Attempted(target.provider, lane.credential, target.model, kind, None, seconds))
    if not moment.line:
        course.left = (target, lane)
    else:
        asides.tell(moment.line, job, target, lane, tools.emit, kind=kind, seconds=seconds, usage=usage)


def interrupted(answer: Answer, failure: Failure, tools: Tools) -> None:
    """Tells the breakers of an answer that broke off after its commit point."""
    if answer.lane is not None:
        penalise(answer.target, answer.lane, failure, tools.clock(), tools.emit)


def penalise(target: Target, lane: Lane, failure: Failure, now: float, emit: Emit) -> None:
    """Tells the breakers what a failure means to them: the `cooldown` column of the table."""
    cooldown, kind = failure.rule.cooldown, failure.kind
    seconds: float | None = None
    model = target.model
    named = [rule for rule in target.bans if rule.names(failure.status, kind)]
    if cooldown is Cooldown.NONE:
        if not named:
            lane.own.success()  # the provider is well: it refused this request, not requests
            lane.whole.success()
            return
        lane.own.leave()
        lane.whole.leave()
    elif cooldown is Cooldown.CREDENTIAL:
        rest = UNTIL_RELOAD if kind is Kind.AUTH else max(QUOTA_REST, failure.retry_after or 0.0)
        seconds = lane.whole.open_for(now, rest, kind)
        lane.own.leave()
        model = "*"
    else:
        lane.whole.leave()
        if cooldown is Cooldown.TARGET_UNTIL_HINT and failure.retry_after is not None:
            seconds = lane.own.open_for(now, failure.retry_after, kind)
        elif cooldown is Cooldown.TARGET_UNTIL_HINT:
            seconds = lane.own.open_backoff(now, kind, target.breaker)
        else:
            seconds = lane.own.failure(now, kind, target.breaker)
    for rule in named:
        banned = lane.own.tally(now, kind, rule)
        if banned is not None:
            seconds, model = max(banned, seconds or 0.0), target.model
    if seconds is not None:
        emit(Tripped(target.provider, lane.credential, model, kind, None if seconds == UNTIL_RELOAD else seconds))
