"""What a scenario did to a route, in numbers, and the grade they earn.

A route survives where every client got a whole answer in good time and traffic came back by itself. Grades:

- by the share of requests during the outage whose client was served: all A, from 95 % B, from 80 % C, from 50 % D,
  else F. Where everybody is down nobody can be served: what counts then is a clean refusal (429 or 5xx with a code);
- one grade less where the longest request took more than `SLOW` seconds beyond a healthy one, two where it took more
  than `VERY_SLOW`;
- one grade less where the primary provider did not answer again within `BACK_MOST` seconds of its recovery.

`survives` is A, `fails` is F, `degrades` is what lies between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.drill.scenarios import Reach, Scenario
from gateway.drill.stage import Seen

GRADES: Final = "ABCDF"
SLOW: Final = 10.0
VERY_SLOW: Final = 50.0
BACK_MOST: Final = 600.0  # virtual seconds
_SHARES: Final = ((1.0, 0), (0.95, 1), (0.8, 2), (0.5, 3))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario on one route. Seconds are virtual.

    `requests` were sent during the outage, of which `whole`, `refused`, `broken` and `hung` say what clients saw;
    `saw` counts that by words (`503 upstream_error`). `sends` is the most that one request cost, `slowest` the longest.
    `back`: seconds from the recovery to the primary's first whole answer, None where there was none in time.
    """

    scenario: str
    requests: int
    whole: int
    refused: int
    broken: int
    hung: int
    saw: dict[str, int]
    sends: int
    slowest: float
    back: float | None
    grade: str
    verdict: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A route's scorecard. `healthy` is the longest of its requests before any fault, in seconds, `primary` the
    provider that answered most of them. `problem`: why it could not be drilled, "" where it was; then it has no
    outcomes."""

    route: str
    targets: tuple[str, ...]
    primary: str
    healthy: float
    grade: str
    outcomes: tuple[Outcome, ...] = ()
    problem: str = ""

    @property
    def survived(self) -> int:
        """How many scenarios."""
        return sum(outcome.verdict == "survives" for outcome in self.outcomes)


def judged(scenario: Scenario, ill: Sequence[Seen], back: float | None, healthy: float) -> Outcome:
    """The outcome of what clients saw while somebody was ill; see the module."""
    good = [seen for seen in ill if _served(seen, scenario.reach is Reach.ALL)]
    share = len(good) / len(ill)
    points = next((lost for least, lost in _SHARES if share >= least), 4)
    slowest = max(seen.seconds for seen in ill)
    points += (slowest > healthy + SLOW) + (slowest > healthy + VERY_SLOW)
    points += back is None and not scenario.rests
    grade = GRADES[min(points, 4)]
    saw: dict[str, int] = {}
    for seen in ill:
        if seen.end != "whole":
            words = f"{seen.status} {seen.code}" if seen.end == "refused" else f"{seen.end}: {seen.code}"
            saw[words] = saw.get(words, 0) + 1
    counts = {end: sum(seen.end == end for seen in ill) for end in ("whole", "refused", "broken", "hung")}
    return Outcome(
        scenario=scenario.name,
        requests=len(ill),
        **counts,
        saw=saw,
        sends=max(seen.sends for seen in ill),
        slowest=slowest,
        back=back,
        grade=grade,
        verdict={"A": "survives", "F": "fails"}.get(grade, "degrades"),
    )


def _served(seen: Seen, refusal_will_do: bool) -> bool:
    clean = seen.end == "refused" and (seen.status == 429 or seen.status >= 500) and seen.code not in ("", "unreadable")
    return seen.end == "whole" or (refusal_will_do and clean)


def worst(grades: Sequence[str]) -> str:
    """The lowest of some grades, A of none."""
    return max(grades, key=GRADES.index, default="A")
