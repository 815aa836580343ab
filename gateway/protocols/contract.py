"""What a wire is to the rest of the gateway: a record of functions.

A request that leaves on the wire it came in on is *forwarded*: its head is read, `model` is patched, and every other
value passes as the bytes that the client wrote. `StreamSniffer` watches the bytes of an answer go by for what routing
and accounting must know (content, usage, errors, the end), and holds no more than one incomplete frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol as Interface
from typing import TypeAlias

import msgspec

from gateway.failure import Failure, Refusal
from gateway.ir.usage import Usage

Fields: TypeAlias = dict[str, msgspec.Raw]
Headers: TypeAlias = Mapping[str, str]  # names in lower case


class Head(msgspec.Struct, frozen=True):
    """What routing needs of a request, and its top-level fields undecoded, in the order they were written."""

    model: str
    stream: bool
    fields: Fields


class Edits(msgspec.Struct, frozen=True):
    """Changes of top-level fields that the configuration asks for: JSON text by field name.

    `default` fills what the caller left out, `set` always wins, `drop` removes; applied in the order drop,
    default, set.
    """

    default: tuple[tuple[str, bytes], ...] = ()
    set: tuple[tuple[str, bytes], ...] = ()
    drop: tuple[str, ...] = ()


class Forwarded(msgspec.Struct, frozen=True):
    """A request body ready to be sent. `strip_usage`: the usage frame was asked for by us, not by the client."""

    body: bytes
    strip_usage: bool


class StreamSniffer(Interface):
    """Watches one streamed answer. `feed` returns what may go to the client now, cut at frame boundaries.

    Nothing is returned before `content` is True. `failure` is set as soon as the stream carries an error or cannot
    be one of this wire; nothing more is fed after that. `finish` is told of the end of the body and returns the
    last bytes; it sets `failure` where the stream ended too early.
    """

    content: bool
    usage: Usage | None
    failure: Failure | None

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Protocol(msgspec.Struct, frozen=True):
    """One wire.

    - `decode_head`: request body → Head. Raises `Refused` (400).
    - `encode_forwarded`: Head, upstream model id as JSON text, Edits, whether to ask for usage in a stream → body.
    - `decode_answer`: a whole 2xx body → its usage. Raises `Failed(bad_response)`, or the failure it carries.
    - `decode_error`: status, headers, body, seconds since the epoch → Failure.
    - `encode_error`: Refusal, request id → body. `encode_stream_error`: the same inside a stream that has begun.
    """

    name: str
    path: str  # of the main operation, below a provider's base URL
    content_type: str  # of a streamed answer
    keep_alive: bytes  # a frame that every client of this wire ignores
    decode_head: Callable[[bytes], Head]
    encode_forwarded: Callable[[Head, bytes, Edits, bool], Forwarded]
    decode_answer: Callable[[bytes], Usage | None]
    decode_error: Callable[[int, Headers, bytes, float], Failure]
    stream_sniffer: Callable[[bool], StreamSniffer]
    encode_error: Callable[[Refusal, str], bytes]
    encode_stream_error: Callable[[Refusal, str], bytes]
