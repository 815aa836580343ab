"""Each wire as a test needs it: how one asks, and what of an answer is the text, the usage, the end.

A new wire is one `Tongue` in `TONGUES`; test_wires.py and test_golden.py then hold it to what all wires promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from botocore.eventstream import EventStreamBuffer

from gateway.sandbox.plan import Plan
from gateway.sandbox.wires import Wire


class Tongue(msgspec.Struct, frozen=True, kw_only=True):
    """A wire. `ask` makes the target and the body of a question; `text` reads what an answer, or a stream, says."""

    path: str
    ask: Callable[[str, str, bool], tuple[str, dict[str, Any]]]  # model, text, streamed
    text: Callable[[Any], str]  # of a whole answer
    streamed: Callable[[list[Any]], str]  # of the frames' JSON
    error: Callable[[Any], str]  # the message of an error body
    bad: dict[str, Any]  # fields that make a body one that is refused
    usage: str  # the name of the usage, wherever it is
    done: bytes  # what is in a stream that came through, and in no other
    headers: dict[str, str] = {}
    frames: Callable[[bytes], list[Any]] = lambda data: frames_of(data)
    comments: bool = True  # whether there are any on this wire
    lines: bool = True  # whether there are any
    plain: bool = False  # whether a path that leads nowhere is answered in text


def bytes_of(plan: Plan) -> bytes:
    if plan.body is not None:
        return plan.body
    return b"".join(step for step in plan.steps if isinstance(step, bytes))


def frames_of(data: bytes) -> list[Any]:
    """The JSON of the `data` lines of server-sent events."""
    lines = data.decode().replace("\r\n", "\n").split("\n")
    texts = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text.startswith(("{", "[")) and text != "[DONE]"]


def lines_of(data: bytes) -> list[Any]:
    """The JSON of lines of it."""
    return [json.loads(line) for line in data.splitlines() if line.startswith(b"{")]


def events_of(data: bytes) -> list[Any]:
    """The events of an event stream, read (and their CRCs checked) by AWS's own code: {type: payload}."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [
        {_type_of(message): json.loads(message.payload) if message.payload[:1] == b"{" else message.payload.decode()}
        for message in buffer
    ]


def _type_of(message: Any) -> str:
    kind: str = message.headers.get(":event-type") or message.headers[":exception-type"]
    assert message.headers[":message-type"] == ("event" if ":event-type" in message.headers else "exception")
    return kind


def _openai_chat(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": streamed}
    return "/v1/chat/completions", body


def _anthropic(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    body = {"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": text}], "stream": streamed}
    return "/v1/messages", body


def _openai_responses(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    return "/v1/responses", {"model": model, "input": text, "stream": streamed}


def _of_output(answer: Any) -> str:
    parts = [part for item in answer["output"] for part in item.get("content", ())]
    return "".join(part.get("text", "") for part in parts)


def _gemini(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    verb = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def _of_candidates(answer: Any) -> str:
    parts = [part for row in answer.get("candidates", ()) for part in row["content"].get("parts", ())]
    return "".join(part.get("text", "") for part in parts if part.get("thought") is not True)


def _ollama(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    return "/api/chat", {"model": model, "messages": [{"role": "user", "content": text}], "stream": streamed}


def _cohere(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    return "/v2/chat", {"model": model, "messages": [{"role": "user", "content": text}], "stream": streamed}


def _bedrock(model: str, text: str, streamed: bool) -> tuple[str, dict[str, Any]]:
    operation = "converse-stream" if streamed else "converse"
    body = {"messages": [{"role": "user", "content": [{"text": text}]}]}
    return f"/model/{quote(model, safe='')}/{operation}", body


TONGUES: dict[Wire, Tongue] = {
    Wire.OPENAI_CHAT: Tongue(
        path="/v1/chat/completions",
        ask=_openai_chat,
        text=lambda answer: answer["choices"][0]["message"]["content"],
        streamed=lambda frames: "".join(
            choice["delta"].get("content") or "" for frame in frames for choice in frame.get("choices", ())
        ),
        error=lambda body: body["error"]["message"],
        bad={"messages": "x"},
        usage='"usage"',
        done=b"data: [DONE]\n\n",
    ),
    Wire.OPENAI_RESPONSES: Tongue(
        path="/v1/responses",
        ask=_openai_responses,
        text=_of_output,
        streamed=lambda frames: "".join(
            frame["delta"] for frame in frames if frame["type"] == "response.output_text.delta"
        ),
        error=lambda body: body["error"]["message"],
        bad={"max_tokens": 100},
        usage='"usage"',
        done=b"event: response.completed\n",
    ),
    Wire.ANTHROPIC: Tongue(
        path="/v1/messages",
        ask=_anthropic,
        text=lambda answer: "".join(block.get("text", "") for block in answer["content"]),
        streamed=lambda frames: "".join(frame.get("delta", {}).get("text", "") for frame in frames),
        error=lambda body: body["error"]["message"],
        bad={"frequency_penalty": 1},
        usage='"usage"',
        done=b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        headers={"anthropic-version": "2023-06-01"},
    ),
    Wire.GEMINI: Tongue(
        path="/v1beta/models/sandbox:generateContent",
        ask=_gemini,
        text=_of_candidates,
        streamed=lambda frames: "".join(_of_candidates(frame) for frame in frames),
        error=lambda body: body["error"]["message"],
        bad={"max_tokens": 1},
        usage='"usageMetadata"',
        done=b'"finishReason":"STOP"',
    ),
    Wire.OLLAMA: Tongue(
        path="/api/chat",
        ask=_ollama,
        text=lambda answer: answer["message"]["content"],
        streamed=lambda frames: "".join(frame.get("message", {}).get("content", "") for frame in frames),
        error=lambda body: body["error"],
        bad={"messages": "x"},
        usage='"eval_count"',
        done=b'"done":true',
        frames=lines_of,
        comments=False,
        plain=True,
    ),
    Wire.COHERE: Tongue(
        path="/v2/chat",
        ask=_cohere,
        text=lambda answer: answer["message"]["content"][0]["text"],
        streamed=lambda frames: "".join(
            frame["delta"]["message"]["content"]["text"] for frame in frames if frame["type"] == "content-delta"
        ),
        error=lambda body: body["message"],
        bad={"messages": []},
        usage='"usage"',
        done=b"data: [DONE]\n\n",
    ),
    Wire.BEDROCK: Tongue(
        path="/model/sandbox/converse",
        ask=_bedrock,
        text=lambda answer: answer["output"]["message"]["content"][0]["text"],
        streamed=lambda frames: "".join(
            frame["contentBlockDelta"]["delta"]["text"]
            for frame in frames
            if isinstance(frame.get("contentBlockDelta"), dict)
        ),
        error=lambda body: body["message"],
        bad={"n": 1},
        usage='"usage"',
        done=b"messageStop",
        frames=events_of,
        comments=False,
        lines=False,
    ),
}
