"""Bounds of answers, read and written on each wire; and what streams have said."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.ir.chat import Text
from gateway.protocols import PROTOCOLS
from gateway.protocols.bounds import Bound, Tally, bound_of, bounded
from gateway.routing.sending import Job, sending
from tests.routing.bench import target

SAID: dict[str, tuple[str, dict[str, Any], Bound]] = {
    "chat": ("openai-chat", {"max_completion_tokens": 5, "max_tokens": 9, "n": 3}, Bound(5, 3)),
    "chat, older": ("openai-chat", {"max_completion_tokens": None, "max_tokens": 9}, Bound(9)),
    "chat, nothing": ("openai-chat", {"max_tokens": None, "n": None}, Bound(None)),
    "chat, nonsense": ("openai-chat", {"max_tokens": "many", "n": -2}, Bound(None)),
    "responses": ("openai-responses", {"max_output_tokens": 7, "n": 4}, Bound(7)),
    "messages": ("anthropic", {"max_tokens": 8}, Bound(8)),
    "gemini": ("gemini", {"generationConfig": {"maxOutputTokens": 6, "candidateCount": 2}}, Bound(6, 2)),
    "gemini, nothing": ("gemini", {"generationConfig": None}, Bound(None)),
    "gemini, nonsense": ("gemini", {"generationConfig": [1]}, Bound(None)),
    "ollama": ("ollama", {"options": {"num_predict": 4, "seed": 1}}, Bound(4)),
    "ollama, no bound": ("ollama", {"options": {"num_predict": -1}}, Bound(None)),
    "cohere": ("cohere", {"max_tokens": 3}, Bound(3)),
    "bedrock": ("bedrock-converse", {"inferenceConfig": {"maxTokens": 2}}, Bound(2)),
}


def raw(fields: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()}


@pytest.mark.parametrize("name", SAID)
def test_what_a_body_says(name: str) -> None:
    wire, fields, bound = SAID[name]
    assert bound_of(wire, raw(fields)) == bound


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("newest", [True, False])
def test_what_is_written_is_read(name: str, newest: bool) -> None:
    wire, fields, bound = SAID[name]
    written = bounded(wire, raw(fields), 77, newest=newest)
    assert bound_of(wire, written).most == 77
    assert bound_of(wire, written).n == bound.n
    lost = [key for key in fields if key not in written and not key.startswith("max_")]
    assert lost == [], "everything else stays"


@pytest.mark.parametrize("wire", sorted({wire for wire, _, _ in SAID.values()}))
@pytest.mark.parametrize("newest", [True, False])
def test_a_bound_beside_nothing_is_what_it_is_beside_a_null(wire: str, newest: bool) -> None:
    """The short way for bodies that say nothing writes what the long way would, at the end, and touches no argument."""
    said = raw({"model": "m", "stop": ["x"]})
    for most in (77, 78, 77):
        (place,) = bounded(wire, {}, most, newest=newest)
        long = bounded(wire, {**said, place: msgspec.Raw(b"null")}, most, newest=newest)
        short = bounded(wire, said, most, newest=newest)
        assert [(name, bytes(value)) for name, value in short.items()] == [(a, bytes(b)) for a, b in long.items()]
        assert bound_of(wire, short).most == most
        short[place] = msgspec.Raw(b"1")
    assert list(said) == ["model", "stop"]


def test_every_wire_of_clients_has_a_row() -> None:
    for protocol in PROTOCOLS.values():
        assert bound_of(protocol.name, {}) == Bound(None)
    for wire in ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama"):
        assert Tally(wire).tokens == 1


BODIES = {
    "openai-chat": (b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":18446744073709551616}', None),
    "openai-responses": (b'{"model":"m","input":"x"}', None),
    "gemini": (b'{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"topK":4}}', "m"),
    "ollama": (b'{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"seed":4}}', None),
}


@pytest.mark.parametrize("there", PROTOCOLS)
@pytest.mark.parametrize("here", BODIES)
@pytest.mark.parametrize("read", [False, True])
def test_a_bound_reaches_every_upstream(here: str, there: str, read: bool) -> None:
    client = PROTOCOLS[here]
    body, model = BODIES[here]
    job = Job(client, client.decode_head(body, model, False))
    if read:
        job.request()
    at = target("m", protocol=there)
    sent = json.loads(sending(job, at, 99).body)
    assert bound_of(there, raw(sent)).most == 99
    assert bound_of(there, raw(json.loads(sending(job, at).body))).most != 99, "the other is as it was"
    if here == there == "openai-chat":
        assert sent["seed"] == 18446744073709551616, "what the client wrote passes as it is"
    assert isinstance(job.request().messages[0].parts[0], Text)


STREAMS = {
    "openai-chat": b'data: {"choices":[{"delta":{"role":"assistant","content":"four\\n"}}]}\n\n'
    b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\\"a\\":1}"}}]}}]}\n\n',
    "openai-responses": b'data: {"type":"response.output_text.delta","delta":"sixteen letters."}\n\n',
    "anthropic": b'data: {"delta":{"type":"text_delta","text":"eight ch"}}\n\n'
    b'data: {"delta":{"type":"thinking_delta","thinking":"eight ch"}}\n\n',
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"text":"sixteen letters."}]}}]}\n\n',
    "ollama": b'{"message":{"content":"eight ch","thinking":"eight ch"}}\n',
}


@pytest.mark.parametrize("wire", STREAMS)
def test_what_a_stream_has_said(wire: str) -> None:
    tally = Tally(wire)
    tally.feed(STREAMS[wire])
    assert tally.tokens == 4
    for _ in range(9):
        tally.feed(STREAMS[wire])
    assert tally.tokens == (38 if wire == "openai-chat" else 40)
