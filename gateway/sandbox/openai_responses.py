"""The sandbox on OpenAI's Responses wire: how an answer, a stream and a count are written.

Sources: https://platform.openai.com/docs/api-reference/responses/object and /responses-streaming. A stream is
response.created and response.in_progress, then for each item its added, its deltas and its done, then
response.completed or response.incomplete with the whole response; every event is numbered. A summary of what was
thought is there when `reasoning.summary` or the word `reasoning` asks for it, its encrypted form when `include` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
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
from gateway.sandbox.openai_errors import LATE, error, headers
from gateway.sandbox.openai_models import models
from gateway.sandbox.openai_request import model_of, read_json
from gateway.sandbox.openai_responses_request import encrypted, read_ask
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad
from gateway.sandbox.sse import HEADERS, Sse

_THOUGHT: Final = 16
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def responses(received: Received) -> Plan:
    """POST …/responses."""
    return exchange(_DIALECT, received)


def count(received: Received) -> Plan:
    """POST …/responses/input_tokens. Of the words of a script, those about time, errors and closing apply."""
    try:
        request = read_json(received.body)
        script = script_of(model_of(request), received)
        tokens = read_ask(request, counted=True).prompt_tokens
    except Bad as bad:
        return refused(error, bad, received.digest)
    failed = failure(error, script, received.digest)
    if failed is not None:
        return failed
    value = {"object": "response.input_tokens", "input_tokens": tokens}
    return Plan(status=200, headers=headers(received.digest), body=msgspec.json.encode(value), before=waiting(script))


def _read(received: Received) -> Read:
    request = read_json(received.body)
    model = model_of(request)
    script = script_of(model, received)
    ask = read_ask(request)
    if script.reasoning == 0 and (request.get("reasoning") or {}).get("summary") is not None:
        script = msgspec.structs.replace(script, reasoning=_THOUGHT)
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
        self._script = read.script
        self._said = answers[0] if answers else Said()
        self._sse = Sse(read.script)
        self._number = 0
        options = read.request.get("stream_options") or {}
        self._obfuscates = options.get("include_obfuscation") is not False
        self._encrypts = "reasoning.encrypted_content" in (read.request.get("include") or ())
        finish = self._said.finish
        self._reason = None if finish in ("stop", "tool_calls") else _INCOMPLETE.get(finish, finish)

    def whole(self) -> bytes:
        """The answer as one body."""
        return msgspec.json.encode(self._response(self._ended, self._items()))

    def head(self) -> Iterator[bytes]:
        """response.created and response.in_progress."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response("in_progress", []))

    def frames(self) -> Iterator[bytes | Piece]:
        """The items in turn."""
        said, index = self._said, 0
        if said.reasoning:
            yield from self._thought(index)
            index += 1
        if said.pieces or not (said.calls or said.reasoning):
            yield from self._message(index)
            index += 1
        for call in said.calls:
            yield from self._call(index, call)
            index += 1

    def tail(self) -> Iterator[bytes]:
        """The end, with the whole response."""
        if not self._script.no_done:
            yield self._event(f"response.{self._ended}", response=self._response(self._ended, self._items()))

    def error(self) -> bytes:
        """An `error` event, in place of the one that was made last."""
        self._number -= 1
        told = msgspec.json.decode(error(LATE, "").body or b"")["error"]
        return self._event("error", code=told["code"], message=told["message"], param=told["param"])

    def garbage(self) -> bytes:
        """A delta that is no JSON."""
        return self._sse.frame(GARBAGE, "response.output_text.delta")

    @property
    def _ended(self) -> str:
        return "completed" if self._reason is None else "incomplete"

    def _thought(self, index: int) -> Iterator[bytes | Piece]:
        at = {"item_id": self._id("rs", index), "output_index": index}
        part = {**at, "summary_index": 0}
        text = "".join(self._said.reasoning)
        yield self._event("response.output_item.added", output_index=index, item=self._reasoning(index, ""))
        yield self._event("response.reasoning_summary_part.added", **part, part=_summary(""))
        for piece in self._said.reasoning:
            yield Piece(self._delta("response.reasoning_summary_text.delta", piece, **part))
        yield self._event("response.reasoning_summary_text.done", **part, text=text)
        yield self._event("response.reasoning_summary_part.done", **part, part=_summary(text))
        yield self._event("response.output_item.done", output_index=index, item=self._reasoning(index, text))

    def _message(self, index: int) -> Iterator[bytes | Piece]:
        at = {"item_id": self._id("msg", index), "output_index": index, "content_index": 0}
        refused = self._said.refused
        kind, field = ("response.refusal", "refusal") if refused else ("response.output_text", "text")
        more: dict[str, Any] = {} if refused else {"logprobs": []}
        text = "".join(self._said.pieces)
        begun = {**self._text(index), "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=index, item=begun)
        yield self._event("response.content_part.added", **at, part=self._part(""))
        for piece in self._said.pieces:
            yield Piece(self._delta(f"{kind}.delta", piece, **at, **more))
        yield self._event(f"{kind}.done", **at, **{field: text}, **more)
        yield self._event("response.content_part.done", **at, part=self._part(text))
        yield self._event("response.output_item.done", output_index=index, item=self._text(index))

    def _call(self, index: int, call: Call) -> Iterator[bytes | Piece]:
        at = {"item_id": self._id("fc", index), "output_index": index}
        begun = {**self._function(index, call), "status": "in_progress", "arguments": ""}
        yield Piece(self._event("response.output_item.added", output_index=index, item=begun))
        for piece in call.pieces:
            yield Piece(self._delta("response.function_call_arguments.delta", piece, **at))
        text = "".join(call.pieces)
        yield self._event("response.function_call_arguments.done", **at, name=call.name, arguments=text)
        yield self._event("response.output_item.done", output_index=index, item=self._function(index, call))

    def _items(self) -> list[dict[str, Any]]:
        said = self._said
        items = [self._reasoning(0, "".join(said.reasoning))] if said.reasoning else []
        if said.pieces or not (said.calls or said.reasoning):
            items.append(self._text(len(items)))
        for call in said.calls:
            items.append(self._function(len(items), call))
        return items

    def _reasoning(self, index: int, text: str) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self._id("rs", index), "type": "reasoning"}
        if self._encrypts:
            item["encrypted_content"] = encrypted(text)
        return {**item, "summary": [_summary(text)] if text else []}

    def _text(self, index: int) -> dict[str, Any]:
        return {
            "id": self._id("msg", index),
            "type": "message",
            "status": self._ended,
            "content": [self._part("".join(self._said.pieces))],
            "role": "assistant",
        }

    def _part(self, text: str) -> dict[str, Any]:
        if self._said.refused:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    def _function(self, index: int, call: Call) -> dict[str, Any]:
        last = call is self._said.calls[-1]
        return {
            "id": self._id("fc", index),
            "type": "function_call",
            "status": self._ended if last else "completed",
            "arguments": "".join(call.pieces),
            "call_id": call.id,
            "name": call.name,
        }

    def _id(self, prefix: str, index: int) -> str:
        return f"{prefix}_{sha256(f'{self._read.digest}/{index}'.encode()).hexdigest()[:48]}"

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        request, over = self._read.request, status != "in_progress"
        reasoning, text = request.get("reasoning") or {}, request.get("text", {})
        usage: dict[str, Any] = {} if self._script.no_usage else {"usage": self._usage() if over else None}
        cut = status == "incomplete"
        return {
            "id": f"resp_{self._read.digest[:48]}",
            "object": "response",
            "created_at": self._read.created,
            "status": status,
            "background": False,
            "completed_at": self._read.created if status == "completed" else None,
            "error": None,
            "frequency_penalty": 0.0,
            "incomplete_details": {"reason": self._reason} if cut else None,
            "instructions": request.get("instructions"),
            "max_output_tokens": request.get("max_output_tokens"),
            "max_tool_calls": request.get("max_tool_calls"),
            "model": self._read.model,
            "output": output,
            "parallel_tool_calls": request.get("parallel_tool_calls") is not False,
            "presence_penalty": 0.0,
            "previous_response_id": None,
            "prompt_cache_key": request.get("prompt_cache_key"),
            "prompt_cache_retention": request.get("prompt_cache_retention"),
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "safety_identifier": request.get("safety_identifier"),
            "service_tier": "default" if over else "auto",
            "store": request.get("store") is not False,
            "temperature": _given(request, "temperature", 1.0),
            "text": {"format": text.get("format", {"type": "text"}), "verbosity": _given(text, "verbosity", "medium")},
            "tool_choice": request.get("tool_choice", "auto"),
            "tools": [_tool(tool) for tool in request.get("tools", ())],
            "top_logprobs": _given(request, "top_logprobs", 0),
            "top_p": _given(request, "top_p", 1.0),
            "truncation": _given(request, "truncation", "disabled"),
            **usage,
            "user": request.get("user"),
            "metadata": _given(request, "metadata", {}),
        }

    def _usage(self) -> dict[str, Any]:
        asked, spoken = self._read.ask.prompt_tokens, self._said.tokens
        return {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": min(self._script.cached, asked), "cache_write_tokens": 0},
            "output_tokens": spoken,
            "output_tokens_details": {"reasoning_tokens": len(self._said.reasoning)},
            "total_tokens": asked + spoken,
        }

    def _delta(self, kind: str, delta: str, **fields: Any) -> bytes:
        if self._obfuscates:
            fields["obfuscation"] = self._read.digest[: 16 - len(delta) % 16]
        return self._event(kind, **fields, delta=delta)

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return self._sse.frame(msgspec.json.encode(event), kind)


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as it comes back; a function says whether it is strict."""
    return {**tool, "strict": _given(tool, "strict", True)} if tool["type"] == "function" else tool


def _given(values: dict[str, Any], name: str, otherwise: Any) -> Any:
    value = values.get(name)
    return otherwise if value is None else value


_DIALECT: Final = Dialect(
    read=_read,
    write=_Wire,
    error=error,
    late=LATE,
    json=lambda read: headers(read.digest),
    stream=lambda read: (*HEADERS, *headers(read.digest)[1:]),
)

ROUTES: Final = (
    route("POST", "/responses", responses),
    route("POST", "/responses/input_tokens", count),
    *models(error),
)
