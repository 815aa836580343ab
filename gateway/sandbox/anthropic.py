"""The sandbox on Anthropic's Messages wire: how an answer, a stream, a count and a list of models are written.

Sources: https://platform.claude.com/docs/en/api/messages, /build-with-claude/streaming, /api/messages-count-tokens and
/api/models-list. A stream is message_start, then for each block its start, deltas and stop, then message_delta with the
cumulative usage, then message_stop; a ping follows the first start. `input_tokens` leaves out what came from the cache
(the word `cached`) and what was written to it (what precedes the last `cache_control`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.sandbox.anthropic_errors import LATE, error, headers, late
from gateway.sandbox.anthropic_request import read_ask, read_json, signature_of, thinks, written
from gateway.sandbox.content import Call, Said
from gateway.sandbox.exchange import (
    GARBAGE,
    Dialect,
    Piece,
    Read,
    Received,
    exchange,
    failure,
    refused,
    route,
    script_of,
    waiting,
)
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import NAMES, Script, UnknownWord, parse
from gateway.sandbox.sse import HEADERS, Sse

_THOUGHT: Final = 16
_FINISH: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def messages(received: Received) -> Plan:
    """POST …/messages."""
    return exchange(_DIALECT, received)


def count(received: Received) -> Plan:
    """POST …/messages/count_tokens. Of the words of a script, those about time, errors and closing apply."""
    try:
        request, _, script = _begun(received)
        ask = read_ask(request, received.headers, counted=True)
    except Bad as bad:
        return refused(error, bad, received.digest)
    failed = failure(error, script, received.digest)
    if failed is not None:
        return failed
    return _plan(received, {"input_tokens": ask.prompt_tokens}, script)


def models(received: Received) -> Plan:
    """GET …/models."""
    data = [_model(name) for name in NAMES]
    return _plan(received, {"data": data, "has_more": False, "first_id": NAMES[0], "last_id": NAMES[-1]})


def model(received: Received) -> Plan:
    """GET …/models/NAME: every name whose words are known."""
    name = received.path["name"]
    try:
        parse(name)
    except UnknownWord as unknown:
        return refused(error, Bad(str(unknown), status=404), received.digest)
    return _plan(received, _model(name))


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2023-11-14T00:00:00Z"}


def _plan(received: Received, value: dict[str, Any], script: Script | None = None) -> Plan:
    before = waiting(script) if script is not None else ()
    return Plan(status=200, headers=headers(received.digest), body=msgspec.json.encode(value), before=before)


def _begun(received: Received) -> tuple[dict[str, Any], str, Script]:
    """The body, the model and the script."""
    request = read_json(received.body, received.headers)
    name = request.get("model")
    if name is None:
        raise Bad("model: Field required")
    if not isinstance(name, str):
        raise Bad("model: Input should be a valid string")
    return request, name, script_of(name, received)


def _read(received: Received) -> Read:
    request, name, script = _begun(received)
    ask = read_ask(request, received.headers)
    if thinks(request) and script.reasoning == 0:
        script = msgspec.structs.replace(script, reasoning=_THOUGHT)
    return Read(
        request=request,
        model=name,
        script=script,
        ask=ask,
        digest=received.digest,
        streamed=request.get("stream") is True,
    )


class _Wire:
    """One request's answer, and how it is written."""

    def __init__(self, read: Read, answers: list[Said]) -> None:
        said = answers[0] if answers else Said()
        self._read = read
        self._said = said
        self._script = read.script
        self._sse = Sse(read.script)
        self._usage = None if read.script.no_usage else _usage(read, said)
        shown = read.request.get("thinking", {}).get("display") != "omitted"
        self._thought = said.reasoning if shown else ()

    def whole(self) -> bytes:
        """The answer as one body."""
        text = "".join(self._said.pieces)
        content: list[dict[str, Any]] = []
        if self._said.reasoning:
            thought = "".join(self._thought)
            content.append({"type": "thinking", "thinking": thought, "signature": signature_of(thought)})
        if text:
            content.append({"type": "text", "text": text})
        content += [_call(call, _value("".join(call.pieces))) for call in self._said.calls]
        usage = {} if self._usage is None else {"usage": self._usage}
        return msgspec.json.encode({**self._message(content), **self._ended(), **usage})

    def head(self) -> Iterator[bytes]:
        """message_start; its usage has one token of output, as there."""
        message = {**self._message([]), "stop_reason": None, "stop_sequence": None, "stop_details": None}
        if self._usage is not None:
            message["usage"] = {**self._usage, "output_tokens": 1}
            del message["usage"]["output_tokens_details"]
        yield self._event("message_start", message=message)

    def frames(self) -> Iterator[bytes | Piece]:
        """The blocks in turn, then what ended them."""
        index = 0
        for start, deltas, end in self._blocks():
            yield self._event("content_block_start", index=index, content_block=start)
            if index == 0:
                yield self._event("ping")
            if start["type"] == "tool_use":
                # the name counts as a token, and this delta is the piece that carries it
                empty = {"type": "input_json_delta", "partial_json": ""}
                yield Piece(self._event("content_block_delta", index=index, delta=empty))
            for delta in deltas:
                yield Piece(self._event("content_block_delta", index=index, delta=delta))
            if end is not None:
                yield self._event("content_block_delta", index=index, delta=end)
            yield self._event("content_block_stop", index=index)
            index += 1
        if index == 0:
            yield self._event("ping")

    def tail(self) -> Iterator[bytes]:
        """message_delta and message_stop."""
        usage: dict[str, Any] = {}
        if self._usage is not None:
            usage["usage"] = {
                name: value
                for name, value in self._usage.items()
                if name not in ("cache_creation", "service_tier", "inference_geo")
            }
        yield self._event("message_delta", delta=self._ended(), **usage)
        if not self._script.no_done:
            yield self._event("message_stop")

    def error(self) -> bytes:
        """An `error` event."""
        return self._sse.frame(late(self._read.digest), "error")

    def garbage(self) -> bytes:
        """A delta that is no JSON."""
        return self._sse.frame(GARBAGE, "content_block_delta")

    def _blocks(self) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]], dict[str, Any] | None]]:
        """Each block as its start, its deltas, and a last delta that is no token."""
        if self._said.reasoning:
            signed = {"type": "signature_delta", "signature": signature_of("".join(self._thought))}
            thoughts = ({"type": "thinking_delta", "thinking": piece} for piece in self._thought)
            yield {"type": "thinking", "thinking": "", "signature": ""}, thoughts, signed
        if self._said.pieces:
            texts = ({"type": "text_delta", "text": piece} for piece in self._said.pieces)
            yield {"type": "text", "text": ""}, texts, None
        for call in self._said.calls:
            parts = ({"type": "input_json_delta", "partial_json": piece} for piece in call.pieces)
            yield _call(call, {}), parts, None

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"msg_{self._read.digest[:24]}",
            "type": "message",
            "role": "assistant",
            "model": self._read.model,
            "content": content,
        }

    def _ended(self) -> dict[str, Any]:
        finish = _FINISH.get(self._said.finish, self._said.finish)
        if self._said.finish == "stop" and self._said.stop is not None:
            finish = "stop_sequence"
        if self._said.refused and self._script.finish is None:
            finish = "refusal"
        details = {"type": "refusal", "category": None, "explanation": None} if finish == "refusal" else None
        return {
            "stop_reason": finish,
            "stop_sequence": self._said.stop if finish == "stop_sequence" else None,
            "stop_details": details,
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        return self._sse.frame(msgspec.json.encode({"type": kind, **fields}), kind)


def _call(call: Call, value: Any) -> dict[str, Any]:
    name = {"id": f"toolu_{call.id.removeprefix('call_')}", "name": call.name}
    return {"type": "tool_use", **name, "input": value, "caller": {"type": "direct"}}


def _value(text: str) -> Any:
    """The arguments of a call; of those that were cut off nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _usage(read: Read, said: Said) -> dict[str, Any]:
    total = read.ask.prompt_tokens
    cached = min(read.script.cached, total)
    marked, kept = written(read.request)
    made = max(marked - cached, 0)
    return {
        "input_tokens": total - cached - made,
        "cache_creation_input_tokens": made,
        "cache_read_input_tokens": cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": made if kept == "5m" else 0,
            "ephemeral_1h_input_tokens": made if kept == "1h" else 0,
        },
        "output_tokens": said.tokens,
        "output_tokens_details": {"thinking_tokens": len(said.reasoning)},
        "service_tier": "standard",
        "inference_geo": "not_available",
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
    route("POST", "/messages", messages),
    route("POST", "/messages/count_tokens", count),
    route("GET", "/models", models),
    route("GET", "/models/(?P<name>.+)", model),
)
