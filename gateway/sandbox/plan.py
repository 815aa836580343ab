"""What an upstream does, step by step, still without I/O: the sandbox in process and on a socket both follow it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeAlias

import msgspec


class Pause(msgspec.Struct, frozen=True):
    """Nothing for so many seconds."""

    seconds: float


class End(StrEnum):
    """An end that is none of a good response."""

    RESET = "reset"
    STALL = "stall"


Step: TypeAlias = bytes | Pause | End


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`before` precedes the head. The body is `body`, or, where that is None, the steps, which are read once.

    `length` is the content-length of steps, None where the steps decide it. `repeatable` says that the same request
    always has the same plan; a plan that depends on what came before (`fail=N`) is not.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    steps: Iterable[Step] = ()
    length: int | None = None
    before: tuple[Step, ...] = ()
    repeatable: bool = True
