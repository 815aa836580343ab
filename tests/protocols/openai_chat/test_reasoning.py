"""Thoughts and what proves them, through a chat client's history: whole, and as OpenAI's SDK puts a stream together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from gateway.ir.chat import (
    Began,
    Choice,
    Closed,
    Ended,
    Event,
    Finish,
    Opened,
    Piece,
    Reasoning,
    Request,
    Response,
    Seal,
    Sealed,
    Text,
)
from gateway.protocols import PROTOCOLS, translate
from gateway.protocols.seals import BEDROCK, CLAUDE, GEMINI, OPENAI

CHAT = PROTOCOLS["openai-chat"]
ASKED = Request(origin="openai-chat", model="m", messages=())

CASES: dict[str, tuple[Reasoning, ...]] = {
    "claude": (Reasoning(text="hm", signature=Seal(CLAUDE, "s")),),
    "claude-twice": (
        Reasoning(text="a", signature=Seal(CLAUDE, "s")),
        Reasoning(text="b", signature=Seal(CLAUDE, "t")),
    ),
    "claude-redacted": (Reasoning(text="a", signature=Seal(CLAUDE, "s")), Reasoning(redacted=Seal(CLAUDE, "r"))),
    "bedrock": (Reasoning(text="hm", signature=Seal(BEDROCK, "s")),),
    "bedrock-redacted": (Reasoning(redacted=Seal(BEDROCK, "r")),),
    "openai": (Reasoning(text="hm", signature=Seal(OPENAI, "e", "rs_1")),),
    "openai-twice": (
        Reasoning(text="hm", signature=Seal(OPENAI, "e", "rs_1")),
        Reasoning(signature=Seal(OPENAI, "f", "rs_2")),
        Reasoning(text="ho", signature=Seal(OPENAI, "g", "rs_3")),
    ),
    "gemini": (Reasoning(text="hm", signature=Seal(GEMINI, "s")),),
}


def read_back(message: dict[str, Any]) -> list[tuple[str, Seal | None, Seal | None]]:
    """The thoughts of an answer that a client sends back."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}, message]}).encode()
    request = translate.request_of(CHAT, CHAT.decode_head(body, None, None))
    thoughts = [part for part in request.messages[1].parts if isinstance(part, Reasoning)]
    return [(thought.text, thought.signature, thought.redacted) for thought in thoughts]


@pytest.mark.parametrize("thoughts", CASES.values(), ids=CASES)
def test_every_seal_comes_back(thoughts: tuple[Reasoning, ...]) -> None:
    expected = [(thought.text, thought.signature, thought.redacted) for thought in thoughts]
    response = Response(
        origin="x", id="i", model="m", choices=(Choice(parts=(*thoughts, Text("ho")), finish=Finish.STOP),)
    )
    message = CHAT.encode_response(response, ASKED).body["choices"][0]["message"]
    assert [row["index"] for row in message["reasoning_details"]] == list(range(len(message["reasoning_details"])))
    assert read_back(message) == expected

    events: list[Event] = [Began("i", "m")]
    for at, thought in enumerate(thoughts):
        pieces = [Piece(at, char) for char in thought.text]
        events += [Opened(at, "reasoning"), *pieces, Sealed(at, thought.signature, thought.redacted), Closed(at)]
    last = len(thoughts)
    events += [Opened(last, "text"), Piece(last, "ho"), Closed(last), Ended(Finish.STOP)]
    encoder = CHAT.stream_encoder(ASKED, 0)
    frames = b"".join(encoder.push(event) for event in events).split(b"\n\n")
    state: Any = ChatCompletionStreamState()
    for frame in frames[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate_json(frame.removeprefix(b"data: ")))
    kept = state.get_final_completion().choices[0].message.model_dump(mode="json")
    assert read_back(kept) == expected


def test_details_whose_summary_shares_an_index_with_its_seal_are_one_thought() -> None:
    details = [
        {"type": "reasoning.summary", "summary": "hm", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "e", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
    ]
    message = {"role": "assistant", "content": "ho", "reasoning_details": details}
    assert read_back(message) == [("hm", Seal(OPENAI, "e", "rs_1"), None)]
