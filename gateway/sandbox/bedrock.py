"""The sandbox on Bedrock's Converse wire: how an answer is written, whole or as an event stream.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and _ConverseStream.html. The
model is in the path, percent-encoded. In a stream only a tool call has a contentBlockStart; the signature of reasoning
is a delta of its own. Every event has a `p` of padding, as Bedrock sends it. `inputTokens` does not count what was
read from the cache, `totalTokens` does. A refusal is text with the reason `content_filtered`. There are no comments and
no lines on this wire, so `comments` and `crlf` do nothing; `no-done` leaves out messageStop and metadata. A request
whose additional fields say so makes it think 16 tokens, or as many as the script says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.sandbox.bedrock_errors import LATE, error, headers, in_a_stream
from gateway.sandbox.bedrock_request import asked_to_think, read_ask, read_count, read_request, signature_of
from gateway.sandbox.content import Call, Said
from gateway.sandbox.event_stream import event, exception
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

_STREAM: Final = (("content-type", "application/vnd.amazon.eventstream"),)
_THOUGHT: Final = 16
_FINISHES: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def converse(received: Received) -> Plan:
    """POST /model/ID/converse."""
    return exchange(_WHOLE, received)


def converse_stream(received: Received) -> Plan:
    """POST /model/ID/converse-stream."""
    return exchange(_STREAMED, received)


def count_tokens(received: Received) -> Plan:
    """POST /model/ID/count-tokens."""
    try:
        script = script_of(received.path["model"], received)
        tokens = read_count(received.body)
    except Bad as bad:
        return refused(error, bad, received.digest)
    failed = failure(error, script, received.digest)
    if failed is not None:
        return failed
    body = msgspec.json.encode({"inputTokens": tokens})
    return Plan(status=200, headers=headers(received.digest), body=body, before=waiting(script))


def _read(received: Received) -> Read:
    model = received.path["model"]
    script = script_of(model, received)
    request = read_request(received.body)
    thinks = asked_to_think(request)
    if thinks is not None:
        script = msgspec.structs.replace(script, reasoning=(script.reasoning or _THOUGHT) if thinks else 0)
    return Read(request=request, model=model, script=script, ask=read_ask(request, model), digest=received.digest)


def _read_streamed(received: Received) -> Read:
    return msgspec.structs.replace(_read(received), streamed=True)


class _Wire:
    """One request's answer, and how it is written."""

    def __init__(self, read: Read, answers: list[Said]) -> None:
        self._read = read
        self._said = said = answers[0] if answers else Said()
        self._padding = int(read.digest[:8], 16)
        reasoning = "".join(said.reasoning)
        self._reasoning = {"text": reasoning, "signature": signature_of(reasoning)}
        self._finish = _FINISHES.get(said.finish, said.finish)
        if said.finish == "stop" and said.stop is not None:
            self._finish = "stop_sequence"
        elif said.finish == "stop" and said.refused:
            self._finish = "content_filtered"

    def whole(self) -> bytes:
        """The answer as one body."""
        said = self._said
        content: list[dict[str, Any]] = []
        if said.reasoning:
            content.append({"reasoningContent": {"reasoningText": self._reasoning}})
        if said.pieces:
            content.append({"text": "".join(said.pieces)})
        content += [{"toolUse": {**_named(call), "input": _input(call)}} for call in said.calls]
        answer = {
            "metrics": self._metrics(),
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": self._finish,
            **self._more("/stop_sequence", {"stop_sequence": said.stop}),
            **self._usage(),
        }
        return msgspec.json.encode(answer)

    def head(self) -> Iterator[bytes]:
        """The start of the message."""
        yield self._event("messageStart", {"role": "assistant"})

    def frames(self) -> Iterator[bytes | Piece]:
        """The blocks of content, each with its end."""
        said, index = self._said, 0
        if said.reasoning:
            for piece in said.reasoning:
                yield Piece(self._delta(index, {"reasoningContent": {"text": piece}}))
            yield self._delta(index, {"reasoningContent": {"signature": self._reasoning["signature"]}})
            yield self._event("contentBlockStop", {"contentBlockIndex": index})
            index += 1
        if said.pieces:
            for piece in said.pieces:
                yield Piece(self._delta(index, {"text": piece}))
            yield self._event("contentBlockStop", {"contentBlockIndex": index})
            index += 1
        for call in said.calls:
            start = {"contentBlockIndex": index, "start": {"toolUse": _named(call)}}
            yield Piece(self._event("contentBlockStart", start))
            for piece in call.pieces:
                yield Piece(self._delta(index, {"toolUse": {"input": piece}}))
            yield self._event("contentBlockStop", {"contentBlockIndex": index})
            index += 1

    def tail(self) -> Iterator[bytes]:
        """The reason, then the usage."""
        if not self._read.script.no_done:
            more = self._more("/delta/stop_sequence", {"delta": {"stop_sequence": self._said.stop}})
            yield self._event("messageStop", {"stopReason": self._finish, **more})
            yield self._event("metadata", {"metrics": self._metrics(), **self._usage()})

    def error(self) -> bytes:
        """An exception in the stream, which a word `code=…Exception` names."""
        return exception(*in_a_stream(self._read.script.code))

    def garbage(self) -> bytes:
        """An event, rightly framed, whose payload is no JSON."""
        return event("contentBlockDelta", GARBAGE)

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return self._event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})

    def _event(self, kind: str, value: dict[str, Any]) -> bytes:
        self._padding = (self._padding * 1103515245 + 12345) % (1 << 31)
        padded = {**value, "p": _PADDING[: 1 + (self._padding >> 8) % len(_PADDING)]}
        return event(kind, msgspec.json.encode(padded))

    def _more(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        """What of the model's own answer was asked for: the stop sequence is all that there is."""
        wanted = path in self._read.request.get("additionalModelResponseFieldPaths", ())
        return {"additionalModelResponseFields": value} if wanted else {}

    def _metrics(self) -> dict[str, int]:
        return {"latencyMs": 10 * (1 + self._said.tokens)}

    def _usage(self) -> dict[str, Any]:
        script, prompt, output = self._read.script, self._read.ask.prompt_tokens, self._said.tokens
        if script.no_usage:
            return {}
        cached = min(script.cached, prompt)
        usage = {
            "cacheReadInputTokens": cached,
            "cacheWriteInputTokens": 0,
            "inputTokens": prompt - cached,
            "outputTokens": output,
            "totalTokens": prompt + output,
        }
        return {"usage": usage}


def _named(call: Call) -> dict[str, str]:
    return {"name": call.name, "toolUseId": f"tooluse_{call.id[5:27]}"}


def _input(call: Call) -> Any:
    """A call's arguments; those that were cut off are none."""
    try:
        return msgspec.json.decode("".join(call.pieces))
    except msgspec.DecodeError:
        return {}


_WHOLE: Final = Dialect(
    read=_read,
    write=_Wire,
    error=error,
    late=LATE,
    json=lambda read: headers(read.digest),
    stream=lambda read: (*_STREAM, *headers(read.digest)[1:]),
)
_STREAMED: Final = msgspec.structs.replace(_WHOLE, read=_read_streamed)

ROUTES: Final = (
    route("POST", "/model/(?P<model>[^/]+)/converse", converse),
    route("POST", "/model/(?P<model>[^/]+)/converse-stream", converse_stream),
    route("POST", "/model/(?P<model>[^/]+)/count-tokens", count_tokens),
)
