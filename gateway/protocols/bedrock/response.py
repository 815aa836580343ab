"""Whole answers, wire → IR: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

from __future__ import annotations

from typing import Any, Final

from gateway.failure import Failed, Failure, Kind
from gateway.ir.chat import Choice, Citation, Media, Opaque, Part, Reasoning, Response, Text, ToolCall
from gateway.protocols.bedrock.errors import failure_of
from gateway.protocols.bedrock.finishes import (
    finish_of,
    redacted_of,
    signature_of,
    stopped_by,
    tier_of,
    unreadable,
    usage_of,
)
from gateway.protocols.reading import Fields, compact, json_of
from gateway.protocols.tool_ids import made

ORIGIN: Final = "bedrock-converse"


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for an error inside, `Malformed` for what is no answer of Converse."""
    fields = Fields(json_of(body), "")
    output = fields.some("output")
    if output is None:
        if any(name in fields.left for name in ("message", "Message", "__type", "Output")):
            raise Failed(failure_of(_error(fields.left), None, None))
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no output"))
    message = Fields(output, "output").inner("message")
    if message is None:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no message"))
    reason = fields.some("stopReason")
    failure = unreadable(reason)
    if failure is not None:
        raise Failed(failure)
    parts: list[Part] = []
    for at, value in enumerate(message.items("content")):
        parts += _parts(value, f"output.message.content[{at}]", at)
    called = any(isinstance(part, ToolCall) for part in parts)
    choice = Choice(
        parts=tuple(parts),
        finish=finish_of(reason, called),
        stopped_by=stopped_by(fields.left.get("additionalModelResponseFields")),
    )
    return Response(
        origin=ORIGIN,
        id="",
        model="",
        choices=(choice,),
        usage=usage_of(fields.some("usage")),
        service_tier=tier_of(fields.some("serviceTier")),
        extras=fields.left,
    )


def _error(fields: dict[str, Any]) -> dict[str, Any]:
    """The error of a 200: AWS writes some of them as `{"Output": {"__type": …}}`."""
    inner = fields.get("Output")
    return {**fields, **inner} if isinstance(inner, dict) else fields


def _parts(value: Any, at: str, nth: int) -> list[Part]:
    fields = Fields(value, at)
    if "text" in fields.left:
        text = fields.text("text")
        return [Text(text)] if text else []
    if "toolUse" in fields.left:
        return [_call(fields, value, nth)]
    if "reasoningContent" in fields.left:
        return _thoughts(fields)
    if "citationsContent" in fields.left:
        return _cited(fields)
    if "image" in fields.left:
        image = image_of(value["image"])
        return [image] if image is not None else []
    return [Opaque(name, value) for name in list(fields.left)[:1]]


def _call(fields: Fields, value: Any, nth: int) -> Part:
    inner = fields.inner("toolUse")
    if inner is None:
        return Opaque("toolUse", value)
    if hosted(inner.left.get("type")):
        return Opaque("server_tool_use", value)
    name = inner.text("name") or ""
    given = inner.some("input")
    arguments = given if isinstance(given, str) and given else compact(given) if given not in (None, "") else "{}"
    return ToolCall(id=inner.text("toolUseId") or made("", nth, name), name=name, arguments=arguments)


def hosted(kind: Any) -> bool:
    """Whether a call's `type` says that Bedrock runs the tool itself."""
    return isinstance(kind, str) and kind == "server_tool_use"


def _thoughts(fields: Fields) -> list[Part]:
    inner = fields.inner("reasoningContent")
    if inner is None:
        return []
    redacted = inner.text("redactedContent")
    if redacted is not None:
        return [Reasoning(redacted=redacted_of(redacted))]
    plain = inner.left.get("reasoningText")
    if isinstance(plain, str):
        return [Reasoning(text=plain)] if plain else []
    words = inner.inner("reasoningText")
    if words is None:
        return []
    text, signature = words.text("text") or "", words.text("signature")
    if not text and not signature:
        return []
    return [Reasoning(text=text, signature=signature_of(signature) if signature else None)]


def _cited(fields: Fields) -> list[Part]:
    inner = fields.inner("citationsContent")
    if inner is None:
        return []
    texts = [Fields(each, f"{inner.at}.content[{at}]").text("text") for at, each in enumerate(inner.items("content"))]
    text = "".join(each or "" for each in texts)
    citations = tuple(citation_of(each, len(text)) for each in inner.items("citations") if isinstance(each, dict))
    return [Text(text, citations)] if text or citations else []


def citation_of(value: dict[str, Any], length: int) -> Citation:
    """A citation, which is about the whole text so long. Its places count in the source, and stay in `raw`."""
    location = value.get("location")
    web = location.get("web") if isinstance(location, dict) else None
    url = web.get("url") if isinstance(web, dict) else None
    domain = web.get("domain") if isinstance(web, dict) else None
    source = value.get("source")
    if not isinstance(url, str) and isinstance(source, str) and source.startswith(("http://", "https://")):
        url = source
    words = value.get("sourceContent")
    quotes = [each.get("text") for each in words if isinstance(each, dict)] if isinstance(words, list) else []
    quote = "".join(each for each in quotes if isinstance(each, str))
    title = next((each for each in (value.get("title"), domain, source) if isinstance(each, str) and each), None)
    return Citation(
        url=url if isinstance(url, str) else None, title=title, quote=quote or None, start=0, end=length, raw=value
    )


def image_of(value: Any) -> Media | None:
    """An image that a model made."""
    source = value.get("source") if isinstance(value, dict) else None
    data = source.get("bytes") if isinstance(source, dict) else None
    word = value.get("format") if isinstance(value, dict) else None
    if not isinstance(data, str):
        return None
    return Media(kind="image", mime=f"image/{word}" if isinstance(word, str) else None, data=data)
