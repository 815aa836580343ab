"""The sandbox on Ollama's wire: how an answer to /api/chat is written, and what /api/tags, show and version say.

Source: docs/api.md, api/types.go and server/routes.go of https://github.com/ollama/ollama. A stream is NDJSON and is
what comes without `stream: false`; its last line has `done: true`, the reason and the counts. A tool call is one line,
its arguments are an object and its `done_reason` is `stop`; a call that was cut off by `num_predict` is not there.
There are no cached tokens and no comments on this wire. `think` makes it think 16 tokens, or as many as the script
says; `think: false` says that nothing may be thought.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.sandbox.content import Call, Said
from gateway.sandbox.exchange import GARBAGE, Dialect, Piece, Read, Received, exchange, refused, route, script_of
from gateway.sandbox.ollama_errors import HEADERS, LATE, error, line
from gateway.sandbox.ollama_request import duration, model_of, read_ask, read_json, untagged
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import NAMES, UnknownWord, parse

VERSION: Final = "0.13.5"
_STREAM: Final = (("content-type", "application/x-ndjson"),)
_THOUGHT: Final = 16
_NANOSECONDS: Final = 10_000_000  # that a token takes
_MODIFIED: Final = "2023-11-14T22:13:20Z"
_DETAILS: Final = {
    "parent_model": "",
    "format": "gguf",
    "family": "sandbox",
    "families": ["sandbox"],
    "parameter_size": "1.0B",
    "quantization_level": "Q4_K_M",
}


def chat(received: Received) -> Plan:
    """POST /api/chat."""
    return exchange(_DIALECT, received)


def _read(received: Received) -> Read:
    request = read_json(received.body)
    model = model_of(request)
    script = script_of(untagged(model), received)
    if request.get("think") is not None:
        thought = script.reasoning or _THOUGHT
        script = msgspec.structs.replace(script, reasoning=0 if request["think"] is False else thought)
    return Read(
        request=request,
        model=model,
        script=script,
        ask=read_ask(request, model),
        digest=received.digest,
        streamed=request.get("stream") is not False and bool(request.get("messages")),
    )


class _Wire:
    """One request's answer, and how it is written."""

    def __init__(self, read: Read, answers: list[Said]) -> None:
        self._read = read
        self._empty = not read.request.get("messages")  # it asks to load the model, and for no answer
        self._said = answers[0] if answers and not self._empty else Said()
        self._calls = [(call, arguments) for call in self._said.calls if (arguments := _object(call)) is not None]
        self._end = b"\r\n" if read.script.crlf else b"\n"
        self._lines = 0

    def whole(self) -> bytes:
        """The answer as one body."""
        said = self._said
        message: dict[str, Any] = {"role": "assistant", "content": "".join(said.pieces)}
        if said.reasoning:
            message["thinking"] = "".join(said.reasoning)
        if self._calls:
            message["tool_calls"] = [_call(index, *call) for index, call in enumerate(self._calls)]
        return msgspec.json.encode(self._done(message, said.pieces))

    def head(self) -> Iterator[bytes]:
        """Nothing comes before the first token."""
        yield from ()

    def frames(self) -> Iterator[bytes | Piece]:
        """A line for every token of text and of thinking, one for every call, and the one that is the last."""
        for piece in self._said.reasoning:
            yield Piece(self._line({"role": "assistant", "content": "", "thinking": piece}))
        for piece in self._said.pieces:
            yield Piece(self._line({"role": "assistant", "content": piece}, (piece,)))
        for index, call in enumerate(self._calls):
            yield Piece(self._line({"role": "assistant", "content": "", "tool_calls": [_call(index, *call)]}))
        if not self._read.script.no_done:
            yield self._encoded(self._done({"role": "assistant", "content": ""}, ()))

    def tail(self) -> Iterator[bytes]:
        """Nothing comes after the last line."""
        yield from ()

    def error(self) -> bytes:
        """A line with an error."""
        return line(LATE) + self._end

    def garbage(self) -> bytes:
        """A line that is no JSON."""
        return GARBAGE + self._end

    def _line(self, message: dict[str, Any], logged: tuple[str, ...] = ()) -> bytes:
        self._lines += 1
        return self._encoded({**self._base(), "message": message, "done": False, **self._probabilities(logged)})

    def _encoded(self, value: object) -> bytes:
        return msgspec.json.encode(value) + self._end

    def _base(self) -> dict[str, Any]:
        seconds = datetime.fromtimestamp(self._read.created, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return {"model": self._read.model, "created_at": f"{seconds}.{self._lines % 1_000_000:06}Z"}

    def _done(self, message: dict[str, Any], logged: tuple[str, ...]) -> dict[str, Any]:
        read, said = self._read, self._said
        reason = "stop" if said.finish == "tool_calls" else said.finish
        done = {**self._base(), "message": message, "done": True, "done_reason": reason}
        if self._empty:
            unloads = duration(read.request.get("keep_alive")) == 0
            return {**done, "done_reason": "unload" if unloads else "load"}
        done |= self._probabilities(logged)
        prompt, output = read.ask.prompt_tokens, said.tokens
        done |= {"total_duration": (prompt + output + 1) * _NANOSECONDS, "load_duration": _NANOSECONDS}
        if read.script.no_usage:
            return done
        for name, count in (("prompt_eval", prompt), ("eval", output)):
            if count:  # Ollama leaves out what is 0
                done |= {f"{name}_count": count, f"{name}_duration": count * _NANOSECONDS}
        return done

    def _probabilities(self, pieces: tuple[str, ...]) -> dict[str, Any]:
        request = self._read.request
        if request.get("logprobs") is not True or not pieces:
            return {}
        rows = []
        for piece in pieces:
            first = -(len(piece) % 8 + 1) / 16
            tops = [_row(f"{piece}{at or ''}", first - at) for at in range(request.get("top_logprobs") or 0)]
            rows.append(_row(piece, first) | ({"top_logprobs": tops} if tops else {}))
        return {"logprobs": rows}


def _row(text: str, value: float) -> dict[str, Any]:
    return {"token": text, "logprob": value, "bytes": list(text.encode("utf-8", "replace"))}


def _object(call: Call) -> Any:
    """A call's arguments, None where they were cut off."""
    try:
        return msgspec.json.decode("".join(call.pieces))
    except msgspec.DecodeError:
        return None


def _call(index: int, call: Call, arguments: Any) -> dict[str, Any]:
    return {"id": call.id[:13], "function": {"index": index, "name": call.name, "arguments": arguments}}


def _tags(_: Received) -> Plan:
    """GET /api/tags."""
    digest = "5a" * 32
    models = [
        {
            "name": f"{name}:latest",
            "model": f"{name}:latest",
            "modified_at": _MODIFIED,
            "size": 1_000_000_000,
            "digest": digest,
            "details": _DETAILS,
        }
        for name in NAMES
    ]
    return Plan(status=200, headers=HEADERS, body=msgspec.json.encode({"models": models}))


def _version(_: Received) -> Plan:
    """GET /api/version."""
    return Plan(status=200, headers=HEADERS, body=msgspec.json.encode({"version": VERSION}))


def _show(received: Received) -> Plan:
    """POST /api/show: any name is a model, as long as its words are known."""
    try:
        model = model_of(read_json(received.body))
        try:
            parse(untagged(model))
        except UnknownWord:
            raise Bad(f"model '{model}' not found", param="model", status=404) from None
    except Bad as bad:
        return refused(error, bad)
    shown = {
        "modelfile": f"FROM {model}\n",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": _DETAILS,
        "model_info": {
            "general.architecture": "sandbox",
            "general.parameter_count": 1_000_000_000,
            "sandbox.context_length": 131072,
        },
        "capabilities": ["completion", "tools", "thinking", "vision"],
        "modified_at": _MODIFIED,
    }
    return Plan(status=200, headers=HEADERS, body=msgspec.json.encode(shown))


_DIALECT: Final = Dialect(
    read=_read,
    write=_Wire,
    error=error,
    late=LATE,
    json=lambda _: HEADERS,
    stream=lambda _: _STREAM,
)

ROUTES: Final = (
    route("POST", "/api/chat", chat),
    route("GET", "/api/tags", _tags),
    route("GET", "/api/version", _version),
    route("POST", "/api/show", _show),
)
