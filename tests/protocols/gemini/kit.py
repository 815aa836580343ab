"""What the tests of Gemini's wire share: short ways in and out of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec

from gateway.ir.chat import Event, Message, Request, Text
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect, Encoded

GEMINI = PROTOCOLS["gemini"]
CHAT = PROTOCOLS["openai-chat"]
FLASH = "gemini-2.5-flash"
THREE = "gemini-3-pro-preview"
OLD = "gemini-2.0-flash"


def read(body: Any, model: str = FLASH, stream: bool = False) -> Request:
    """A client's request in the IR."""
    return GEMINI.decode_request(GEMINI.decode_head(json.dumps(body).encode(), model, stream))


def plain(value: Any) -> Any:
    """A body as JSON makes it."""
    return json.loads(msgspec.json.encode(value))


def write(request: Request, model: str = FLASH, *quirks: str) -> Encoded:
    """A request for an upstream; its body as plain JSON."""
    encoded = GEMINI.encode_request(request, Dialect("gemini", model, frozenset(quirks)))
    return msgspec.structs.replace(encoded, body=plain(encoded.body))


def fields(encoded: Encoded) -> list[str]:
    """What was lost."""
    return [each.field for each in encoded.dropped]


def chat(body: dict[str, Any]) -> Request:
    """A request of the chat wire in the IR."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return CHAT.decode_request(CHAT.decode_head(json.dumps(body).encode(), None, None))


def asked(*messages: Message, **more: Any) -> Request:
    """A request of another origin."""
    return Request(origin="test", model="m", messages=messages or (Message("user", (Text("hi"),)),), **more)


def event(parts: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """One event of a stream."""
    candidate = more.pop("candidate", {})
    out: dict[str, Any] = {"modelVersion": "gemini-2.5-flash", "responseId": "r1", **more}
    if parts is not None or candidate:
        content = {"content": {"parts": parts, "role": "model"}} if parts is not None else {}
        out = {"candidates": [{**content, "index": 0, **candidate}], **out}
    return out


def sse(*events: Any, end: bytes = b"\r\n\r\n") -> bytes:
    """Events as Google frames them."""
    return b"".join(b"data: " + json.dumps(each, ensure_ascii=False).encode() + end for each in events)


def array(*events: Any) -> bytes:
    """Events as Google frames them without `alt=sse`."""
    return b"[" + b"\n,\r\n".join(json.dumps(each, indent=1).encode() for each in events) + b"\n]"


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """Ways in which a network may cut a stream."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    random = Random(5)
    for _ in range(15):
        places = sorted(random.sample(range(len(data)), min(7, len(data))))
        yield [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def events_of(data: bytes) -> list[Event]:
    """The events of a stream, however it is cut."""
    found: list[list[Event]] = []
    for parts in cuts(data):
        decoder = GEMINI.stream_decoder()
        out: list[Event] = []
        for part in parts:
            out += decoder.feed(part)
        found.append(out + decoder.close())
    assert all(each == found[0] for each in found), "a stream split anywhere gives the same events"
    return found[0]


def written(events: Iterable[Event], request: Request | None = None) -> list[dict[str, Any]]:
    """The events that a client of this wire gets."""
    encoder = GEMINI.stream_encoder(request or asked(), 7)
    data = b"".join(encoder.push(each) for each in events) + encoder.close()
    return [json.loads(frame.removeprefix(b"data: ")) for frame in data.split(b"\n\n") if frame]


def parts_in(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All parts of the first candidate of some events, empty ones left out."""
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    return [part for part in parts if part != {"text": ""}]
