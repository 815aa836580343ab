"""The sandbox on OpenAI's chat wire: how an answer is written.

Sources: https://platform.openai.com/docs/api-reference/chat/object and /chat/streaming. The id is a hash of the
request's bytes and of its `x-sandbox` header; `created` is 1700000000 plus up to 1048575 seconds of the same hash.
With `include_usage` every chunk has `"usage":null` and one more, without choices, has the usage; without it, none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.sandbox.content import Ask, Said
from gateway.sandbox.exchange import GARBAGE, Dialect, Piece, Read, Received, exchange, route, script_of
from gateway.sandbox.openai_embeddings import embeddings
from gateway.sandbox.openai_errors import LATE, error, headers, late
from gateway.sandbox.openai_models import models
from gateway.sandbox.openai_request import model_of, read_ask, read_json
from gateway.sandbox.plan import Plan
from gateway.sandbox.script import Script
from gateway.sandbox.sse import HEADERS, Sse


def chat(received: Received) -> Plan:
    """POST …/chat/completions."""
    return exchange(_DIALECT, received)


def _read(received: Received) -> Read:
    request = read_json(received.body)
    model = model_of(request)
    script = script_of(model, received)
    ask = read_ask(request, model)
    count = request.get("n")
    return Read(
        request=request,
        model=model,
        script=script,
        ask=ask,
        digest=received.digest,
        streamed=request.get("stream") is True,
        count=1 if count is None else count,
    )


class _Wire:
    """One request's answers, and how they are written."""

    def __init__(self, read: Read, answers: list[Said]) -> None:
        self._script = read.script
        self._sse = Sse(read.script)
        self._answers = answers
        self._base = {
            "id": f"chatcmpl-{read.digest[:29]}",
            "object": "chat.completion",
            "created": read.created,
            "model": read.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        }
        self._logprobs = read.request.get("logprobs") is True
        self._top = read.request.get("top_logprobs") or 0
        self._usage = None if read.script.no_usage else _usage(read.ask, answers, read.script)
        options = read.request.get("stream_options") or {}
        self._shows_usage = options.get("include_usage") is True and self._usage is not None

    def whole(self) -> bytes:
        """The answer as one body."""
        choices = []
        for index, said in enumerate(self._answers):
            text = "".join(said.pieces)
            message: dict[str, Any] = {
                "role": "assistant",
                "content": None if said.calls or said.refused else text,
                "refusal": text if said.refused else None,
                "annotations": [],
            }
            if said.reasoning:
                message["reasoning_content"] = "".join(said.reasoning)
            if said.calls:
                message["tool_calls"] = [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": "".join(call.pieces)},
                    }
                    for call in said.calls
                ]
            logprobs = self._probabilities(said.pieces, said.refused) if not said.calls else None
            choices.append({"index": index, "message": message, "logprobs": logprobs, "finish_reason": said.finish})
        answer = {**self._base, "choices": choices}
        if self._usage is not None:
            answer["usage"] = self._usage
        return msgspec.json.encode(answer)

    def head(self) -> Iterator[bytes]:
        """A frame with the role, for each choice."""
        for index, said in enumerate(self._answers):
            content = None if said.calls or said.refused else ""
            yield self._chunk(index, {"role": "assistant", "content": content, "refusal": None})

    def frames(self) -> Iterator[bytes | Piece]:
        """The choices in turn."""
        lanes = [(index, self._pieces(index, said)) for index, said in enumerate(self._answers)]
        while lanes:
            paced = True
            for index, pieces in list(lanes):
                piece = next(pieces, None)
                if piece is None:
                    lanes.remove((index, pieces))
                    yield self._chunk(index, {}, self._answers[index].finish)
                    continue
                yield Piece(piece, paced)
                paced = False

    def tail(self) -> Iterator[bytes]:
        """The usage, and [DONE]."""
        if self._shows_usage:
            yield self._sse.frame(msgspec.json.encode(self._object([], self._usage)))
        if not self._script.no_done:
            yield self._sse.frame(b"[DONE]")

    def error(self) -> bytes:
        """A frame with an error in place of a chunk."""
        return self._sse.frame(late())

    def garbage(self) -> bytes:
        """A frame that is no JSON."""
        return self._sse.frame(GARBAGE)

    def _pieces(self, index: int, said: Said) -> Iterator[bytes]:
        for piece in said.reasoning:
            yield self._chunk(index, {"reasoning_content": piece})
        field = "refusal" if said.refused else "content"
        for piece in said.pieces:
            yield self._chunk(index, {field: piece}, logprobs=self._probabilities((piece,), said.refused))
        for at, call in enumerate(said.calls):
            head = {"index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            yield self._chunk(index, {"tool_calls": [head]})
            for piece in call.pieces:
                yield self._chunk(index, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]})

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return self._sse.frame(msgspec.json.encode(self._object([choice], None)))

    def _object(self, choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        chunk = {**self._base, "object": "chat.completion.chunk", "choices": choices}
        if self._shows_usage:
            chunk["usage"] = usage
        return chunk

    def _probabilities(self, pieces: tuple[str, ...], refused_: bool) -> dict[str, Any] | None:
        if not self._logprobs:
            return None
        rows = []
        for piece in pieces:
            first = -(len(piece) % 8 + 1) / 16
            others = [(piece, first), *((f"{piece}{other}", first - other) for other in range(1, self._top))]
            row = _row(piece, first)
            row["top_logprobs"] = [_row(text, value) for text, value in others[: self._top]]
            rows.append(row)
        return {"content": None, "refusal": rows} if refused_ else {"content": rows, "refusal": None}


def _row(text: str, value: float) -> dict[str, Any]:
    return {"token": text, "logprob": value, "bytes": list(text.encode("utf-8", "replace"))}


def _usage(ask: Ask, answers: list[Said], script: Script) -> dict[str, Any]:
    output = sum(said.tokens for said in answers)
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": ask.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": min(script.cached, ask.prompt_tokens), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(len(said.reasoning) for said in answers),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


_DIALECT: Final = Dialect(
    read=_read,
    write=_Wire,
    error=error,
    late=LATE,
    json=lambda read: headers(read.digest),
    stream=lambda read: (*HEADERS, *headers(read.digest)[1:]),
)

ROUTES: Final = (
    route("POST", "/chat/completions", chat),
    route("POST", "/embeddings", embeddings),
    *models(error),
)
