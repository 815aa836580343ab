"""What a supervisor and its workers say to each other, and how: framed msgpack over a socket pair.

A configuration travels as `Prepare` → `Prepared` from every worker → `Commit`, or `Abort` for all when one cannot. One
that is tried out is committed with a share below 1, and later prepared and committed as any, or ended by `Withdraw`.
Whoever reads the end of the stream knows that the other side is gone.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final, TypeAlias

import msgspec

_LENGTH: Final = 4
_MOST: Final = 256 << 20


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all messages; the class name is the tag on the wire."""


class Prepare(Message, frozen=True):
    """Supervisor → worker: build this and keep it ready. `payload` is the checked configuration and its secrets; one on
    `trial` has breakers of its own."""

    revision: str
    payload: bytes
    trial: bool = False


class Prepared(Message, frozen=True):
    """Worker → supervisor. `error` None: ready to commit."""

    revision: str
    error: str | None = None


class Commit(Message, frozen=True):
    """Supervisor → worker: the prepared revision is in force now, or serves `share` (0 to 1) of the sessions beside the
    one in force."""

    revision: str
    share: float = 1.0


class Committed(Message, frozen=True):
    """Worker → supervisor: what `Commit` or `Withdraw` said holds for every request that begins from now on."""

    revision: str


class Withdraw(Message, frozen=True):
    """Supervisor → worker: the revision that is tried out serves nobody any more. Answered by `Committed`."""

    revision: str


class Abort(Message, frozen=True):
    """Supervisor → worker: forget what was prepared."""

    revision: str


class Status(Message, frozen=True):
    """Supervisor → worker: what /health says; JSON text."""

    json: bytes


class Stop(Message, frozen=True):
    """Supervisor → worker: finish what was begun, then exit."""


class AskChange(Message, frozen=True):
    """Worker → supervisor: an operator wants a change, or to know of them. `what` is reload, rollback or audit, `who`
    the operator's key, `to` the revision of a rollback. Answered by `Reply` with the same id: JSON."""

    id: int
    what: str
    who: str = ""
    to: str = ""


class AskMetrics(Message, frozen=True):
    """Worker → supervisor: the snapshots of all workers, please. Answered by `Reply`: a msgpack list of bytes."""

    id: int


class Reply(Message, frozen=True):
    """Supervisor → worker: the answer to an Ask."""

    id: int
    body: bytes


class TakeSnapshot(Message, frozen=True):
    """Supervisor → worker: its counters, please; with `trial`, how the trial of a revision goes instead."""

    id: int
    trial: bool = False


class Snapshot(Message, frozen=True):
    """Worker → supervisor: its counters, as telemetry writes them; of a trial a msgpack map of `Seen` by revision."""

    id: int
    body: bytes


AnyMessage: TypeAlias = (
    Prepare
    | Prepared
    | Commit
    | Committed
    | Abort
    | Withdraw
    | Status
    | Stop
    | AskChange
    | AskMetrics
    | Reply
    | TakeSnapshot
    | Snapshot
)

_DECODER: Final = msgspec.msgpack.Decoder(AnyMessage)


class Channel:
    """One end. Sending never blocks; `receive` gives the next message, None when the other side is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Channel:
        """A channel over one end of a connected socket pair."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    def send(self, message: Message) -> None:
        """Queues a message; a peer that is gone is noticed by `receive`, not here."""
        if self._writer.is_closing():
            return
        body = msgspec.msgpack.encode(message)
        self._writer.write(len(body).to_bytes(_LENGTH, "big") + body)

    async def receive(self) -> AnyMessage | None:
        """The next message, None at the end."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
            if length > _MOST:
                return None
            message: AnyMessage = _DECODER.decode(await self._reader.readexactly(length))
            return message
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        """Ends the channel; the other side reads its end."""
        self._writer.close()
