"""What is said of a request and not in it: another route, tags, copies, bounds, no cache."""

from __future__ import annotations

import msgspec

from gateway.routing.constraints import Caps
from gateway.routing.policies.ruling import Hearing, Mirror


class Reroute(msgspec.Struct, frozen=True, tag=True):
    """Another route than the one that was asked for."""

    to: str


class Tag(msgspec.Struct, frozen=True, tag=True):
    """Tags that it gets."""

    tags: tuple[str, ...]


class Cap(msgspec.Struct, frozen=True, tag=True):
    """Bounds over all that is done for it."""

    caps: Caps


class NoCache(msgspec.Struct, frozen=True, tag=True):
    """It is neither answered from a cache nor kept in one."""


def reroute(action: Reroute, hearing: Hearing) -> None:
    """Leads it elsewhere."""
    hearing.route = action.to


def tag(action: Tag, hearing: Hearing) -> None:
    """Tags it, each tag once."""
    facts = hearing.job.facts
    for each in action.tags:
        if each not in facts.tags:
            facts.tags = (*facts.tags, each)


def cap(action: Cap, hearing: Hearing) -> None:
    """Bounds it; the tighter of two bounds holds."""
    hearing.job.caps = action.caps.within(hearing.job.caps)


def mirror(action: Mirror, hearing: Hearing) -> None:
    """Notes the copy that is to be sent."""
    hearing.mirrors.append(action)


def no_cache(_action: NoCache, hearing: Hearing) -> None:
    """Keeps it from the caches."""
    hearing.no_cache = True
