"""What strategies ask about a child: its health, its latency, its use, its cost, its window, what is left of it.

A child that is a combo answers for its targets without their fallbacks, each question in its own way: it is as healthy
as its healthiest target, as fast and as stable as the mean of those that were measured, as used as all of them together
and as dear as the dearest; its window is the smallest. What nobody knows is None. All is of this worker, as it is now.

Nobody is left alone for ever by what was once seen of it. A rest that is over counts no more, since the breaker lets
one request through to look; and a latency that is not known any more is found out by one request at a time (`pace`).
"""

from __future__ import annotations

from math import inf
from typing import Final

from gateway.ir.cost import cost
from gateway.ir.usage import Usage
from gateway.routing.moment import Moment
from gateway.routing.needs import ANSWER, needs_of
from gateway.routing.node import Node, Target, leaves
from gateway.routing.runtime import Lane

OPEN: Final = 0.0
WELL: Final = 1.0
UNTRIED: Final = 0.0
TRIED: Final = inf


def health(node: Node, moment: Moment) -> float:
    """`WELL`: a credential is, or has rested and may be probed by this request. `OPEN`: all rest, or are probed."""
    now = moment.now
    for leaf in leaves(node):
        for lane in moment.runtime.lanes_of(leaf):
            if not (lane.whole.wait(now) or lane.own.wait(now)):
                return WELL
    return OPEN


def pace(node: Node, moment: Moment) -> float:
    """Seconds until an answer begins. Where nobody knows: `UNTRIED` where this request may find out, `TRIED` where the
    child is busy and another request was sent to do so."""
    seconds = latency(node, moment)
    if seconds is not None:
        return seconds
    runtime, stream = moment.runtime, moment.job.head.stream
    for leaf in leaves(node):
        known = runtime.latency_of(leaf)
        if runtime.loads[leaf.lanes].count and known is not None and known.tried(stream, moment.now):
            return TRIED
    return UNTRIED


def chosen(children: list[Node], moment: Moment) -> list[Node]:
    """The children, of which this request goes to the first that does not rest: where nobody knows the latency of that
    one, this is how it is found out."""
    one = next((child for child in children if health(child, moment) != OPEN), None)
    if one is not None and latency(one, moment) is None:
        for leaf in leaves(one):
            known = moment.runtime.latency_of(leaf)
            if known is not None:
                known.trying(moment.job.head.stream, moment.now)
    return children


def latency(node: Node, moment: Moment) -> float | None:
    """Seconds until an answer begins, for a request of this kind."""
    stream = moment.job.head.stream
    found = [
        seconds
        for leaf in leaves(node)
        if (known := moment.runtime.latency_of(leaf)) is not None
        and (seconds := known.expected(stream, moment.now)) is not None
    ]
    return sum(found) / len(found) if found else None


def spread(node: Node, moment: Moment) -> float | None:
    """The standard deviation of that, as a share of its mean."""
    stream = moment.job.head.stream
    found = [
        share
        for leaf in leaves(node)
        if (known := moment.runtime.latency_of(leaf)) is not None
        and (share := known.spread(stream, moment.now)) is not None
    ]
    return sum(found) / len(found) if found else None


def used(node: Node, moment: Moment, window: float) -> int:
    """Requests that were sent in a window."""
    tallies = moment.runtime.tallies
    return sum(tallies[leaf.name][window].count(moment.now) for leaf in leaves(node))


def price(node: Node, moment: Moment) -> int | None:
    """Nano-dollars of this request: its prompt, and the answer that it asks for or `ANSWER` tokens."""
    dearest = 0
    needs = needs_of(moment.job)
    for leaf in leaves(node):
        if leaf.price is None:
            return None
        dearest = max(dearest, cost(Usage(input=needs.input, output=_answer(leaf, needs.bound)), leaf.price))
    return dearest


def _answer(target: Target, bound: int) -> int:
    most = bound or ANSWER
    return most if target.max_output is None else min(most, target.max_output)


def context(node: Node) -> int | None:
    """Tokens of the window."""
    windows = [leaf.context for leaf in leaves(node)]
    known = [window for window in windows if window is not None]
    return min(known) if known and len(known) == len(windows) else None


def headroom(node: Node, moment: Moment) -> float | None:
    """What is left of the file's limits and of the provider's quota, by what it said last, as a share: the smaller of
    both for a credential, the best of a child's credentials."""
    found = [
        share
        for leaf in leaves(node)
        for lane in moment.runtime.lanes_of(leaf)
        if (share := _left(leaf, lane, moment)) is not None
    ]
    return max(found) if found else None


def _left(target: Target, lane: Lane, moment: Moment) -> float | None:
    gate = moment.runtime.gate
    limits = gate.room(target, lane) if gate is not None else None
    quota = lane.quota.left(moment.now) if lane.quota is not None else None
    return min((share for share in (limits, quota) if share is not None), default=None)
