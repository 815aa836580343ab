"""An answer as it is kept, and given again.

Values come from a store that others may write to: what is not exactly such a value, of this very key, is nothing. An
answer is given again by the target that it came from, which must still be one of the route's.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from gateway.ir.chat import Dropped
from gateway.ir.usage import Usage
from gateway.routing.attempt import Answer
from gateway.routing.node import Node, Target, targets
from gateway.routing.sending import Job

_TYPE: Final = re.compile(r"[!-~][ -~]{0,200}")


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="answer1", forbid_unknown_fields=True):
    """`key` is the digest that it is kept under, `body` everything that the client got, before any other framing, `at`
    seconds since the epoch. `usage` is what it took to make it."""

    key: bytes
    target: str
    stream: bool
    content_type: str
    body: bytes
    at: float
    usage: Usage | None = None
    dropped: tuple[Dropped, ...] = ()


class Running(msgspec.Struct, frozen=True, array_like=True, tag="running1", forbid_unknown_fields=True):
    """The mark of a request that somebody works on. `asked` is the digest of what was asked."""

    asked: bytes


class Repeatable(msgspec.Struct, frozen=True, array_like=True, tag="done1", forbid_unknown_fields=True):
    """The answer to a request that may be sent again."""

    asked: bytes
    kept: Kept


_KEPT: Final = msgspec.msgpack.Decoder(Kept)
_MARK: Final = msgspec.msgpack.Decoder(Running | Repeatable)
encode: Final = msgspec.msgpack.Encoder().encode


def kept_of(data: bytes | None, key: bytes) -> Kept | None:
    """The answer that is kept under a key; None for anything else."""
    if data is None:
        return None
    try:
        kept = _KEPT.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return kept if kept.key == key and _TYPE.fullmatch(kept.content_type) else None


def mark_of(data: bytes | None) -> Running | Repeatable | None:
    """What is known of a repeatable request; None for anything else."""
    if data is None:
        return None
    try:
        mark = _MARK.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return None if isinstance(mark, Repeatable) and not _TYPE.fullmatch(mark.kept.content_type) else mark


class Replay(Answer):
    """An answer that was kept: nobody is asked, nothing is used."""

    __slots__ = ()

    def __init__(self, kept: Kept, target: Target) -> None:
        super().__init__(target, None, None, None, kept.body, None, kept.content_type, kept.dropped, _nothing)
        self.stream = kept.stream

    async def more(self) -> bytes:
        """Everything was in `body`."""
        return b""


def _nothing(_usage: Usage | None) -> None:
    pass


def replay_of(kept: Kept, node: Node, job: Job) -> Replay | None:
    """The answer again, for a request. None where its target is not the route's any more or may not be reached for
    this one, and where it is of the other kind."""
    if kept.stream is not job.head.stream:
        return None
    if isinstance(node, Target):
        target = node if node.name == kept.target else None
    else:
        target = next((each for each in targets(node) if each.name == kept.target), None)
    if target is None or (job.constraints is not None and job.constraints.objection(target) is not None):
        return None
    return Replay(kept, target)
