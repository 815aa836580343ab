"""What every target of a request must be, whatever path leads to it: `require` of policies, and what a key may reach.

They are asked of each target before it is tried, fallbacks, races and copies included, so that no strategy and no edit
of a route can get around one. Several hold together, each by its own name.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from gateway.routing.conditions import Words
    from gateway.routing.node import Target

N = TypeVar("N", int, float)


class Constraints(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Every one of `tags`, none of `not_tags`, one of `providers`, one of `models`; None is anything.

    `name` is whose word it is, for explanations. `also` holds as well.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    providers: Words | None = None
    models: Words | None = None
    also: Constraints | None = None

    @cached_property
    def kept(self) -> set[str]:
        """`Target.lanes` of those that were found to keep them: of one's lanes, all that is asked here is the same."""
        return set()

    def objection(self, target: Target) -> str | None:
        """Why a target is not to be tried, None where nothing speaks against it."""
        broken = self.broken(target)
        if broken is not None:
            return f"{broken[0]} requires {broken[1]}"
        self.kept.add(target.lanes)
        return None

    def broken(self, target: Target) -> tuple[str, str] | None:
        """(whose word, what it requires) of the first that a target does not keep."""
        for tag in self.tags:
            if tag not in target.tags:
                return self.name, f"the tag {tag!r}"
        for tag in self.not_tags:
            if tag in target.tags:
                return self.name, f"targets without the tag {tag!r}"
        if self.providers is not None and not self.providers.has(target.provider):
            return self.name, "another provider"
        if self.models is not None and not self.models.has(target.model):
            return self.name, "another model"
        return self.also.broken(target) if self.also is not None else None

    def within(self, outer: Constraints | None) -> Constraints:
        """These where others hold already."""
        if outer is None:
            return self
        also = outer if self.also is None else self.also.within(outer)
        return msgspec.structs.replace(self, also=also)


class Caps(msgspec.Struct, frozen=True):
    """Bounds over everything that is done for one request: sends, seconds, nano-dollars. None is no word."""

    attempts: int | None = None
    time: float | None = None
    cost: int | None = None

    def within(self, outer: Caps | None) -> Caps:
        """The tighter of each."""
        if outer is None:
            return self
        return Caps(_least(self.attempts, outer.attempts), _least(self.time, outer.time), _least(self.cost, outer.cost))


def _least(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
