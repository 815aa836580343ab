"""From one wire to another: what routing calls when a request leaves on a wire that it did not come in on.

A `Translation` of a stream is a `contract.StreamSniffer`: bytes of the upstream's wire go in, bytes of the client's
come out, and content, usage and failure are known as they pass. `answer_tool` is the tool that stands for a structured
answer where the upstream's wire has no better way to ask for one: its arguments are the answer's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.failure import BLOCKED, Failed, Failure, Kind
from gateway.ir.chat import (
    Began,
    Broke,
    Choice,
    Closed,
    Counted,
    Dropped,
    Ended,
    Event,
    Finish,
    Opened,
    Part,
    Piece,
    Request,
    Response,
    Sealed,
    Text,
    ToolCall,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.contract import Dialect, Encoded, Head, Protocol, StreamDecoder, StreamEncoder
from gateway.protocols.losses import merged
from gateway.protocols.plain import in_words
from gateway.protocols.reading import Malformed

_HELD_MOST: Final = 1 << 20


def request_of(protocol: Protocol, head: Head) -> Request:
    """The client's request in the IR. Raises `Refused` (400) naming the field that is wrong."""
    try:
        return protocol.decode_request(head)
    except Malformed as malformed:
        raise malformed.refused() from None


def encoded(upstream: Protocol, request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and everything that was lost on the way to it."""
    if upstream.name == request.origin:
        return upstream.encode_request(request, dialect)
    worded, dropped = in_words(request)
    out = upstream.encode_request(worded, dialect)
    return msgspec.structs.replace(out, dropped=merged(dropped, out.dropped)) if dropped else out


def answer(
    upstream: Protocol,
    client: Protocol,
    request: Request,
    body: bytes,
    answer_tool: str | None,
    now: int,
    id_: str = "",
    through: Callable[[Response], Response] | None = None,
    spent: Usage | None = None,
) -> tuple[Encoded, Usage | None]:
    """A whole 2xx answer on the client's wire, and its own usage. `now`: seconds since the epoch. `id_` and `spent` as
    in `Translation`.

    `through` is what the answer has to pass. Raises `Failed`.
    """
    response = response_of(upstream, body)
    if answer_tool is not None:
        response = untooled(response, answer_tool)
    if through is not None:
        response = through(response)
    if not (response.id and response.created and response.model):
        response = msgspec.structs.replace(
            response,
            id=response.id or id_,
            created=response.created or now,
            model=response.model or request.model,
        )
    usage = response.usage
    if spent is not None:
        response = msgspec.structs.replace(response, usage=spent.plus(usage) if usage is not None else spent)
    return client.encode_response(response, request), usage


def response_of(upstream: Protocol, body: bytes) -> Response:
    """A whole 2xx answer in the IR. Raises `Failed`: its own error, or `bad_response` for what cannot be read."""
    try:
        response = upstream.decode_response(body)
    except Malformed as malformed:
        raise malformed.failed() from None
    if any(choice.finish is Finish.MALFORMED_CALL and not choice.parts for choice in response.choices):
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the model wrote a tool call that cannot be read"))
    return response


def untooled(response: Response, tool: str) -> Response:
    """The answer with calls of `tool` as text."""

    def of(choice: Choice) -> Choice:
        parts: list[Part] = [
            Text(part.arguments) if isinstance(part, ToolCall) and part.name == tool else part for part in choice.parts
        ]
        calls = any(isinstance(part, ToolCall) for part in parts)
        finish = Finish.STOP if choice.finish is Finish.TOOL_CALLS and not calls else choice.finish
        return msgspec.structs.replace(choice, parts=tuple(parts), finish=finish)

    return msgspec.structs.replace(response, choices=tuple(of(choice) for choice in response.choices))


class Translation:
    """See `contract.StreamSniffer`. Nothing is given before there is content, so that a fallback stays invisible.

    `model` is the name that was asked for, said to the client where the upstream's wire names none; `id_` stands for
    the answer's id where that wire has none. Clients tell answers apart by it. `through` is what events have to pass
    before the client is told of them; it raises `Failed` where one may not. `spent` is added to the usage that the
    client sees; `usage` is the upstream's own.
    """

    __slots__ = (
        "_calls",
        "_closed",
        "_decoder",
        "_encoder",
        "_held",
        "_id",
        "_model",
        "_size",
        "_spent",
        "_through",
        "_tool",
        "content",
        "failure",
        "usage",
    )

    def __init__(
        self,
        decoder: StreamDecoder,
        encoder: StreamEncoder,
        answer_tool: str | None = None,
        model: str = "",
        id_: str = "",
        through: Callable[[Event], Iterable[Event]] | None = None,
        spent: Usage | None = None,
    ) -> None:
        self._through = through
        self.content = False
        self.usage: Usage | None = None
        self.failure: Failure | None = None
        self._decoder = decoder
        self._encoder = encoder
        self._tool = answer_tool
        self._model = model
        self._id = id_
        self._spent = spent
        self._calls = False
        self._held: list[bytes] = []
        self._size = 0
        self._closed = False

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What the client's wire could not say so far."""
        return self._encoder.dropped

    @property
    def encoder(self) -> StreamEncoder:
        """What writes it."""
        return self._encoder

    @property
    def spent(self) -> Usage | None:
        """What is added to the usage that the client sees."""
        return self._spent

    def feed(self, data: bytes) -> bytes:
        """Takes the upstream's next bytes; returns whole frames for the client, b"" while there are none."""
        if self.failure is not None or self._closed:
            return b""
        out = self._push(self._decoder.feed(data))
        if self._decoder.ended and self.failure is None:
            out += self._end()
        return out

    def finish(self) -> bytes:
        """Takes the end of the body; the last bytes for the client."""
        if self.failure is not None or self._closed:
            return b""
        out = self._push(self._decoder.close())
        if self.failure is not None:
            return out
        if self._decoder.ended:
            return out + self._end()
        kind = Kind.INTERRUPTED if self.content else Kind.BAD_RESPONSE
        self.failure = Failure(kind=kind, message="the stream ended before its answer did")
        return out

    def _end(self) -> bytes:
        self._closed = True
        if not self.content:
            self.failure = Failure(kind=Kind.BAD_RESPONSE, message="the stream ended before it said anything")
            return b""
        if self._spent is not None and self.usage is None:
            return self._encoder.push(Counted(self._spent)) + self._encoder.close()
        return self._encoder.close()

    def _push(self, events: Iterable[Event]) -> bytes:
        if self._tool is not None:
            events = self._untooled(events)
        if self._through is not None:
            events = self._passed(events, self._through)
        out: list[bytes] = []
        push = self._encoder.push
        for event in events:
            kind = event.__class__
            if kind is not Piece:
                if kind is Broke:
                    self._break(event.failure)  # type: ignore[union-attr]  # narrowed by its class
                    break
                if kind is Counted or (kind is Began and event.usage is not None):  # type: ignore[union-attr]
                    self.usage = event.usage  # type: ignore[union-attr]
                    if self._spent is not None and self.usage is not None:
                        event = msgspec.structs.replace(event, usage=self._spent.plus(self.usage))
                if kind is Began and not (event.model and event.id):  # type: ignore[union-attr]
                    event = msgspec.structs.replace(event, model=event.model or self._model, id=event.id or self._id)  # type: ignore[union-attr]
                if kind is Ended and event.finish is Finish.MALFORMED_CALL:  # type: ignore[union-attr]
                    message = "the model wrote a tool call that cannot be read"
                    self._break(Failure(kind=Kind.BAD_RESPONSE, message=message))
                    break
            out.append(push(event))
            if not self.content and _bears_content(event):
                self.content = True
                out, self._held = [*self._held, *out], []
        written = b"".join(out)
        if self.content:
            return written
        self._held.append(written)
        self._size += len(written)
        if self._size > _HELD_MOST:
            self._break(Failure(kind=Kind.BAD_RESPONSE, message="the stream sent 1 MiB without content"))
        return b""

    def _break(self, failure: Failure) -> None:
        stands = not self.content or failure.code == BLOCKED
        self.failure = failure if stands else msgspec.structs.replace(failure, kind=Kind.INTERRUPTED)

    def _passed(self, events: Iterable[Event], through: Callable[[Event], Iterable[Event]]) -> Iterable[Event]:
        for event in events:
            try:
                yield from through(event)
            except Failed as failed:
                yield Broke(failed.failure)
                return

    def _untooled(self, events: Iterable[Event]) -> Iterable[Event]:
        for event in events:
            if isinstance(event, Opened) and event.kind == "tool_call":
                if event.name == self._tool:
                    yield Opened(event.block, "text", choice=event.choice)
                    continue
                self._calls = True
            elif isinstance(event, Ended) and event.finish is Finish.TOOL_CALLS and not self._calls:
                yield Ended(Finish.STOP, event.choice)
                continue
            yield event


def _bears_content(event: Event) -> bool:
    match event:
        case Piece(_, text):
            return bool(text)
        case Opened(_, kind):
            return kind == "tool_call"
        case Ended() | Whole():
            return True
        case Sealed(_, _, redacted):
            return redacted is not None
    return False


class Sequencer:
    """Events of one block at a time, for wires whose blocks follow one another: what belongs to a later block waits
    until the one before it is closed."""

    __slots__ = ("_current", "_waiting")

    def __init__(self) -> None:
        self._current: int | None = None
        self._waiting: dict[int, list[Event]] = {}

    def order(self, event: Event) -> list[Event]:
        """The events that may be written now, in order."""
        block = getattr(event, "block", None)
        if block is None:
            return [event]
        if self._current is None and isinstance(event, Opened):
            self._current = block
        elif self._current is not None and block != self._current:
            self._waiting.setdefault(block, []).append(event)
            return []
        out = [event]
        if isinstance(event, Closed) and block == self._current:
            self._current = None
            while self._waiting and self._current is None:
                first = next(iter(self._waiting))
                events = self._waiting.pop(first)
                out += events
                if not isinstance(events[-1], Closed | Whole):
                    self._current = first
        return out
