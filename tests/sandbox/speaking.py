"""Each wire as a test needs it: how one asks, and what of an answer is the text, the usage, the end.

A new wire is one `Tongue` in `TONGUES`; test_wires.py and test_golden.py then hold it to what all wires promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

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


def bytes_of(plan: Plan) -> bytes:
    if plan.body is not None:
        return plan.body
    return b"".join(step for step in plan.steps if isinstance(step, bytes))


def frames_of(data: bytes) -> list[Any]:
    """The JSON of the `data` lines of server-sent events."""
    lines = data.decode().replace("\r\n", "\n").split("\n")
    texts = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text.startswith(("{", "[")) and text != "[DONE]"]


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
}
