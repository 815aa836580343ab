"""Strategies that execute: children that take part together. One file each, one row each.

A contest is a coroutine over (contest, ring) that gives one answer or one failure. It writes to no client: exactly one
of its answers goes on to whoever asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from gateway.routing.contests import mirror, panel, pipeline, race
from gateway.routing.contests.ring import Outcome, Ring
from gateway.routing.walk import Contest

Run: TypeAlias = Callable[[Contest, Ring], Awaitable[Outcome]]

CONTESTS: Final[dict[str, Run]] = {
    "race": race.run,
    "mirror": mirror.run,
    "panel": panel.run,
    "pipeline": pipeline.run,
}
