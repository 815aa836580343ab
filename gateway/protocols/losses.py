"""The ledger of one translation: what the target wire could not carry, each thing once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import Dropped, Finish, Request
from gateway.protocols.reading import object_of

# Fields of a client's wire that say nothing a target could miss. `item` and `wrapper` are for decoders: how the origin
# wrote what the IR says in another form, so that it can be written that way again.
_SILENT: Final = frozenset(("id", "object", "status", "index", "caller", "item", "wrapper"))

_UNUSUAL: Final = (Finish.CONTENT_FILTER, Finish.REFUSAL, Finish.PAUSE, Finish.MALFORMED_CALL, Finish.OTHER)


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

    def samplers(self, request: Request) -> None:
        """Reports the samplers that only some wires have, where they say more than the default does."""
        for name in ("seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"):
            value = getattr(request, name)
            if name == "seed" or value not in (False, 0, {}):  # a seed of 0 is one
                self.unless(value, name)

    def finish(self, finish: Finish, word: str, ordinary: str) -> None:
        """Reports an end that is not an ordinary one where the wire's word for it is that of one."""
        if word == ordinary and finish in _UNUSUAL:
            self.drop("finish_reason", f"the answer ended by {finish}, for which there is no word here")

    def object_of(self, arguments: str) -> Any:
        """The arguments of a call as an object, for wires that have one; text that is none is reported."""
        value = object_of(arguments)
        if value and (not arguments.lstrip().startswith("{") or value == {"input": arguments}):
            self.drop("tool_calls.arguments", "they are no JSON object; they stand in `input`")
        return value

    def all(self) -> tuple[Dropped, ...]:
        """Everything reported, in order."""
        return tuple(self._seen.values())


def merged(*many: Iterable[Dropped]) -> tuple[Dropped, ...]:
    """Several ledgers as one, each field once."""
    return tuple({each.field: each for some in many for each in some}.values())
