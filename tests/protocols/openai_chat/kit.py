"""What the tests of the chat wire share: short ways in and out of it.

What is written for OpenAI itself is also held against the sandbox's reading of OpenAI's documentation.
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
from gateway.providers.catalog import PRESETS
from gateway.sandbox.openai_request import read_ask

CHAT = PROTOCOLS["openai-chat"]
GPT = "gpt-4.1"
USER = Message("user", (Text("hi"),))


def read(body: dict[str, Any]) -> Request:
    """A client's request in the IR."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return CHAT.decode_request(CHAT.decode_head(json.dumps(body).encode(), None, None))


def plain(value: Any) -> Any:
    """A body as JSON makes it."""
    return json.loads(msgspec.json.encode(value))


def write(request: Request, model: str = GPT, preset: str = "openai") -> Encoded:
    """A request for a provider of a preset; its body as plain JSON."""
    encoded = CHAT.encode_request(request, Dialect(preset, model, frozenset(PRESETS[preset].quirks)))
    encoded = msgspec.structs.replace(encoded, body=plain(encoded.body))
    if preset == "openai":
        read_ask(plain(encoded.body), model)
    return encoded


def fields(encoded: Encoded) -> list[str]:
    """What was lost."""
    return [each.field for each in encoded.dropped]


def asked(*messages: Message, **more: Any) -> Request:
    """A request of another origin."""
    return Request(origin="test", model="m", messages=messages or (USER,), **more)


def chunk(choices: list[Any] | None = None, **more: Any) -> bytes:
    """One chunk of a stream."""
    value = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "gpt",
        "choices": choices or [],
        **more,
    }
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def delta(finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    """A chunk of one choice."""
    return chunk([{"index": index, "delta": fields, "finish_reason": finish}])


def calls(*rows: dict[str, Any], finish: str | None = None) -> bytes:
    """A chunk of tool calls."""
    return delta(finish, tool_calls=list(rows))


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
        decoder = CHAT.stream_decoder()
        out: list[Event] = []
        for part in parts:
            out += decoder.feed(part)
        found.append(out + decoder.close())
    assert all(each == found[0] for each in found), "a stream split anywhere gives the same events"
    return found[0]


def written(events: Iterable[Event], request: Request | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """The chunks that a client of this wire gets, and what was lost."""
    encoder = CHAT.stream_encoder(request or asked(), 7)
    data = b"".join(encoder.push(each) for each in events) + encoder.close()
    *frames, done, rest = data.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(frame.removeprefix(b"data: ")) for frame in frames], [each.field for each in encoder.dropped]
