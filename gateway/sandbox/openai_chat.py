"""The sandbox on OpenAI's chat wire: a request and a script → a plan of bytes.

Sources: https://platform.openai.com/docs/api-reference/chat/object and /chat/streaming. The id is a hash of the
request's bytes and of its `x-sandbox` header; `created` is 1700000000 plus up to 1048575 seconds of the same hash.
With `include_usage` every chunk has `"usage":null` and one more, without choices, has the usage; without it, none.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.sandbox.content import Ask, Said, say
from gateway.sandbox.openai_errors import JSON, Bad, in_the_middle, refused, scripted
from gateway.sandbox.openai_request import model_of, read_ask, read_json
from gateway.sandbox.plan import End, Pause, Plan, Step
from gateway.sandbox.script import TOKENS_MOST, Script, UnknownWord, parse, recovered

EPOCH: Final = 1_700_000_000
_SSE: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
_GARBAGE: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_ODD: Final = (1, 2, 3, 7, 5, 11, 4, 19)


def chat(body: bytes, header: str | None, failed: dict[str, int]) -> Plan:
    """POST …/chat/completions. `failed` counts, by model, the requests that `fail=N` let fail; it is written to."""
    try:
        request = read_json(body)
        model = model_of(request)
        try:
            script = parse(model, header)
        except UnknownWord as unknown:
            raise Bad(str(unknown), "invalid_value", unknown.param) from None
        ask = read_ask(request, model)
        count = request.get("n")
        count = 1 if count is None else count
        if count * max(script.tokens or 0, script.reasoning) > TOKENS_MOST:
            raise Bad(f"The sandbox says at most {TOKENS_MOST} tokens in one answer.", "invalid_value", "n")
    except Bad as bad:
        return refused(bad)
    digest = sha256(b"%b\0%b" % (body, (header or "").encode("utf-8", "replace"))).hexdigest()
    if script.fail is None:
        return _planned(request, model, ask, count, script, digest)
    failed[model] = min(failed.get(model, 0) + 1, TOKENS_MOST + 1)
    if failed[model] > script.fail:
        script = recovered(script)
    elif recovered(script) == script:
        script = msgspec.structs.replace(script, status=500)
    return msgspec.structs.replace(_planned(request, model, ask, count, script, digest), repeatable=False)


def _planned(request: dict[str, Any], model: str, ask: Ask, count: int, script: Script, digest: str) -> Plan:
    """The faults that need no answer, in the order in which they would be met; then the answer."""
    named = (("x-request-id", f"req_{digest[:32]}"),)
    before: tuple[Step, ...] = (Pause(script.latency),) if script.latency > 0 else ()
    if script.reset:
        return Plan(status=0, before=(*before, End.RESET))
    if script.stall:
        return Plan(status=0, before=(*before, End.STALL))
    if script.status is not None:
        plan = scripted(script.status, script)
        return msgspec.structs.replace(plan, headers=(*plan.headers, *named), before=before)
    streamed = request.get("stream") is True
    if script.error_in_200:
        return Plan(status=200, headers=(*JSON, *named), body=in_the_middle(), before=before)
    if script.garbage or script.empty:
        text = b"" if script.empty else b"data: %b\n\n" % _GARBAGE if streamed else _GARBAGE
        return Plan(status=200, headers=(*(_SSE if streamed else JSON), *named), body=text, before=before)
    answers = [say(ask, script, choice) for choice in range(count)]
    wire = _Wire(request, model, ask, answers, script, digest)
    if streamed:
        return Plan(status=200, headers=(*_SSE, *named), steps=_torn(wire.stream(), script), before=before)
    if script.rate is not None:
        before = (*before, Pause(max(said.tokens for said in answers) / script.rate))
    text = wire.whole()
    if not script.cut and not script.split:
        return Plan(status=200, headers=(*JSON, *named), body=text, before=before)
    steps: tuple[Step, ...] = (text[: len(text) // 2], End.RESET) if script.cut else (text,)
    return Plan(status=200, headers=(*JSON, *named), steps=_torn(iter(steps), script), length=len(text), before=before)


class _Wire:
    """One request's answers, and how they are written."""

    def __init__(
        self, request: dict[str, Any], model: str, ask: Ask, answers: list[Said], script: Script, digest: str
    ) -> None:
        self._script = script
        self._answers = answers
        self._base = {
            "id": f"chatcmpl-{digest[:29]}",
            "object": "chat.completion",
            "created": EPOCH + int(digest[:5], 16),
            "model": model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        }
        self._logprobs = request.get("logprobs") is True
        self._top = request.get("top_logprobs") or 0
        self._usage = None if script.no_usage else _usage(ask, answers, script)
        options = request.get("stream_options") or {}
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

    def stream(self) -> Iterator[Step]:
        """The frames, the choices in turn, with the pauses and the ends that the script asks for."""
        script, number = self._script, 0
        pause = Pause(1.0 / script.rate) if script.rate is not None else None
        for index, said in enumerate(self._answers):
            content = None if said.calls or said.refused else ""
            yield self._chunk(index, {"role": "assistant", "content": content, "refusal": None})
        lanes = [(index, self._pieces(index, said)) for index, said in enumerate(self._answers)]
        rounds = max(said.tokens for said in self._answers)
        for turn in range(rounds + 1):
            if pause is not None and turn < rounds:
                yield pause
            for index, pieces in list(lanes):
                end = self._end_at(number)
                if end:
                    yield from end
                    return
                piece = next(pieces, None)
                if piece is None:
                    lanes.remove((index, pieces))
                    yield self._chunk(index, {}, self._answers[index].finish)
                    continue
                if script.garbage_at == number:
                    yield self._frame(_GARBAGE)
                number += 1
                yield piece
        if script.cut:
            yield End.RESET
            return
        if self._shows_usage:
            yield self._frame(msgspec.json.encode(self._object([], self._usage)))
        if not script.no_done:
            yield self._frame(b"[DONE]")

    def _end_at(self, number: int) -> list[Step]:
        """What ends the stream before its piece of this number; nothing where it goes on."""
        script = self._script
        if script.cut_at == number or (script.cut and number == 1):
            return [End.RESET]
        if script.stall_at == number:
            return [End.STALL]
        if script.error_at == number:
            return [self._frame(in_the_middle())]
        return []

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
        return self._frame(msgspec.json.encode(self._object([choice], None)))

    def _object(self, choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        chunk = {**self._base, "object": "chat.completion.chunk", "choices": choices}
        if self._shows_usage:
            chunk["usage"] = usage
        return chunk

    def _frame(self, data: bytes) -> bytes:
        end = b"\r\n" if self._script.crlf else b"\n"
        comment = b": the sandbox is thinking" + end + end if self._script.comments else b""
        return b"%bdata: %b%b%b" % (comment, data, end, end)

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


def _torn(steps: Iterator[Step], script: Script) -> Iterator[Step]:
    """The same bytes; where the script says so, in odd lengths that mind neither frames nor characters."""
    if not script.split:
        yield from steps
        return
    held, turn = b"", 0
    for step in steps:
        if not isinstance(step, bytes):
            if held:
                yield held
                held = b""
            yield step
            continue
        held += step
        while len(held) >= _ODD[turn % len(_ODD)]:
            length = _ODD[turn % len(_ODD)]
            yield held[:length]
            held, turn = held[length:], turn + 1
    if held:
        yield held
