"""What every answer tells of the limits that its caller is under, as lines of headers.

`X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds since the epoch) are of the limit of which the smallest part is
left; with `-Requests` and `-Tokens`, of the tightest of each kind, and `-Reset` is a duration as `1m30s`. All that does
not depend on what is left is written once, when a tab is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, lcm
from typing import Final, TypeAlias

from gateway.routing.allowances import Limit
from gateway.state.meters import Meter

_KINDS: Final = ("requests", "tokens")


class Rate:
    """A limit that is told. `used` and `idle` are its kind's lines but for what is left, for when something is used
    or not; `alone` are those where it is the tightest of all. What is used of two that are told together, each times
    its `weight`, compares as the shares do, in small integers where limits are round."""

    __slots__ = ("alone", "idle", "limit", "meter", "seconds", "used", "weight")

    def __init__(self, meter: Meter, kind: str, seconds: float, weight: int) -> None:
        self.meter = meter
        self.limit = meter.limit
        self.seconds = seconds
        self.weight = weight
        self.used, self.idle = (
            f"x-ratelimit-limit-{kind}: {meter.limit}\r\nx-ratelimit-reset-{kind}: {duration(reset)}\r\n"
            f"x-ratelimit-remaining-{kind}: "
            for reset in (seconds, 0.0)
        )
        self.alone = f"x-ratelimit-limit: {meter.limit}\r\nx-ratelimit-remaining: "


Told: TypeAlias = tuple[tuple[Rate, tuple[Rate, ...]], ...]  # by kind: one of them, and the others


def told(meters: Sequence[tuple[Meter, Limit]]) -> Told:
    """What is to be told of some limits; () where none of them is a rate."""
    whole = lcm(*(meter.limit for meter, limit in meters if limit.what in _KINDS))
    kinds = (
        tuple(Rate(meter, kind, limit.seconds, whole // meter.limit) for meter, limit in meters if limit.what == kind)
        for kind in _KINDS
    )
    return tuple((rates[0], rates[1:]) for rates in kinds if rates)


def lines(kinds: Told, wall: float) -> str:
    """The headers, each with its line end, of one kind at least. `wall`: now. Counters that are in this process have
    been moved to now."""
    text = ""
    tightest, most, remains = kinds[0][0], -1, 0  # whose share that is used is the largest, and what is left
    for nearest, others in kinds:
        used = nearest.meter.cell.total + nearest.meter.others
        share = used * nearest.weight
        for rate in others:
            here = rate.meter.cell.total + rate.meter.others
            if here * rate.weight > share:
                nearest, used, share = rate, here, here * rate.weight
        if used < 0:  # more came back to a lot than was used of it
            used = share = 0
        left = nearest.limit - used
        if left < 0:
            left = 0
        text += f"{nearest.used if used else nearest.idle}{left}\r\n"
        if share > most:
            tightest, most, remains = nearest, share, left
    resets = ceil(wall + tightest.seconds if most else wall)
    return f"{text}{tightest.alone}{remains}\r\nx-ratelimit-reset: {resets}\r\n"


def duration(seconds: float) -> str:
    """As Go writes it and the providers' own headers do: `250ms`, `6.5s`, `1m0s`, `2h3m4s`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"
