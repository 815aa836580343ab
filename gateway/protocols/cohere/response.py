"""Whole answers, wire → IR. The plan that precedes calls (`tool_plan`) is thought, like a `thinking` block."""

from __future__ import annotations

from typing import Any, Final

from gateway.failure import Failed
from gateway.ir.chat import Choice, Citation, Opaque, Part, Reasoning, Response, Text, ToolCall
from gateway.protocols.cohere.citations import block_of, citations_of
from gateway.protocols.cohere.errors import failure_of
from gateway.protocols.cohere.finishes import failure_in, finish_of, logprobs_of, usage_of
from gateway.protocols.reading import Fields, Malformed, compact, json_of, wrong
from gateway.protocols.tool_ids import made

ORIGIN: Final = "cohere"


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for one that ends in an error, `Malformed` for what is no answer."""
    fields = Fields(json_of(body), "")
    message = fields.some("message")
    if isinstance(message, str):  # an error's body under a 200
        raise Failed(failure_of(message, None))
    if message is None:
        raise Malformed("message", "is missing")
    word = fields.some("finish_reason")
    failure = failure_in(word, fields.some("error"))
    if failure is not None:
        raise Failed(failure)
    id_ = fields.some("id")
    id_ = id_ if isinstance(id_, str) else ""
    rows = logprobs_of(fields.some("logprobs") or [])
    usage = usage_of(fields.some("usage"))
    parts, called = _parts(Fields(message, "message"), id_)
    choice = Choice(
        parts=parts,
        finish=finish_of(word, called),
        logprobs={"content": rows, "refusal": None} if rows else None,
    )
    return Response(origin=ORIGIN, id=id_, model="", choices=(choice,), usage=usage, extras=fields.left)


def _parts(message: Fields, salt: str) -> tuple[tuple[Part, ...], bool]:
    plan = message.text("tool_plan")
    parts: list[Part] = []
    content = message.some("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if content is not None and not isinstance(content, list):
        raise wrong("message.content", "an array", content)
    cited: dict[int, tuple[Citation, ...]] = {}
    texts = [at for at, each in enumerate(content or []) if isinstance(each, dict) and each.get("type") == "text"]
    for each in message.items("citations"):
        place = block_of(each)
        if texts:
            place = place if place in texts else texts[0]
            cited[place] = cited.get(place, ()) + citations_of(each)
    for at, each in enumerate(content or []):
        part = _part(each, f"message.content[{at}]", cited.get(at, ()))
        if part is not None:
            parts.append(part)
    if plan:
        parts.append(Reasoning(text=plan))
    calls = message.items("tool_calls")
    parts += [_call(each, f"message.tool_calls[{nth}]", salt, nth) for nth, each in enumerate(calls)]
    return tuple(parts), bool(calls)


def _part(value: Any, at: str, citations: tuple[Citation, ...]) -> Part | None:
    fields = Fields(value, at)
    kind = fields.needed("type")
    if kind == "text":
        text = fields.text("text") or ""
        return Text(text, citations) if text else None
    if kind == "thinking":
        text = fields.text("thinking") or ""
        return Reasoning(text=text) if text else None
    return Opaque(kind, value)


def _call(value: Any, at: str, salt: str, nth: int) -> ToolCall:
    fields = Fields(value, at)
    inner = fields.inner("function") or Fields({}, at)
    name = inner.text("name") or ""
    id_ = fields.some("id")
    return ToolCall(
        id=id_ if isinstance(id_, str) and id_ else made(salt, nth, name),
        name=name,
        arguments=arguments_of(inner.some("arguments"), f"{at}.function.arguments"),
    )


def arguments_of(value: Any, at: str) -> str:
    """Arguments as JSON text. Raises `Malformed`."""
    if value is None or value == "":
        return "{}"
    if isinstance(value, dict):
        return compact(value)
    if not isinstance(value, str):
        raise wrong(at, "a string", value)
    return value
