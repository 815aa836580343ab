"""The sandbox on Cohere's wire (v2): how an answer to /v2/chat is written, whole or as events.

Source: https://docs.cohere.com/v2/reference/chat and /chat-stream. Every event has its name twice, on the `event` line
and as the `type` of its data. Thinking and text are content blocks, each with its start and its end; before tool calls
there is a `tool_plan`, unless thinking took its place or there is no room for it. An error in the middle of a stream
is a message-end with the finish reason ERROR; `no-done` leaves out [DONE] and nothing else. `tokens.input_tokens`
counts cached ones too. What a tool said is cited. `thinking` makes it think 16 tokens, or as many as the
script says, at most its budget; where it is disabled nothing may be thought.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.sandbox.cohere_errors import LATE, error, headers, uuid_of
from gateway.sandbox.cohere_request import model_of, read_ask, read_json, results_of
from gateway.sandbox.content import Call, Said, tokens_of
from gateway.sandbox.exchange import GARBAGE, Dialect, Piece, Read, Received, exchange, refused, route, script_of
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import JSON, Bad
from gateway.sandbox.script import NAMES, UnknownWord, parse
from gateway.sandbox.sse import HEADERS, Sse

_THOUGHT: Final = 16
_FINISHES: Final = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}


def chat(received: Received) -> Plan:
    """POST /v2/chat."""
    return exchange(_DIALECT, received)


def _read(received: Received) -> Read:
    request = read_json(received.body)
    model = model_of(request)
    script = script_of(model, received)
    ask = read_ask(request, model)
    thinking = request.get("thinking")
    if thinking is not None:
        thought = script.reasoning or _THOUGHT
        thought = min(thought, thinking.get("token_budget") or thought) if thinking["type"] == "enabled" else 0
        script = msgspec.structs.replace(script, reasoning=thought)
    return Read(
        request=request,
        model=model,
        script=script,
        ask=ask,
        digest=received.digest,
        streamed=request.get("stream") is True,
    )


class _Wire:
    """One request's answer, and how it is written."""

    def __init__(self, read: Read, answers: list[Said]) -> None:
        self._read = read
        self._said = said = answers[0] if answers else Said()
        self._sse = Sse(read.script)
        self._id = uuid_of(read.digest)
        plans = said.calls and not said.reasoning and read.ask.most is None
        names = ", ".join(dict.fromkeys(call.name for call in said.calls))
        self._plan = tokens_of(f"I will use the {names} tool.") if plans else ()
        self._citations = _citations(read.request, "".join(said.pieces)) if read.ask.results else []
        self._finish = _FINISHES.get(said.finish, said.finish)
        if said.stop is not None and said.finish == "stop":
            self._finish = "STOP_SEQUENCE"

    def whole(self) -> bytes:
        """The answer as one body."""
        said = self._said
        message: dict[str, Any] = {"role": "assistant"}
        content: list[dict[str, str]] = []
        if said.reasoning:
            content.append({"type": "thinking", "thinking": "".join(said.reasoning)})
        if said.pieces or not (said.reasoning or said.calls):
            content.append({"type": "text", "text": "".join(said.pieces)})
        if content:
            message["content"] = content
        if self._plan:
            message["tool_plan"] = "".join(self._plan)
        if self._citations:
            message["citations"] = self._citations
        if said.calls:
            message["tool_calls"] = [_call(call, "".join(call.pieces)) for call in said.calls]
        answer = {"id": self._id, "message": message, "finish_reason": self._finish, **self._usage()}
        if self._read.request.get("logprobs") is True:
            answer["logprobs"] = [_probability(piece) for piece in said.pieces]
        return msgspec.json.encode(answer)

    def head(self) -> Iterator[bytes]:
        """The start of the message."""
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield self._event("message-start", first={"id": self._id}, delta={"message": message})

    def frames(self) -> Iterator[bytes | Piece]:
        """The blocks of content, the plan, the calls."""
        said, index = self._said, 0
        for kind, pieces in (("thinking", said.reasoning), ("text", said.pieces)):
            if not pieces and (kind == "thinking" or said.reasoning or said.calls):
                continue
            start: dict[str, Any] = {"type": kind, kind: ""}
            yield self._event("content-start", index, {"message": {"content": start}})
            length, cited = 0, 0
            for piece in pieces:
                more: dict[str, Any] = {}
                if kind == "text" and self._read.request.get("logprobs") is True:
                    more = {"logprobs": _probability(piece)}
                delta = {"message": {"content": {kind: piece}}}
                yield Piece(self._event("content-delta", index, delta, last=more))
                length += len(piece)
                while kind == "text" and cited < len(self._citations) and self._citations[cited]["end"] <= length:
                    yield self._event("citation-start", cited, {"message": {"citations": self._citations[cited]}})
                    yield self._event("citation-end", cited)
                    cited += 1
            yield self._event("content-end", index)
            index += 1
        for piece in self._plan:
            yield Piece(self._event("tool-plan-delta", delta={"message": {"tool_plan": piece}}))
        for at, call in enumerate(said.calls):
            yield Piece(self._event("tool-call-start", at, {"message": {"tool_calls": _call(call, "")}}))
            for piece in call.pieces:
                called = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
                yield Piece(self._event("tool-call-delta", at, called))
            yield self._event("tool-call-end", at)

    def tail(self) -> Iterator[bytes]:
        """The end of the message with its usage, and [DONE]."""
        yield self._event("message-end", delta={"finish_reason": self._finish, **self._usage()})
        if not self._read.script.no_done:
            yield self._sse.frame(b"[DONE]")

    def error(self) -> bytes:
        """The end of the message, which failed."""
        return self._event("message-end", delta={"finish_reason": "ERROR", "error": LATE.message})

    def garbage(self) -> bytes:
        """An event whose data is no JSON."""
        return self._sse.frame(GARBAGE, "content-delta")

    def _event(
        self,
        kind: str,
        index: int | None = None,
        delta: dict[str, Any] | None = None,
        first: dict[str, Any] | None = None,
        last: dict[str, Any] | None = None,
    ) -> bytes:
        value = {**(first or {}), "type": kind}
        if index is not None:
            value["index"] = index
        if delta is not None:
            value["delta"] = delta
        return self._sse.frame(msgspec.json.encode(value | (last or {})), kind)

    def _usage(self) -> dict[str, Any]:
        script, said = self._read.script, self._said
        if script.no_usage:
            return {}
        prompt, output = self._read.ask.prompt_tokens, said.tokens + len(self._plan)
        tokens = {"input_tokens": prompt, "output_tokens": output}
        if said.reasoning:
            tokens["reasoning_tokens"] = len(said.reasoning)
        billed = {"input_tokens": prompt, "output_tokens": output}
        return {"usage": {"billed_units": billed, "tokens": tokens, "cached_tokens": min(script.cached, prompt)}}


def _call(call: Call, arguments: str) -> dict[str, Any]:
    """A call; its id is made of its name, as Cohere's are."""
    return {
        "id": f"{call.name}_{call.id[5:17]}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _citations(request: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """Where the answer says what a tool said, unless the request wants to know of no such places."""
    options = request.get("citation_options") or {}
    if options.get("mode") in ("OFF", "DISABLED"):
        return []
    found = []
    for call, result in results_of(request):
        start = text.find(result)
        if result and start >= 0:
            source = {"type": "tool", "id": f"{call}:0", "tool_output": {"content": result}}
            place = {"start": start, "end": start + len(result), "text": result}
            found.append({**place, "sources": [source], "type": "TEXT_CONTENT"})
    return sorted(found, key=lambda each: each["end"])


def _probability(piece: str) -> dict[str, Any]:
    return {"text": piece, "token_ids": [len(piece)], "logprobs": [-(len(piece) % 8 + 1) / 16]}


def _model(name: str) -> dict[str, object]:
    return {
        "name": name,
        "endpoints": ["chat"],
        "finetuned": False,
        "context_length": 128000,
        "tokenizer_url": "",
        "default_endpoints": ["chat"],
        "features": ["json_mode", "json_schema", "tools", "tool_choice", "strict_tools", "vision", "reasoning"],
        "is_deprecated": False,
    }


def _models(_: Received) -> Plan:
    """GET /v1/models."""
    return Plan(status=200, headers=JSON, body=msgspec.json.encode({"models": [_model(name) for name in NAMES]}))


def _one(received: Received) -> Plan:
    """GET /v1/models/NAME: any name is a model, as long as its words are known."""
    name = received.path["name"]
    try:
        parse(name)
    except UnknownWord as unknown:
        return refused(error, Bad(f"model '{name}' not found: {unknown}", status=404), received.digest)
    return Plan(status=200, headers=JSON, body=msgspec.json.encode(_model(name)))


_DIALECT: Final = Dialect(
    read=_read,
    write=_Wire,
    error=error,
    late=LATE,
    json=lambda read: headers(read.digest),
    stream=lambda read: (*HEADERS, *headers(read.digest)[1:]),
)

ROUTES: Final = (
    route("POST", "/v2/chat", chat),
    route("GET", "/v1/models", _models),
    route("GET", "/v1/models/(?P<name>.+)", _one),
)
