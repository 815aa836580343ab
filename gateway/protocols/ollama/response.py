"""Whole answers: read into the IR, written from it, and, where bytes pass, read only for their counts."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.ir.chat import (
    Choice,
    Declined,
    Finish,
    Media,
    Opaque,
    Part,
    Reasoning,
    Request,
    Response,
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols import custom_tools, media
from gateway.protocols.contract import Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.ollama.errors import failure_of
from gateway.protocols.ollama.finishes import (
    counts_out,
    finish_of,
    logprobs_of,
    logprobs_out,
    own_word,
    usage_of,
    word_of,
)
from gateway.protocols.ollama.request_in import ORIGIN, arguments_of
from gateway.protocols.ollama.stamps import seconds_of, stamp_of
from gateway.protocols.reading import Fields, Malformed, json_of
from gateway.protocols.tool_ids import made


class _Answer(msgspec.Struct):
    message: dict[str, msgspec.Raw] | None = None
    prompt_eval_count: Any = None
    prompt_eval_cached_count: Any = None
    eval_count: Any = None
    error: Any = None


# Ollama's own SDK raises on an answer with `images`, though a server may write them.
NO_MEDIA: Final = "answers carry text here"
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes) -> Usage | None:
    """The usage of a whole 2xx answer. Raises `Failed`: the error inside, else `bad_response` for what is no answer."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the answer is not one of a chat: {error}")) from None
    if answer.error is not None:
        raise Failed(failure_of(answer.error, None))
    if answer.message is None:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no message"))
    return usage_of(answer.prompt_eval_count, answer.eval_count, answer.prompt_eval_cached_count)


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for an error inside, `Malformed` for what is no answer."""
    fields = Fields(json_of(body), "")
    error = fields.some("error")
    if error is not None:
        raise Failed(failure_of(error, None))
    message = fields.inner("message")
    if message is None:
        raise Malformed("message", "is missing")
    model = fields.some("model")
    model = model if isinstance(model, str) else ""
    stamp = fields.some("created_at")
    fields.some("done")
    word = fields.some("done_reason")
    given, made_, cached = (
        fields.some(name) for name in ("prompt_eval_count", "eval_count", "prompt_eval_cached_count")
    )
    parts: list[Part] = []
    thinking = message.text("thinking")
    if thinking:
        parts.append(Reasoning(text=thinking))
    text = message.text("content")
    if text:
        parts.append(Text(text))
    parts += [image_of(each) for each in message.items("images") if isinstance(each, str)]
    salt = f"{model}{stamp}"
    calls = [call_of(each, "message.tool_calls", salt, nth) for nth, each in enumerate(message.items("tool_calls"))]
    rows = logprobs_of(fields.some("logprobs"))
    own = own_word(word)
    choice = Choice(
        parts=(*parts, *calls),
        finish=finish_of(word, bool(calls)),
        logprobs=None if rows is None else {"content": rows, "refusal": None},
        extras=None if own is None else {"done_reason": own},
    )
    return Response(
        origin=ORIGIN,
        id="",
        model=model,
        choices=(choice,),
        usage=usage_of(given, made_, cached),
        created=seconds_of(stamp),
        extras=fields.left,
    )


def image_of(data: str) -> Media:
    """An image that a model made."""
    return Media(kind="image", mime=media.sniffed(None, data), data=data)


def call_of(value: Any, at: str, salt: str, nth: int) -> ToolCall:
    """A call of an answer; one without an id gets one. Raises `Malformed`."""
    fields = Fields(value, f"{at}[{nth}]")
    inner = fields.inner("function") or Fields({}, fields.at)
    name = inner.text("name") or ""
    id_ = fields.some("id")
    return ToolCall(
        id=id_ if isinstance(id_, str) and id_ else made(salt, nth, name),
        name=name,
        arguments=arguments_of(inner.some("arguments"), f"{fields.at}.function.arguments"),
    )


def encode_response(response: Response, _request: Request) -> Encoded:
    """The answer's body."""
    losses = Losses("Ollama's wire")
    same = response.origin == ORIGIN
    choice = response.choices[0]
    if len(response.choices) > 1:
        losses.drop("choices", "one answer at a time")
    extras = response.extras if same else {}
    word = (choice.extras or {}).get("done_reason") if same else None
    losses.finish(choice.finish, word or word_of(choice.finish), word_of(Finish.STOP))
    body: dict[str, Any] = {
        "model": response.model,
        "created_at": stamp_of(response.created),
        "message": _message(choice, losses),
        "done": True,
        "done_reason": word or word_of(choice.finish),
        **counts_out(response.usage, extras),
    }
    rows = logprobs_out(choice.logprobs)
    if rows is not None:
        body["logprobs"] = rows
    for name, value in extras.items():
        body.setdefault(name, value)
    return Encoded(body, losses.all())


def _message(choice: Choice, losses: Losses) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in choice.parts:
        match part:
            case Text():
                texts.append(part.text)
                if part.citations:
                    losses.drop("citations", "there is no place for them here")
                if part.signature is not None:
                    losses.drop("text.signature", "there is no place for it here")
            case Declined():
                texts.append(part.text)
                losses.drop("refusal", "the words of a refusal are text here")
            case Reasoning():
                thoughts.append(part.text)
                if part.signature is not None or part.redacted is not None:
                    losses.drop("reasoning.signature", "there is no place for it here")
            case ToolCall():
                if part.signature is not None:
                    losses.drop("tool_call.signature", "there is no place for it here")
                calls.append(call_out(part.id, part.name, part.arguments, len(calls), part.custom, losses))
            case Opaque():
                losses.drop(part.what, "only the provider's own wire knows it")
            case _:
                losses.drop("media", NO_MEDIA)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if any(thoughts):
        message["thinking"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message


def call_out(id_: str, name: str, arguments: str, index: int, custom: bool, losses: Losses) -> dict[str, Any]:
    """A call in an answer."""
    given = custom_tools.to_object(arguments) if custom else losses.object_of(arguments)
    return {"id": id_, "function": {"index": index, "name": name, "arguments": given}}
