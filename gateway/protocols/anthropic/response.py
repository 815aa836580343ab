"""Whole answers of the messages wire: https://platform.claude.com/docs/en/api/messages/create (Returns)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.ir.chat import Choice, Declined, Finish, Opaque, Part, Reasoning, Request, Response, Seal, Text, ToolCall
from gateway.ir.usage import Usage
from gateway.protocols.anthropic.citations import citation_out
from gateway.protocols.anthropic.errors import failure_of
from gateway.protocols.anthropic.finishes import finish_of, tier_of, usage_of, usage_out, word_of
from gateway.protocols.anthropic.request_in import ORIGIN, blocks_of
from gateway.protocols.contract import Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.reading import Fields, json_of
from gateway.protocols.seals import CLAUDE, of_call, wrap


class _Answer(msgspec.Struct):
    type: str | None = None
    content: list[msgspec.Raw] | None = None
    usage: Any = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes) -> Usage | None:
    """The usage of a whole 2xx answer. Raises `Failed`: the error it carries, else `bad_response`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the answer is not a message: {error}")) from None
    if answer.error is not None:
        raise Failed(failure_of(answer.error, None))
    if answer.content is None:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no content"))
    return usage_of(answer.usage)


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for an error inside, `Malformed` for what is no message."""
    fields = Fields(json_of(body), "")
    error = fields.some("error")
    if error is not None:
        raise Failed(failure_of(error, None))
    if "content" not in fields.left:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no content"))
    for name in ("type", "role"):
        fields.some(name)
    usage = fields.some("usage")
    sequence = fields.some("stop_sequence")
    reason = fields.some("stop_reason")
    parts = blocks_of(fields.some("content"), "content")
    choice = Choice(
        parts=tuple(part for part in parts if not (isinstance(part, Text) and not part.text)),
        finish=finish_of(reason),
        stopped_by=sequence if isinstance(sequence, str) else None,
    )
    return Response(
        origin=ORIGIN,
        id=str(fields.some("id") or ""),
        model=str(fields.some("model") or ""),
        choices=(choice,),
        usage=usage_of(usage),
        service_tier=tier_of(usage),
        extras=fields.left,
    )


def encode_response(response: Response, request: Request) -> Encoded:
    """The answer's body. Clients of this wire get the first choice, for they cannot ask for more."""
    losses = Losses("Anthropic's wire")
    same = response.origin == ORIGIN
    choice = response.choices[0]
    content: list[dict[str, Any]] = []
    for part in choice.parts:
        content += _blocks(part, losses, same)
    body: dict[str, Any] = {
        "id": response.id or "msg_0",
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": content,
        "stop_reason": word_of(choice.finish),
        "stop_sequence": choice.stopped_by,
        "usage": usage_out(response.usage or Usage()),
    }
    if len(response.choices) > 1:
        losses.drop("n", "one answer at a time")
    losses.finish(choice.finish, body["stop_reason"], word_of(Finish.STOP))
    losses.unless(choice.logprobs, "logprobs")
    if response.service_tier is not None and same:
        tier = response.service_tier
        body["usage"]["service_tier"] = "standard" if tier == "default" else tier
    if same:
        for name, value in response.extras.items():
            body.setdefault(name, value)
    return Encoded(body, losses.all())


def _blocks(part: Part, losses: Losses, same: bool) -> list[dict[str, Any]]:
    match part:
        case Text():
            out: dict[str, Any] = {"type": "text", "text": part.text}
            cited = [row for each in part.citations if (row := citation_out(each, same)) is not None]
            if len(cited) < len(part.citations):
                losses.drop("citations", "citations without a URL cannot be said here")
            if cited:
                out["citations"] = cited
            if part.signature is not None:
                losses.drop("text.signature", "text is not signed here")
            return [out]
        case Declined():
            losses.drop("refusal", "the words of a refusal are text here")
            return [{"type": "text", "text": part.text}]
        case Reasoning():
            return [thinking_out(part)]
        case ToolCall():
            call = {"type": "tool_use", "id": part.id, "name": part.name, "input": losses.object_of(part.arguments)}
            if same and part.extras:
                call.update(part.extras)
            return [call] if part.signature is None else [signed_call(part.signature, part.id), call]
        case Opaque():
            if same:
                return [dict(part.raw)]
            losses.drop(part.what, "only the provider's own wire knows it")
        case _:
            losses.drop("media", "answers carry text here")
    return []


def thinking_out(part: Reasoning) -> dict[str, Any]:
    """A thought as a block; foreign seals travel wrapped."""
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": wrap(part.redacted, CLAUDE)}
    signature = wrap(part.signature, CLAUDE) if part.signature is not None else ""
    return {"type": "thinking", "thinking": part.text, "signature": signature}


def signed_call(seal: Seal, call: str) -> dict[str, Any]:
    """The block that carries the signature of a call."""
    return {"type": "thinking", "thinking": "", "signature": wrap(of_call(seal, call), CLAUDE)}
