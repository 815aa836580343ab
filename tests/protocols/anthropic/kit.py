"""What the tests of Anthropic's wire share: short ways in and out of it.

Whatever is written for an upstream is also held against the sandbox's reading of Anthropic's documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec

from gateway.ir.chat import Event, Message, Request, Text
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect, Encoded
from gateway.sandbox.anthropic_request import read_ask, signature_of

ANTHROPIC = PROTOCOLS["anthropic"]
HAIKU_3 = "claude-3-haiku-20240307"
SONNET_37 = "claude-3-7-sonnet-20250219"
SONNET_4 = "claude-sonnet-4-20250514"
OPUS_41 = "claude-opus-4-1-20250805"
SONNET_45 = "claude-sonnet-4-5-20250929"
OPUS_45 = "claude-opus-4-5"
OPUS_46 = "claude-opus-4-6"
OPUS_47 = "claude-opus-4-7"
FABLE = "claude-fable-5"
USER = Message("user", (Text("hi"),))
THOUGHT = signature_of("hm")  # what vouches for the thought "hm"


def read(body: dict[str, Any]) -> Request:
    """A client's request in the IR."""
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **body}
    return ANTHROPIC.decode_request(ANTHROPIC.decode_head(json.dumps(body).encode(), None, None))


def plain(value: Any) -> Any:
    """A body as JSON makes it."""
    return json.loads(msgspec.json.encode(value))


def write(request: Request, model: str = SONNET_45, *, checked: bool = True) -> Encoded:
    """A request for an upstream; its body as plain JSON, which the documentation allows."""
    encoded = ANTHROPIC.encode_request(request, Dialect("anthropic", model))
    encoded = msgspec.structs.replace(encoded, body=plain(encoded.body))
    if checked:
        read_ask(plain(encoded.body), {"anthropic-version": "2023-06-01"})
    return encoded


def fields(encoded: Encoded) -> list[str]:
    """What was lost."""
    return [each.field for each in encoded.dropped]


def asked(*messages: Message, **more: Any) -> Request:
    """A request of another origin, with a bound."""
    return Request(origin="test", model="m", messages=messages or (USER,), **{"max_tokens": 100, **more})


def event(kind: str, **more: Any) -> bytes:
    """One event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more}, ensure_ascii=False)}\n\n".encode()


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """Ways in which a network may cut a stream."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    random = Random(5)
    for _ in range(10):
        places = sorted(random.sample(range(len(data)), min(7, len(data))))
        yield [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def events_of(data: bytes) -> list[Event]:
    """The events of a stream, however it is cut."""
    found: list[list[Event]] = []
    for parts in cuts(data):
        decoder = ANTHROPIC.stream_decoder()
        out: list[Event] = []
        for part in parts:
            out += decoder.feed(part)
        found.append(out + decoder.close())
    assert all(each == found[0] for each in found), "a stream split anywhere gives the same events"
    return found[0]


def written(events: Iterable[Event], request: Request | None = None) -> tuple[bytes, list[str]]:
    """The bytes that a client of this wire gets, and what was lost."""
    encoder = ANTHROPIC.stream_encoder(request or asked(), 7)
    data = b"".join(encoder.push(each) for each in events) + encoder.close()
    return data, [each.field for each in encoder.dropped]


def frames_of(data: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events; each says its type twice."""
    out = []
    for frame in data.split(b"\n\n"):
        if frame:
            name, line = frame.split(b"\n")
            value = json.loads(line.removeprefix(b"data: "))
            assert name == b"event: " + value["type"].encode()
            out.append(value)
    return out
