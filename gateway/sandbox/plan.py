"""What an upstream does, step by step, still without I/O: the sandbox in process and on a socket both follow it."""

from __future__ import annotations

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


class Plan(msgspec.Struct, frozen=True):
    """`before` precedes the head; `steps` are the body. A body that is one `bytes` has a content-length."""

    status: int
    headers: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    before: tuple[Step, ...] = ()
