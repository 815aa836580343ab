"""The sandbox on Gemini's wire: how an answer, a stream, a count and a list of models are written.

Sources: https://ai.google.dev/api/generate-content, /api/tokens, /api/models, /gemini-api/docs/thinking. Each frame of
a stream is a whole response with what is new in it and the usage so far; the last one of a candidate has its finish
reason. With `alt=sse` the frames are events, without it the elements of one JSON array. `promptTokenCount` includes
what was cached, `candidatesTokenCount` leaves out what was thought. A call is one frame, however long its arguments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

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
from gateway.sandbox.gemini_errors import JSON, LATE, error, error_in_array, told
from gateway.sandbox.gemini_request import (
    called,
    prompt_tokens,
    read_ask,
    read_counted,
    read_json,
    signature_of,
)
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import NAMES, UnknownWord, parse
from gateway.sandbox.sse import Sse

_THOUGHT: Final = 16
_FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
_RATED: Final = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")


def generate(received: Received) -> Plan:
    """POST …/models/NAME:generateContent."""
    return exchange(_DIALECT, received)


def stream(received: Received) -> Plan:
    """POST …/models/NAME:streamGenerateContent."""
    return exchange(_SSE if _is_sse(received.query.get("alt")) else _ARRAY, received)


def count(received: Received) -> Plan:
    """POST …/models/NAME:countTokens. Of the words of a script, those about time, errors and closing apply."""
    try:
        script = script_of(received.path["model"], received)
        tokens = prompt_tokens(read_counted(received.body))
    except Bad as bad:
        return refused(error, bad, received.digest)
    failed = failure(error, script, received.digest)
    if failed is not None:
        return failed
    value = {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}
    return Plan(status=200, headers=JSON, body=msgspec.json.encode(value), before=waiting(script))


def models(_: Received) -> Plan:
    """GET …/models."""
    return Plan(status=200, headers=JSON, body=msgspec.json.encode({"models": [_model(name) for name in NAMES]}))


def model(received: Received) -> Plan:
    """GET …/models/NAME: every name whose words are known."""
    name = received.path["model"]
    try:
        parse(name)
    except UnknownWord as unknown:
        return refused(error, Bad(str(unknown), status=404), received.digest)
    return Plan(status=200, headers=JSON, body=msgspec.json.encode(_model(name)))


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "description": "A make-believe model.",
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    }


def _is_sse(alt: str | None) -> bool:
    return alt == "sse"


def _read(received: Received, streamed: bool) -> Read:
    name = received.path["model"]
    script = script_of(name, received)
    request = read_json(received.body)
    ask = read_ask(request, name)
    config = request.get("generationConfig", {})
    thinking = config.get("thinkingConfig", {})
    if script.reasoning == 0 and thinking.get("includeThoughts") is True and thinking.get("thinkingBudget") != 0:
        script = msgspec.structs.replace(script, reasoning=_THOUGHT)
    if script.code == "content_filter" and script.status == 400:
        # a prompt that a filter stopped is no error here, but an answer without candidates
        script = msgspec.structs.replace(script, status=None)
    return Read(
        request=request,
        model=name,
        script=script,
        ask=ask,
        digest=received.digest,
        streamed=streamed,
        count=config.get("candidateCount", 1),
        query=received.query,
    )


class _Wire:
    """One request's answers, and how they are written."""

    def __init__(self, read: Read, answers: list[Said]) -> None:
        self._read = read
        self._script = read.script
        self._answers = answers
        self._blocked = read.script.code == "content_filter"
        self._sse = Sse(read.script) if _is_sse(read.query.get("alt")) else None
        self._begun = False
        thinking = read.request.get("generationConfig", {}).get("thinkingConfig", {})
        self._shows_thoughts = thinking.get("includeThoughts") is not False
        self._thought = 0
        self._spoken = 0

    def whole(self) -> bytes:
        """The answer as one body."""
        if self._blocked:
            return msgspec.json.encode(self._refused())
        self._thought = sum(len(said.reasoning) for said in self._answers)
        self._spoken = sum(said.tokens for said in self._answers) - self._thought
        candidates = []
        for index, said in enumerate(self._answers):
            parts = []
            if said.reasoning and self._shows_thoughts:
                parts.append({"text": "".join(said.reasoning), "thought": True})
            if said.pieces:
                parts.append(_text("".join(said.pieces), bool(said.reasoning)))
            parts += [_call(call, at == 0) for at, call in enumerate(said.calls)]
            candidates.append(self._candidate(index, parts, said))
        return msgspec.json.encode(self._response(candidates))

    def head(self) -> Iterator[bytes]:
        """Nothing: every frame is whole."""
        yield from ()

    def frames(self) -> Iterator[bytes | Piece]:
        """A frame for each token, the candidates in turn, and one for the finish of each."""
        if self._blocked:
            yield self._frame(self._refused())
            return
        lanes = [(index, self._pieces(said)) for index, said in enumerate(self._answers)]
        while lanes:
            paced = True
            for index, pieces in list(lanes):
                piece = next(pieces, None)
                if piece is None:
                    lanes.remove((index, pieces))
                    if not self._script.no_done:
                        yield self._frame(self._response([self._ended(index)]))
                    continue
                yield Piece(self._frame(self._response([self._candidate(index, piece)])), paced)
                paced = False

    def tail(self) -> Iterator[bytes]:
        """An array's end."""
        if self._sse is None and not self._script.no_done:
            yield b"\n]\n" if self._begun else b"[]\n"

    def error(self) -> bytes:
        """An error in place of a response."""
        return self._frame(told(LATE)[1]) + (b"\n]\n" if self._sse is None else b"")

    def garbage(self) -> bytes:
        """A frame that is no JSON."""
        return self._framed(GARBAGE)

    def _pieces(self, said: Said) -> Iterator[list[dict[str, Any]]]:
        for piece in said.reasoning:
            self._thought += 1
            yield [{"text": piece, "thought": True}] if self._shows_thoughts else []
        for piece in said.pieces:
            self._spoken += 1
            yield [_text(piece, False)]
        for at, call in enumerate(said.calls):
            self._spoken += 1 + len(call.pieces)
            yield [_call(call, at == 0)]

    def _ended(self, index: int) -> dict[str, Any]:
        said = self._answers[index]
        return self._candidate(index, [_text("", bool(said.reasoning and said.pieces))], said)

    def _candidate(self, index: int, parts: list[dict[str, Any]], ended: Said | None = None) -> dict[str, Any]:
        content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        candidate: dict[str, Any] = {"content": content}
        if ended is not None:
            finish = _FINISH.get(ended.finish, ended.finish)
            if ended.refused and self._script.finish is None:
                finish = "SAFETY"
            candidate["finishReason"] = finish
        candidate["index"] = index
        if ended is not None and candidate["finishReason"] == "SAFETY":
            candidate["safetyRatings"] = _ratings(True)
        if ended is not None and ended.calls and candidate["finishReason"] == "STOP":
            candidate["finishMessage"] = "Model generated function call(s)."
        return candidate

    def _response(self, candidates: list[dict[str, Any]]) -> dict[str, Any]:
        return {"candidates": candidates, **self._rest()}

    def _refused(self) -> dict[str, Any]:
        feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": _ratings(False)}
        return {"promptFeedback": feedback, **self._rest()}

    def _rest(self) -> dict[str, Any]:
        usage = {} if self._script.no_usage else {"usageMetadata": self._usage()}
        return {**usage, "modelVersion": self._read.model, "responseId": self._read.digest[:22]}

    def _usage(self) -> dict[str, Any]:
        """The usage so far; what is nothing is left out, as there."""
        asked = self._read.ask.prompt_tokens
        cached = min(self._script.cached, asked)
        usage: dict[str, Any] = {"promptTokenCount": asked}
        if cached:
            usage["cachedContentTokenCount"] = cached
        if self._spoken:
            usage["candidatesTokenCount"] = self._spoken
        usage["totalTokenCount"] = asked + self._spoken + self._thought
        usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": asked}]
        if cached:
            usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached}]
        if self._thought:
            usage["thoughtsTokenCount"] = self._thought
        return usage

    def _frame(self, value: dict[str, Any]) -> bytes:
        return self._framed(msgspec.json.encode(value))

    def _framed(self, data: bytes) -> bytes:
        if self._sse is not None:
            return self._sse.frame(data)
        begun, self._begun = self._begun, True
        return (b"\n,\r\n" if begun else b"[") + data


def _text(text: str, signed: bool) -> dict[str, Any]:
    return {"text": text, "thoughtSignature": signature_of("")} if signed else {"text": text}


def _call(call: Call, first: bool) -> dict[str, Any]:
    """A call; of several the first one is signed. Arguments that were cut off are none."""
    try:
        args = json.loads("".join(call.pieces))
    except ValueError:
        args = {}
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": args}}
    if first:
        part["thoughtSignature"] = signature_of(called(call.name, args))
    return part


def _ratings(blocked: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"} for name in _RATED]
    if blocked:
        rows[-1] |= {"probability": "HIGH", "blocked": True}
    return rows


_DIALECT: Final = Dialect(
    read=lambda received: _read(received, False),
    write=_Wire,
    error=error,
    late=LATE,
    json=lambda _: JSON,
    stream=lambda _: (("content-type", "text/event-stream"),),
)
_SSE: Final = msgspec.structs.replace(_DIALECT, read=lambda received: _read(received, True))
_ARRAY: Final = msgspec.structs.replace(_SSE, error=error_in_array, stream=lambda _: JSON)

ROUTES: Final = (
    route("POST", "/models/(?P<model>.+):generateContent", generate),
    route("POST", "/models/(?P<model>.+):streamGenerateContent", stream),
    route("POST", "/models/(?P<model>.+):countTokens", count),
    route("GET", "/models", models),
    route("GET", "/models/(?P<model>.+)", model),
)
