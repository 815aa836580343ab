"""What stands between a decision to send and the send: limits of the target and its credential, and money.

A gate gives a `Hold` on what one send may use, or the failure that says why not. Every hold ends in exactly one of
`settle` (an answer came; its usage where it is known) and `release` (nothing was used). A failure of the gate is no
failure of the target: nobody's health is judged by it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from gateway.failure import Failure
from gateway.ir.usage import Usage

if TYPE_CHECKING:
    from gateway.routing.node import Target
    from gateway.routing.runtime import Lane
    from gateway.routing.sending import Job


class Hold(Protocol):
    """See the module."""

    def settle(self, usage: Usage | None) -> None: ...

    def release(self) -> None: ...


class Nothing:
    """The hold on nothing."""

    __slots__ = ()

    def settle(self, usage: Usage | None) -> None:
        """Nothing was held."""

    def release(self) -> None:
        """Nothing was held."""


NOTHING: Final = Nothing()

# None where this send passes no gate: most requests of most files await nothing here.
Gate: TypeAlias = Callable[["Target", "Lane", "Job"], Awaitable[Hold | Failure] | None]


def open_gate(_target: Target, _lane: Lane, _job: Job) -> None:
    """The gate of a file without limits and budgets."""
    return
