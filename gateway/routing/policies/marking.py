"""What is said of a request and not in it: another route, tags, copies, bounds, no cache."""

from __future__ import annotations

import msgspec

from gateway.routing.constraints import Caps
from gateway.routing.policies.ruling import Mirror, Ruling


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


def reroute(action: Reroute, ruling: Ruling) -> None:
    """Leads it elsewhere."""
    ruling.route = action.to


def tag(action: Tag, ruling: Ruling) -> None:
    """Tags it, each tag once."""
    facts = ruling.job.facts
    for each in action.tags:
        if each not in facts.tags:
            facts.tags = (*facts.tags, each)


def cap(action: Cap, ruling: Ruling) -> None:
    """Bounds it; the tighter of two bounds holds."""
    ruling.job.caps = action.caps.within(ruling.job.caps)


def mirror(action: Mirror, ruling: Ruling) -> None:
    """Notes the copy that is to be sent."""
    ruling.mirrors.append(action)


def no_cache(_action: NoCache, ruling: Ruling) -> None:
    """Keeps it from the caches."""
    ruling.no_cache = True
