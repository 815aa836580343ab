"""Two revisions side by side: which sessions the new one serves, what became of each one's requests, and the judgment.

All of it is plain computing. A session falls to the new revision by a hash of what it is called and of that revision,
so that every worker decides alike and nothing is remembered. `Watch` counts ended requests by revision in one worker;
`Seen` is such a count as it travels and adds up; `judge` compares the two of the same minutes.

A request failed where the gateway or a provider could not do it: a 5xx, a stream that broke off, a kind of failure that
a target is the reason of. What only the client or a rule of the file decides (a bad request, a filtered prompt, an
unknown key, a limit, a client that left) is told by its kind and judges nothing: a revoked key calls on for hours, and
would take back the very change that revoked it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import exp, log, log2
from typing import Final

import msgspec

from gateway.config.model_rules import AbortIf
from gateway.events import Finished
from gateway.failure import Kind

CHANCE: Final = 0.001  # of as many failures from the old revision's own rate: less than that is no chance
_FIRST: Final = 0.001  # seconds of the first cell of times
_STEPS: Final = 8  # cells from a time to its double
_CELLS: Final = 192  # up to 4.7 hours
_NOT_ITS_DOING: Final = frozenset((Kind.CANCELLED, Kind.BUDGET, Kind.INVALID_REQUEST, Kind.CONTENT_FILTER))
_KINDS: Final = frozenset(Kind) - _NOT_ITS_DOING


def falls_to(revision: str, share: float, session: str) -> bool:
    """Whether a new revision that serves `share` (0 to 1) of the sessions serves this one. "" is no session: never."""
    if not session:
        return False
    digest = blake2b(session.encode("utf-8", "surrogatepass"), digest_size=8, key=revision[:64].encode()).digest()
    return int.from_bytes(digest, "big") < share * 2**64


class Seen(msgspec.Struct, frozen=True):
    """What became of the requests of one revision: how many ended, how many of them failed, of which kinds all that
    were no answer were, and the times until answers began, in cells."""

    requests: int = 0
    failed: int = 0
    kinds: dict[str, int] = {}
    times: tuple[int, ...] = (0,) * _CELLS

    @property
    def rate(self) -> float:
        """The share that failed; 0 where there were none."""
        return self.failed / self.requests if self.requests else 0.0

    @property
    def answered(self) -> int:
        """Requests with a time."""
        return sum(self.times)

    def median(self) -> float | None:
        """Seconds until an answer began, of the one in the middle; to a twentieth of itself."""
        half = self.answered / 2
        below = 0
        for cell, count in enumerate(self.times):
            if count and below + count >= half:
                return float(_FIRST * 2 ** ((cell + (half - below) / count) / _STEPS))
            below += count
        return None


def together(seen: Iterable[Seen]) -> Seen:
    """The sum."""
    requests = failed = 0
    kinds: dict[str, int] = {}
    times = [0] * _CELLS
    for each in seen:
        requests += each.requests
        failed += each.failed
        for kind, count in each.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
        times = [mine + its for mine, its in zip(times, each.times, strict=True)]
    return Seen(requests, failed, kinds, tuple(times))


class _Count:
    """A `Seen` that grows."""

    __slots__ = ("failed", "kinds", "requests", "times")

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.kinds: dict[str, int] = {}
        self.times = [0] * _CELLS


class Watch:
    """Ended requests of one worker by revision (as `Finished` writes it), since it was made."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def __call__(self, event: Finished) -> None:
        """Takes in one that ended."""
        count = self._counts.get(event.revision)
        if count is None:
            count = self._counts[event.revision] = _Count()
        count.requests += 1
        if failed(event):
            count.failed += 1
        if event.kind is not None:
            count.kinds[event.kind] = count.kinds.get(event.kind, 0) + 1
        elif event.status < 400:
            count.times[_cell(event.first_content if event.first_content is not None else event.seconds)] += 1

    def seen(self) -> dict[str, Seen]:
        """The counts so far."""
        return {
            revision: Seen(count.requests, count.failed, dict(count.kinds), tuple(count.times))
            for revision, count in self._counts.items()
        }


def failed(event: Finished) -> bool:
    """Whether a request failed in a way that judges the revision that served it."""
    return event.kind in _KINDS or (event.status >= 500 and event.kind not in _NOT_ITS_DOING)


def _cell(seconds: float) -> int:
    return min(_CELLS - 1, max(0, int(log2(seconds / _FIRST) * _STEPS))) if seconds > _FIRST else 0


def judge(old: Seen, new: Seen, rules: AbortIf, *, last: bool = False) -> str | None:
    """Why the new revision is to be taken back; None where nothing speaks against it.

    Before `rules.min_requests` it is not judged, but for the `last` time, at the end of its time: then what was seen
    has to do, and chance alone protects it.
    """
    if new.requests < rules.min_requests and not last:
        return None
    bound = old.rate + rules.error_rate
    if new.rate > bound and _chance(new.failed, new.requests, bound) < CHANCE:
        most = sorted(new.kinds.items(), key=lambda item: (-item[1], item[0]))[:3]
        kinds = ", ".join(f"{kind} {count}" for kind, count in most)
        return (
            f"{new.failed} of its {new.requests} requests failed ({_percent(new.rate)}; {kinds}), of the old "
            f"revision's {old.failed} of {old.requests} ({_percent(old.rate)}); `error_rate` allows "
            f"{_percent(rules.error_rate)} more"
        )
    before, now = old.median(), new.median()
    if rules.slower is None or before is None or now is None or min(old.answered, new.answered) < rules.min_requests:
        return None
    if now > before * (1 + rules.slower):
        return (
            f"half of its answers began after {_seconds(now)}, of the old revision's after {_seconds(before)}; "
            f"`slower` allows {_percent(rules.slower)} more"
        )
    return None


def _chance(failed_: int, requests: int, rate: float) -> float:
    """A bound on how likely so many failures or more are where each request fails at `rate` (Chernoff's)."""
    share = failed_ / requests
    if not 0 < rate < 1:
        return 0.0 if rate <= 0 else 1.0
    distance = share * log(share / rate) + ((1 - share) * log((1 - share) / (1 - rate)) if share < 1 else 0.0)
    return exp(-requests * distance)


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"
