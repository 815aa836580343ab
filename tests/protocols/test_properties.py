"""What holds for every wire, whatever is said on it: decoders raise only what they may, however the bytes were cut, and
what was read can be written to every wire."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.failure import Failed, Failure, Refused
from gateway.ir.chat import Broke, Event, Request
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS, translate
from gateway.protocols.contract import Dialect, Protocol
from gateway.protocols.framing import split_frames
from gateway.protocols.translate import Translation

from . import conversations, corpus
from .bedrock import frames

WIRES = sorted(PROTOCOLS)
CLIENTS = [name for name in WIRES if PROTOCOLS[name].decode_head.__name__ != "no_clients"]
MODELS = {
    "anthropic": ("claude-sonnet-4-5", "claude-opus-4-8", "claude-3-haiku"),
    "bedrock-converse": ("anthropic.claude-sonnet-4-5", "amazon.nova-pro-v1:0", "meta.llama3"),
    "cohere": ("command-a-03-2025", "command-a-reasoning"),
    "gemini": ("gemini-3-pro", "gemini-2.5-flash", "gemini-2.0-flash"),
    "ollama": ("gpt-oss", "llama3"),
    "openai-chat": ("gpt-4.1", "gpt-5", "mistral-large"),
    "openai-responses": ("gpt-5.1", "gpt-4.1"),
}
# What a provider must be known to take for its own clients' fields to be written in their newest spelling.
SELVES = {"openai-chat": ("max_completion_tokens", "developer")}
# The same examples every time; others, and as many as it says, with PROPERTY_EXAMPLES=500.
_EXAMPLES = os.environ.get("PROPERTY_EXAMPLES")
few = settings(
    deadline=None,
    max_examples=int(_EXAMPLES or 20),
    derandomize=_EXAMPLES is None,
    suppress_health_check=list(HealthCheck),
)

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*at, key)
        yield from places(each, (*at, key))


@st.composite
def bent(draw: st.DrawFn, value: Any) -> Any:
    """The value with something inside it replaced, doubled or taken out."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(value))
        if not found:
            return draw(JSON)
        *path, key = draw(st.sampled_from(found))
        holder = value
        for each in path:
            holder = holder[each]
        match draw(st.sampled_from(("replace", "replace", "remove", "double"))):
            case "replace":
                holder[key] = draw(JSON)
            case "remove":
                del holder[key]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
    return value


def dumped(value: Any) -> bytes:
    """JSON as the careless write it: NaN and infinities included."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def head_names(protocol: Protocol) -> tuple[str | None, bool | None]:
    """What a path says of a request on this wire."""
    in_path = protocol.endpoint("m", False) != protocol.endpoint("n", False)
    return ("model", True) if in_path else (None, None)


def request_of(wire: str, body: bytes) -> Request | None:
    """The request, None where it is refused."""
    protocol = PROTOCOLS[wire]
    with contextlib.suppress(Refused):
        return translate.request_of(protocol, protocol.decode_head(body, *head_names(protocol)))
    return None


def asked(wire: str) -> Request:
    """A request whose answer shows everything."""
    return Request(origin=wire, model="m", messages=(), stream=True, stream_usage=True)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes, cut at places that are taken round their length."""
    at = sorted({place % (len(data) + 1) for place in cuts})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def events_of(wire: str, pieces: list[bytes]) -> list[Event]:
    """The events of a stream, up to the one that breaks it."""
    decoder = PROTOCOLS[wire].stream_decoder()
    out: list[Event] = []
    for piece in pieces:
        out += decoder.feed(piece)
        if any(isinstance(event, Broke) for event in out) or decoder.ended:
            break
    else:
        out += decoder.close()
    broken = next((at for at, event in enumerate(out) if isinstance(event, Broke)), len(out))
    return out[: broken + 1]


def translated(wire: str, client: str, pieces: list[bytes]) -> tuple[bytes, Failure | None]:
    """The stream on another wire, and how it broke."""
    protocol = PROTOCOLS[wire]
    translation = Translation(protocol.stream_decoder(), PROTOCOLS[client].stream_encoder(asked(client), 1), None, "m")
    out = [translation.feed(piece) for piece in pieces]
    return b"".join(out) + translation.finish(), translation.failure


def passed(wire: str, pieces: list[bytes]) -> tuple[bytes, Failure | None, Usage | None]:
    """The stream as it passes, how it broke, and what it counted."""
    sniffer = PROTOCOLS[wire].stream_sniffer(True)
    out = b""
    for piece in pieces:
        out += sniffer.feed(piece)
        if sniffer.failure is not None:
            return out, sniffer.failure, sniffer.usage
    return out + sniffer.finish(), sniffer.failure, sniffer.usage


# Requests.


@pytest.mark.parametrize("wire", CLIENTS)
@few
@given(st.data())
def test_a_request_comes_back_on_its_own_wire_as_it_was(wire: str, data: st.DataObject) -> None:
    """Zero, false, the empty string and null included."""
    body = data.draw(conversations.requests(wire))
    request = request_of(wire, dumped(body))
    assert request is not None
    encoded = translate.encoded(PROTOCOLS[wire], request, Dialect("openai", "m", frozenset(SELVES.get(wire, ()))))
    assert not encoded.dropped
    assert json.loads(msgspec.json.encode(encoded.body)) == body


@pytest.mark.parametrize("wire", CLIENTS)
@few
@given(st.data())
def test_what_only_the_clients_wire_knows_is_reported(wire: str, data: st.DataObject) -> None:
    body = data.draw(conversations.requests(wire))
    name = data.draw(st.sampled_from((*conversations.OWN[wire], "nosuchfield")))
    if name == "nosuchfield":
        conversations.put(body, name, data.draw(st.sampled_from((0, False, "", "x", {}, [1]))))
    else:
        conversations.put(
            body, name, data.draw(conversations.FIELDS[wire][name].filter(lambda value: value is not None))
        )
    request = request_of(wire, dumped(body))
    assert request is not None
    for target in WIRES:
        if target == wire:
            continue
        encoded = translate.encoded(
            PROTOCOLS[target], request, Dialect(target, data.draw(st.sampled_from(MODELS[target])))
        )
        last = name.rpartition(".")[2]
        fields = [each.field for each in encoded.dropped]
        assert any(last in field or field in ("options", "tool_choice") for field in fields), (target, fields)
        assert json.loads(msgspec.json.encode(encoded.body))


@pytest.mark.parametrize("wire", CLIENTS)
@few
@given(st.data())
def test_a_bent_request_is_read_or_refused_and_written_to_every_wire(wire: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(corpus.requests(wire)).flatmap(bent))
    request = request_of(wire, dumped(body))
    if request is None:
        return
    for target in WIRES:
        model = data.draw(st.sampled_from(MODELS[target]))
        encoded = translate.encoded(PROTOCOLS[target], request, Dialect(target, model))
        msgspec.json.encode(encoded.body)


@pytest.mark.parametrize("wire", CLIENTS)
@few
@given(JSON | st.binary(max_size=40))
def test_anything_is_a_request_or_refused(wire: str, value: Any) -> None:
    request_of(wire, value if isinstance(value, bytes) else dumped(value))


# Answers.


@pytest.mark.parametrize("wire", WIRES)
@few
@given(st.data())
def test_a_bent_answer_is_read_or_fails_and_is_written_to_every_client(wire: str, data: st.DataObject) -> None:
    protocol = PROTOCOLS[wire]
    answer = data.draw(st.sampled_from(corpus.answers(wire)))
    with contextlib.suppress(ValueError):
        answer = dumped(data.draw(bent(json.loads(answer))))
    answered(protocol, answer)


@pytest.mark.parametrize("wire", WIRES)
@few
@given(JSON | st.binary(max_size=40))
def test_anything_is_an_answer_or_fails(wire: str, value: Any) -> None:
    answered(PROTOCOLS[wire], value if isinstance(value, bytes) else dumped(value))


def answered(protocol: Protocol, answer: bytes) -> None:
    """Reads an answer in both ways, and writes it to every client."""
    if protocol.name in CLIENTS:
        with contextlib.suppress(Failed):
            protocol.decode_answer(answer)
    with contextlib.suppress(Failed):
        response = translate.response_of(protocol, answer)
        for client in CLIENTS:
            for each in (response, translate.untooled(response, "f")):
                msgspec.json.encode(PROTOCOLS[client].encode_response(each, asked(client)).body)


@pytest.mark.parametrize("wire", WIRES)
@few
@given(st.data())
def test_anything_is_an_error(wire: str, data: st.DataObject) -> None:
    status, headers, body = data.draw(st.sampled_from(corpus.errors(wire)))
    with contextlib.suppress(ValueError):
        body = dumped(data.draw(bent(json.loads(body)) | JSON))
    failure = PROTOCOLS[wire].decode_error(status, headers, data.draw(st.just(body) | st.binary(max_size=20)), 0.0)
    assert failure.message


# Streams.


@st.composite
def bent_stream(draw: st.DrawFn, wire: str) -> bytes:
    """A stream in which frames were bent, doubled, left out, or replaced by anything."""
    data = draw(st.sampled_from(corpus.streams(wire)))
    if wire == "bedrock-converse":
        out = []
        for message in messages_of(data):
            match draw(st.sampled_from(("pass", "pass", "pass", "bend", "drop", "double"))):
                case "pass":
                    out.append(message)
                case "double":
                    out += [message, message]
                case "bend":
                    out.append(draw(bent_message(message)))
        return b"".join(out)
    whole = data.splitlines(True) if wire == "ollama" else split_frames(data)
    out = []
    for frame in whole:
        match draw(st.sampled_from(("pass", "pass", "pass", "bend", "drop", "double"))):
            case "pass":
                out.append(frame)
            case "double":
                out += [frame, frame]
            case "bend":
                start = frame.find(b"{")
                try:
                    value = json.loads(frame[start:]) if start >= 0 else None
                except ValueError:
                    value = None
                out.append(frame[: max(start, 0)] + dumped(draw(bent(value))) + b"\n\n")
    return b"".join(out) + draw(st.just(b"") | st.binary(max_size=10))


def messages_of(data: bytes) -> list[bytes]:
    """The messages of an event stream."""
    out = []
    while data:
        size = int.from_bytes(data[:4], "big")
        out.append(data[:size])
        data = data[size:]
    return out


@st.composite
def bent_message(draw: st.DrawFn, message: bytes) -> bytes:
    """A message whose payload was bent; its sums are right."""
    size = int.from_bytes(message[4:8], "big")
    headers, payload = message[12 : 12 + size], message[12 + size : -4]
    with contextlib.suppress(ValueError):
        payload = dumped(draw(bent(json.loads(payload))))
    del headers
    names = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
    return frames.message(
        {":event-type": draw(st.sampled_from(names)), ":message-type": "event", ":content-type": "application/json"},
        payload,
    )


CUTS = st.lists(st.integers(0, 2**16), max_size=12)


@pytest.mark.parametrize("wire", WIRES)
@few
@given(st.data())
def test_a_bent_stream_raises_nothing_and_reads_the_same_however_it_is_cut(wire: str, data: st.DataObject) -> None:
    stream = data.draw(bent_stream(wire))
    pieces = cut(stream, data.draw(CUTS))
    assert events_of(wire, pieces) == events_of(wire, [stream])
    for client in CLIENTS:
        whole, failure = translated(wire, client, [stream])
        out, how = translated(wire, client, pieces)
        assert (out, how) == (whole, failure)


@pytest.mark.parametrize("wire", CLIENTS)
@few
@given(st.data())
def test_a_bent_stream_that_passes_raises_nothing_and_passes_the_same_however_it_is_cut(
    wire: str, data: st.DataObject
) -> None:
    stream = data.draw(bent_stream(wire))

    pieces = cut(stream, data.draw(CUTS))
    assert passed(wire, pieces)[:2] == passed(wire, [stream])[:2]


@pytest.mark.parametrize("wire", CLIENTS)
@few
@given(st.data())
def test_a_stream_that_passes_counts_the_same_however_it_is_cut(wire: str, data: st.DataObject) -> None:
    stream = data.draw(st.sampled_from(corpus.streams(wire)))
    assert passed(wire, cut(stream, data.draw(CUTS))) == passed(wire, [stream])


@pytest.mark.parametrize("wire", WIRES)
@few
@given(st.binary(max_size=80), CUTS)
def test_any_bytes_are_a_stream_that_raises_nothing(wire: str, raw: bytes, cuts: list[int]) -> None:
    framed = raw if wire == "bedrock-converse" else raw + b"\n\n" if wire == "ollama" else b"data: " + raw + b"\n\n"
    for stream in (raw, framed):
        pieces = cut(stream, cuts)
        assert events_of(wire, pieces) == events_of(wire, [stream])
