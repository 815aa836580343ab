"""Content parts of messages and of tools' results, wire → IR, and the annotations of a text, both ways.

Source of facts: https://platform.openai.com/docs/api-reference/responses/create (`input`) and /responses/object.
"""

from __future__ import annotations

from typing import Any

from gateway.ir.chat import Citation, Declined, Media, Opaque, Part, Text
from gateway.protocols.openai_chat.request_in import file_of, linked
from gateway.protocols.openai_chat.response import citation_of
from gateway.protocols.openai_responses.client_tools import ITEM
from gateway.protocols.reading import Fields, Malformed, kind_of

# What marks an `Opaque` as a part of a message where a whole item could stand too.
PART = "content."


def parts_of(content: Any, at: str, *, prefix: str = "") -> tuple[Part, ...]:
    """The content of a message: null, a string, or parts. `prefix` goes before the names of unknown parts."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise Malformed(at, f"must be a string or an array of parts, not {kind_of(content)}")
    return tuple(_part(each, f"{at}[{index}]", prefix) for index, each in enumerate(content))


def _part(value: Any, at: str, prefix: str) -> Part:
    if isinstance(value, str):
        return Text(value)
    fields = Fields(value, at)
    fields.some(ITEM)  # the gateway's own word
    kind = fields.needed("type")
    match kind:
        case "input_text" | "output_text" | "text":
            text = fields.needed("text")
            citations = citations_of(fields.some("annotations"))
            if not fields.left.get("logprobs"):
                fields.some("logprobs")
            return Text(text, citations, extras=fields.extras())
        case "refusal":
            return Declined(fields.needed("refusal"))
        case "input_image" | "image_url":
            return _image(fields, at)
        case "input_file" | "file":
            return file_of(fields.inner("file") or fields, None, fields.left if kind == "file" else None)
        case "input_audio":
            inner = fields.inner("input_audio")
            if inner is not None and isinstance(inner.left.get("data"), str):
                word = inner.text("format") or "wav"
                mime = {"mp3": "audio/mpeg"}.get(word, f"audio/{word}")
                return Media(kind="audio", mime=mime, data=inner.needed("data"), extras=fields.extras())
    return Opaque(prefix + kind, value)


def _image(fields: Fields, at: str) -> Media:
    url = fields.some("image_url")
    if isinstance(url, dict):
        url = url.get("url")
    id_ = fields.text("file_id")
    detail = fields.text("detail")
    if isinstance(url, str):
        media = linked("image", url, detail=detail)
        extras = fields.extras()
        if extras is None:
            return media
        return Media(kind="image", mime=media.mime, data=media.data, url=media.url, detail=detail, extras=extras)
    if id_ is None:
        raise Malformed(f"{at}.image_url", "is missing")
    return Media(kind="image", file=id_, detail=detail, extras=fields.extras())


def citations_of(annotations: Any) -> tuple[Citation, ...]:
    """The annotations of a text as citations."""
    if not isinstance(annotations, list):
        return ()
    return tuple(citation_of(each) for each in annotations if isinstance(each, dict))


def annotation_of(citation: Citation, text: str | None, *, same: bool) -> dict[str, Any] | None:
    """A citation as an annotation; None where it has no URL. `text` is the text that cites, where it is known."""
    if same and isinstance(citation.raw, dict):
        return citation.raw
    if citation.url is None:
        return None
    return {
        "type": "url_citation",
        "start_index": citation.start if citation.start is not None else 0,
        "end_index": citation.end if citation.end is not None else len(text or ""),
        "url": citation.url,
        "title": citation.title or citation.url,
    }
