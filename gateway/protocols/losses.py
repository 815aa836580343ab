"""The ledger of one translation: what the target wire could not carry, each thing once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import Dropped

# Fields of a client's wire that say nothing a target could miss. `item` and `wrapper` are for decoders: how the origin
# wrote what the IR says in another form, so that it can be written that way again.
_SILENT: Final = frozenset(("id", "object", "status", "index", "caller", "item", "wrapper"))


class Losses:
    """Collects `Dropped`. `wire` is the target's name for people."""

    __slots__ = ("_seen", "wire")

    def __init__(self, wire: str) -> None:
        self.wire = wire
        self._seen: dict[str, Dropped] = {}

    def drop(self, field: str, why: str) -> None:
        """Reports a field, once."""
        if field not in self._seen:
            self._seen[field] = Dropped(field, why)

    def unless(self, value: Any, field: str, why: str | None = None) -> None:
        """Reports a field that has a value, for a wire that has no such field. `null` says nothing."""
        if value is not None and value is not UNSET:
            self.drop(field, why or f"{self.wire} has no such parameter")

    def extras(self, extras: Mapping[str, Any] | None, prefix: str = "") -> None:
        """Reports the fields that only the origin knows."""
        if extras:
            for name, value in extras.items():
                if value is not None and name not in _SILENT:
                    self.drop(prefix + name, f"only the client's own wire knows it, not {self.wire}")

    def all(self) -> tuple[Dropped, ...]:
        """Everything reported, in order."""
        return tuple(self._seen.values())


def merged(*many: Iterable[Dropped]) -> tuple[Dropped, ...]:
    """Several ledgers as one, each field once."""
    return tuple({each.field: each for some in many for each in some}.values())
