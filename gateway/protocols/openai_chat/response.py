"""Whole answers: read into the IR, written from it, and, where bytes pass, read only for their usage."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.ir.chat import (
    Choice,
    Citation,
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
from gateway.protocols.openai_chat.errors import failure_of
from gateway.protocols.openai_chat.finishes import finish_of, usage_of, usage_out, word_of
from gateway.protocols.openai_chat.reasoning import details_of, thoughts_of
from gateway.protocols.openai_chat.request_in import ORIGIN, arguments_of, linked, parts_of
from gateway.protocols.reading import Fields, json_of
from gateway.protocols.seals import GEMINI, unwrap
from gateway.protocols.tool_ids import made


class _Answer(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: Any = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes) -> Usage | None:
    """The usage of a whole 2xx answer.

    Raises `Failed`: the failure that a 200 carries in `error`, else `bad_response` for what is no chat completion.
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the answer is not a chat completion: {error}")) from None
    if answer.error is not None:
        raise Failed(failure_of(answer.error, None))
    if not answer.choices:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no choices"))
    return usage_of(answer.usage)


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for an error inside, `Malformed` for what is no chat completion."""
    fields = Fields(json_of(body), "")
    error = fields.some("error")
    if error is not None:
        raise Failed(failure_of(error, None))
    choices = fields.items("choices")
    if not choices:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no choices"))
    fields.some("object")
    tier = fields.some("service_tier")
    created = fields.some("created")
    id_ = fields.some("id")
    id_ = id_ if isinstance(id_, str) else ""
    return Response(
        origin=ORIGIN,
        id=id_,
        model=str(fields.some("model") or ""),
        choices=tuple(_choice(each, f"choices[{at}]", id_) for at, each in enumerate(choices)),
        usage=usage_of(fields.some("usage")),
        created=int(created) if isinstance(created, int | float) else 0,
        service_tier=tier if isinstance(tier, str) else None,
        extras=fields.left,
    )


def _choice(value: Any, at: str, salt: str) -> Choice:
    fields = Fields(value, at)
    message = fields.inner("message")
    fields.some("index")
    logprobs = fields.some("logprobs")
    reason = fields.some("finish_reason")
    if message is None:
        text = fields.text("text")
        return Choice(parts=(Text(text or ""),), finish=finish_of(reason, False), logprobs=logprobs)
    parts: list[Part] = list(thoughts_of(message))
    annotations = message.some("annotations")
    content = parts_of(message.some("content"), f"{at}.message.content")
    parts += [part for part in content if not (isinstance(part, Text) and not part.text)]
    if isinstance(annotations, list) and annotations:
        parts = _cited(parts, tuple(citation_of(each) for each in annotations if isinstance(each, dict)))
    refusal = message.text("refusal")
    if refusal:
        parts.append(Declined(refusal))
    images = message.some("images")
    parts += [part for each in images if (part := image_of(each)) is not None] if isinstance(images, list) else []
    calls = message.items("tool_calls")
    older = message.some("function_call")
    if isinstance(older, dict):
        calls = [*calls, {"id": older.get("name"), "function": older}]
    parts += [_call(each, f"{at}.message.tool_calls[{nth}]", salt, nth) for nth, each in enumerate(calls)]
    message.some("role")
    audio = message.some("audio")
    if audio is not None:
        parts.append(Opaque("audio", {"audio": audio}))
    return Choice(parts=tuple(parts), finish=finish_of(reason, bool(calls)), logprobs=logprobs, extras=message.extras())


def _cited(parts: list[Part], citations: tuple[Citation, ...]) -> list[Part]:
    out, done = [], False
    for part in parts:
        if isinstance(part, Text) and not done:
            part, done = msgspec.structs.replace(part, citations=citations), True
        out.append(part)
    return out


def citation_of(value: dict[str, Any]) -> Citation:
    """An annotation as a citation."""
    inner = value.get("url_citation")
    inner = inner if isinstance(inner, dict) else value

    def text(name: str) -> str | None:
        found = inner.get(name)
        return found if isinstance(found, str) else None

    def number(name: str) -> int | None:
        found = inner.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    return Citation(
        url=text("url"),
        title=text("title"),
        quote=text("content"),
        start=number("start_index"),
        end=number("end_index"),
        raw=value,
    )


def annotation_of(citation: Citation, length: int, before: int) -> dict[str, Any] | None:
    """A citation of a text so long, which follows `before` characters of the content; None where it has no URL."""
    if citation.url is None:
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": before + (citation.start or 0),
            "end_index": before + (citation.end if citation.end is not None else length),
            "url": citation.url,
            "title": citation.title or citation.url,
        },
    }


def image_of(value: Any) -> Media | None:
    """An image that a model made (OpenRouter's `images`)."""
    inner = value.get("image_url") if isinstance(value, dict) else None
    url = inner.get("url") if isinstance(inner, dict) else inner
    return linked("image", url) if isinstance(url, str) else None


def _call(value: Any, at: str, salt: str, nth: int) -> ToolCall:
    fields = Fields(value, at)
    custom = fields.some("type") == "custom"
    inner = fields.inner("custom" if custom else "function") or Fields({}, at)
    name = inner.text("name") or ""
    given = inner.some("input" if custom else "arguments")
    id_ = fields.some("id")
    fields.some("index")
    return ToolCall(
        id=id_ if isinstance(id_, str) and id_ not in ("", "null") else made(salt, nth, name),
        name=name,
        arguments=arguments_of(given, f"{at}.arguments", custom=custom),
        custom=custom,
        signature=signature_of(fields.left),
        extras=fields.extras(),
    )


def signature_of(call: dict[str, Any]) -> Any:
    """Gemini's signature of a call, taken out of it."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    word = google.get("thought_signature") if isinstance(google, dict) else None
    if not isinstance(word, str):
        return None
    del call["extra_content"]
    return unwrap(word, GEMINI)


def encode_response(response: Response, request: Request) -> Encoded:
    """The answer's body."""
    losses = Losses("OpenAI's chat wire")
    same = response.origin == ORIGIN
    custom = custom_tools.names(request)
    body: dict[str, Any] = {
        "id": response.id or "chatcmpl-0",
        "object": "chat.completion",
        "created": response.created,
        "model": response.model,
        "choices": [
            {
                "index": at,
                "message": _message(choice, losses, same, custom),
                "logprobs": choice.logprobs,
                "finish_reason": word_of(choice.finish),
            }
            for at, choice in enumerate(response.choices)
        ],
        "usage": usage_out(response.usage or Usage()),
    }
    if response.service_tier is not None:
        body["service_tier"] = response.service_tier
    if same:
        for name, value in response.extras.items():
            body.setdefault(name, value)
    return Encoded(body, losses.all())


def _message(choice: Choice, losses: Losses, same: bool, custom: frozenset[str]) -> dict[str, Any]:
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[Reasoning] = []
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    audio = None
    for part in choice.parts:
        match part:
            case Text():
                before = sum(map(len, texts))
                for citation in part.citations:
                    row = citation.raw if same else annotation_of(citation, len(part.text), before)
                    if row is None:
                        losses.drop("citations", "citations have URLs on this wire")
                    else:
                        annotations.append(row)
                losses.unless(part.signature, "text.signature", "text is not signed here")
                texts.append(part.text)
            case Declined():
                refusals.append(part.text)
            case Reasoning():
                thoughts.append(part)
            case ToolCall():
                calls.append(call_out(part, custom))
            case Media(kind="image"):
                url = part.url or media.to_data_url(part.mime, part.data or "")
                images.append({"type": "image_url", "image_url": {"url": url}})
            case Opaque(raw={"audio": value}) if same:
                audio = value
            case Opaque():
                losses.drop(part.what, "only the provider's own wire knows it")
            case _:
                losses.drop("media", "answers carry text and images here")
    losses.finish(choice.finish, word_of(choice.finish), word_of(Finish.STOP))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (calls or refusals) else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    text = "".join(thought.text for thought in thoughts)
    if text:
        message["reasoning_content"] = text
    details = details_of(thoughts)
    if details:
        message["reasoning_details"] = details
    if annotations:
        message["annotations"] = annotations
    if calls:
        message["tool_calls"] = calls
    if images:
        message["images"] = images
    if audio is not None:
        message["audio"] = audio
    if same and choice.extras:
        message.update(choice.extras)
    return message


def call_out(call: ToolCall, custom: frozenset[str]) -> dict[str, Any]:
    """A call in an answer. `custom` are the tools whose calls are free text for this client."""
    inner = {"name": call.name}
    if call.custom or call.name in custom:
        kind = "custom"
        inner["input"] = call.arguments if call.custom else custom_tools.from_json(call.arguments)
    else:
        kind = "function"
        inner["arguments"] = call.arguments
    out: dict[str, Any] = {"id": call.id, "type": kind, kind: inner}
    if call.signature is not None and call.signature.family == GEMINI:
        out["extra_content"] = {"google": {"thought_signature": call.signature.value}}
    return out
