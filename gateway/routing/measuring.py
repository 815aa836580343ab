"""What the loop does for strategies and hints: what a send teaches of its target, and whose credential goes first."""

from __future__ import annotations

from gateway.routing.moment import Moment
from gateway.routing.node import Target
from gateway.routing.runtime import Lane


def measured(moment: Moment, target: Target, seconds: float, now: float) -> None:
    """An answer began, or did not, after so many seconds."""
    latency = moment.runtime.latency_of(target)
    if latency is not None:
        latency.measured(seconds, moment.job.head.stream, now)


def counted(moment: Moment, target: Target, now: float) -> None:
    """A request is sent."""
    for tally in moment.runtime.tallies.get(target.name, {}).values():
        tally.add(now)


def chosen_lanes(lanes: tuple[Lane, ...], target: Target, moment: Moment) -> tuple[Lane, ...]:
    """The credential that a request is pinned to alone, or first the one that made the answer it goes on from."""
    hints = moment.job.hints
    if hints is not None and hints.credential:
        return tuple(lane for lane in lanes if hints.takes(target, lane.credential))
    if moment.made is not None and moment.made[0] == target.name:
        credential = moment.made[1]
        return tuple(sorted(lanes, key=lambda lane: lane.credential != credential))
    return lanes
