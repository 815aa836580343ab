"""What a wire is to the rest of the gateway: a record of functions.

A request that leaves on another wire than it came in on is *translated*: decoded into the IR, encoded from it, and its
answer the same way back. One that leaves on the same wire is *forwarded*: its head is read, `model` is patched, and
every other value passes as the bytes that the client wrote. `StreamSniffer` watches the bytes of an answer go by for
what routing and accounting must know (content, usage, errors, the end), and holds no more than one incomplete frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from typing import Protocol as Interface

import msgspec

from gateway.failure import Failure, Refusal
from gateway.ir.chat import Dropped, Event, Request, Response
from gateway.ir.usage import Usage

Fields: TypeAlias = dict[str, msgspec.Raw]
Headers: TypeAlias = Mapping[str, str]  # names in lower case


class Head(msgspec.Struct, frozen=True):
    """What routing needs of a request, its top-level fields undecoded in the order they were written, and its bytes."""

    model: str
    stream: bool
    fields: Fields
    body: bytes


class Edits(msgspec.Struct, frozen=True):
    """Changes of top-level fields that the configuration asks for: JSON text by field name.

    `default` fills what the caller left out, `set` always wins, `drop` removes; applied in the order drop,
    default, set. `model_in_body` is False for hosts that name the model elsewhere.
    """

    default: tuple[tuple[str, bytes], ...] = ()
    set: tuple[tuple[str, bytes], ...] = ()
    drop: tuple[str, ...] = ()
    model_in_body: bool = True


class Forwarded(msgspec.Struct, frozen=True):
    """A request body ready to be sent. `strip_usage`: the usage frame was asked for by us, not by the client."""

    body: bytes
    strip_usage: bool


class Dialect(msgspec.Struct, frozen=True):
    """How one provider speaks a wire: the upstream's id of the model, and the names of its quirks.

    What a quirk means is said by the wire that reads it; which provider has it, by the provider's row.
    """

    provider: str
    model: str
    quirks: frozenset[str] = frozenset()


class Encoded(msgspec.Struct, frozen=True):
    """A body, still as values, and what the wire could not carry. `answer_tool`: see translate.py."""

    body: dict[str, Any]
    dropped: tuple[Dropped, ...] = ()
    answer_tool: str | None = None


class StreamDecoder(Interface):
    """Reads one streamed answer: `feed` takes bytes, however they were cut, and gives the events that are complete.

    After a `Broke` nothing more is fed. `close` is told of the end of the body. `ended` is set once the wire's own
    last event has come; a body that ends without one is an interrupted stream.
    """

    ended: bool

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]: ...


class StreamEncoder(Interface):
    """Writes one streamed answer. `push` gives the bytes of an event, `close` the end of a good stream.

    `dropped` is what could not be said so far.
    """

    @property
    def dropped(self) -> tuple[Dropped, ...]: ...

    def push(self, event: Event) -> bytes: ...

    def close(self) -> bytes: ...


class Frames(Interface):
    """Another framing of a stream, which then is JSON: bytes of the protocol's own framing go in."""

    def feed(self, data: bytes) -> bytes: ...

    def close(self) -> bytes: ...


class StreamSniffer(Interface):
    """Watches one streamed answer. `feed` returns what may go to the client now, cut at frame boundaries.

    Nothing is returned before `content` is True. `failure` is set as soon as the stream carries an error or cannot
    be one of this wire; nothing more is fed after that. `finish` is told of the end of the body and returns the
    last bytes; it sets `failure` where the stream ended too early.
    """

    @property
    def content(self) -> bool: ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def failure(self) -> Failure | None: ...

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def no_clients(*_: Any) -> Any:
    """Stands where a wire that no client speaks has nothing."""
    raise LookupError("no client speaks this wire")


def ends(_dialect: Dialect) -> bool:
    """Stands where no model goes on with what was said."""
    return False


def same(_encoder: Any, _told: bytes) -> None:
    """Stands where an encoder needs to know nothing else to go on."""


class Counting(msgspec.Struct, frozen=True, kw_only=True):
    """Counting a prompt's tokens without an answer.

    - `endpoint`: upstream id → path below a base URL. `body`: the fields of a request's body, upstream id → what is
      asked there. `decode`: a 2xx body → tokens. Raises `Malformed`.
    - `decode_head`: a client's body, the model where the path says it → Head. Raises `Refused`.
    - `encode`: tokens → the client's answer.
    """

    endpoint: Callable[[str], str]
    body: Callable[[dict[str, Any], str], dict[str, Any]]
    decode: Callable[[bytes], int]
    decode_head: Callable[[bytes, str | None], Head] = no_clients
    encode: Callable[[int], bytes] = no_clients


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """One wire. A client's wire has all of it; one that only providers speak lacks what reads clients.

    - `endpoint`: upstream model id, streamed? → path and query below a provider's base URL.
    - `decode_head`: request body, model and streaming where the path says them → Head. Raises `Refused` (400).
    - `encode_forwarded`: Head, upstream model id, Edits, whether to ask for usage in a stream → body.
    - `decode_answer`: a whole 2xx body → its usage. Raises `Failed(bad_response)`, or the failure it carries.
    - `decode_error`: status, headers, body, seconds since the epoch → Failure.
    - `stream_sniffer`: strip usage? → a watcher of forwarded bytes.
    - `decode_request`, `decode_response`: wire → IR. Raise `Malformed` (reading.py), the latter also `Failed`.
    - `encode_request`, `encode_response`: IR → wire, with what was lost.
    - `stream_decoder`, `stream_encoder`: the same for streams; the encoder gets the request and the epoch's seconds.
    - `continues`: whether a model goes on with an assistant's message at the end of the conversation, for a request
      that says so (`Request.continues`). `stream_resumed`: an encoder that was told what these bytes say, the bytes →
      the encoder goes on as who wrote them.
    - `encode_error`: Refusal, request id → body. `encode_stream_error`: the same inside a stream that has begun.
    """

    name: str
    endpoint: Callable[[str, bool], str]
    content_type: str  # of a streamed answer
    auth: str = "bearer"  # how providers of this wire are usually signed to (providers/auth.py)
    headers: tuple[tuple[str, str], ...] = ()  # sent with every request
    forwards: tuple[str, ...] = ()  # headers of a client that speaks the same wire which are sent on
    keep_alive: bytes = b""  # a frame that every client of this wire ignores
    decode_head: Callable[[bytes, str | None, bool | None], Head] = no_clients
    encode_forwarded: Callable[[Head, str, Edits, bool], Forwarded] = no_clients
    decode_answer: Callable[[bytes], Usage | None] = no_clients
    decode_error: Callable[[int, Headers, bytes, float], Failure]
    stream_sniffer: Callable[[bool], StreamSniffer] = no_clients
    decode_request: Callable[[Head], Request] = no_clients
    encode_request: Callable[[Request, Dialect], Encoded]
    decode_response: Callable[[bytes], Response]
    encode_response: Callable[[Response, Request], Encoded] = no_clients
    stream_decoder: Callable[[], StreamDecoder]
    stream_encoder: Callable[[Request, int], StreamEncoder] = no_clients
    continues: Callable[[Dialect], bool] = ends
    stream_resumed: Callable[[Any, bytes], None] = same
    counting: Counting | None = None
    encode_error: Callable[[Refusal, str], bytes] = no_clients
    encode_stream_error: Callable[[Refusal, str], bytes] = no_clients
