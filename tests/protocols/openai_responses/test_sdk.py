"""OpenAI's own SDK on what this wire writes for its clients: whole answers, streams, errors inside a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import openai
import pytest

from gateway.failure import Refusal
from gateway.ir.chat import (
    Began,
    Choice,
    Citation,
    Cited,
    Closed,
    Counted,
    Ended,
    Event,
    Finish,
    Opened,
    Piece,
    Reasoning,
    Response,
    Seal,
    Sealed,
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.translate import request_of

WIRE = PROTOCOLS["openai-responses"]
WEATHER: Any = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
PATCH: Any = {"type": "custom", "name": "apply_patch"}
EVENTS: tuple[Event, ...] = (
    Began("msg_1", "claude", 5),
    Opened(0, "reasoning"), Piece(0, "think"), Piece(0, "ing"), Sealed(0, Seal("claude", "S")), Closed(0),
    Opened(1, "text"), Piece(1, "Hel"), Piece(1, "lo"), Cited(1, Citation(url="u", title="t", start=0, end=5)), Closed(1),
    Opened(2, "tool_call", "a", "f"), Piece(2, '{"x"'), Opened(3, "tool_call", "b", "apply_patch"), Piece(2, ":1}"),
    Piece(3, '{"input":"*** Begin"}'), Closed(2), Closed(3),
    Counted(Usage(input=5, output=3, cached=1, reasoning=2)), Ended(Finish.TOOL_CALLS),
)  # fmt: skip


def client(broken: bool = False) -> openai.OpenAI:
    """An SDK whose server is this wire: it decodes what the SDK sends and answers with the same answer always."""

    def serve(request: httpx.Request) -> httpx.Response:
        asked = request_of(WIRE, WIRE.decode_head(request.content))
        if not asked.stream:
            parts = (
                Reasoning(text="thinking", signature=Seal("claude", "S")),
                Text("Hello", citations=(Citation(url="u", title="t", start=0, end=5),)),
                ToolCall(id="a", name="f", arguments='{"x":1}'),
                ToolCall(id="b", name="apply_patch", arguments='{"input":"*** Begin"}'),
            )
            choice = Choice(parts=parts, finish=Finish.TOOL_CALLS)
            usage = Usage(input=5, output=3, cached=1, reasoning=2)
            answer = Response(origin="anthropic", id="msg_1", model="claude", choices=(choice,), usage=usage, created=5)
            return httpx.Response(200, json=json.loads(json.dumps(WIRE.encode_response(answer, asked).body)))
        encoder = WIRE.stream_encoder(asked, 7)
        events: Iterable[Event] = EVENTS[:9] if broken else EVENTS
        body = b"".join(encoder.push(event) for event in events)
        refusal = Refusal(status=502, type="server_error", code="upstream_interrupted", message="gone")
        body += WIRE.encode_stream_error(refusal, "r") if broken else encoder.close()
        return httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})

    return openai.OpenAI(api_key="k", max_retries=0, http_client=httpx.Client(transport=httpx.MockTransport(serve)))


def check(response: Any) -> None:
    thought, message, call, patch = response.output
    assert (thought.type, thought.summary[0].text) == ("reasoning", "thinking")
    assert response.output_text == "Hello"
    assert message.content[0].annotations[0].url == "u"
    assert (call.name, call.call_id, call.arguments) == ("f", "a", '{"x":1}')
    assert (patch.type, patch.input) == ("custom_tool_call", "*** Begin")
    assert (response.usage.total_tokens, response.usage.output_tokens_details.reasoning_tokens) == (8, 2)
    assert (response.status, response.tools[1].name) == ("completed", "apply_patch")


def test_a_whole_answer() -> None:
    check(client().responses.create(model="m", input="hi", tools=[WEATHER, PATCH], instructions="be brief"))


def test_a_stream_of_events() -> None:
    stream = client().responses.create(model="m", input="hi", tools=[WEATHER, PATCH], stream=True)
    events = list(stream)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Hello"
    last = events[-1]
    assert last.type == "response.completed"
    check(last.response)


def test_the_stream_helper_agrees_with_every_event() -> None:
    with client().responses.stream(model="m", input="hi", tools=[WEATHER, PATCH]) as stream:
        kinds = [event.type for event in stream]
        check(stream.get_final_response())
    assert kinds[0] == "response.created"


def test_an_answer_goes_back_in_and_is_read_again() -> None:
    answer = client().responses.create(model="m", input="hi", tools=[WEATHER, PATCH])
    history = [item.model_dump(exclude_none=True) for item in answer.output]
    results = [
        {"type": "function_call_output", "call_id": "a", "output": "r"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "r"},
    ]
    body = json.dumps({"model": "m", "input": [*history, *results]}).encode()
    messages = request_of(WIRE, WIRE.decode_head(body)).messages
    assert [message.role for message in messages] == ["assistant", "tool", "tool"]
    thought = messages[0].parts[0]
    assert isinstance(thought, Reasoning)
    assert thought.signature == Seal("claude", "S")


def test_an_error_inside_a_stream_is_raised() -> None:
    stream = client(broken=True).responses.create(model="m", input="hi", stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.message == "gone"
