"""Binary content, IR → wire: images, documents, videos and sounds as bytes or as places in S3.

A document has a name of its own in the request, made of letters, digits, single spaces, hyphens, parentheses and
brackets (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html). Other URLs than
`s3://` are not fetched by Bedrock.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.ir.chat import Media
from gateway.protocols import media
from gateway.protocols.losses import Losses

NAME_MOST: Final = 200
_FORMATS: Final[dict[str, tuple[str, str]]] = {
    "image/png": ("image", "png"),
    "image/jpeg": ("image", "jpeg"),
    "image/jpg": ("image", "jpeg"),
    "image/gif": ("image", "gif"),
    "image/webp": ("image", "webp"),
    "application/pdf": ("document", "pdf"),
    "text/csv": ("document", "csv"),
    "application/msword": ("document", "doc"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("document", "docx"),
    "application/vnd.ms-excel": ("document", "xls"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("document", "xlsx"),
    "text/html": ("document", "html"),
    "text/markdown": ("document", "md"),
    "application/json": ("document", "txt"),
    "application/xml": ("document", "txt"),
    "video/x-matroska": ("video", "mkv"),
    "video/quicktime": ("video", "mov"),
    "video/mp4": ("video", "mp4"),
    "video/webm": ("video", "webm"),
    "video/x-flv": ("video", "flv"),
    "video/mpeg": ("video", "mpeg"),
    "video/x-ms-wmv": ("video", "wmv"),
    "video/3gpp": ("video", "three_gp"),
    "audio/mpeg": ("audio", "mp3"),
    "audio/mp3": ("audio", "mp3"),
    "audio/opus": ("audio", "opus"),
    "audio/wav": ("audio", "wav"),
    "audio/wave": ("audio", "wav"),
    "audio/x-wav": ("audio", "wav"),
    "audio/aac": ("audio", "aac"),
    "audio/flac": ("audio", "flac"),
    "audio/ogg": ("audio", "ogg"),
    "audio/mp4": ("audio", "m4a"),
    "audio/m4a": ("audio", "m4a"),
    "audio/pcm": ("audio", "pcm"),
    "audio/webm": ("audio", "webm"),
}
_BAD: Final = re.compile(r"[^A-Za-z0-9\s\-()\[\]]")
_SPACES: Final = re.compile(r"\s+")


class Contents:
    """Writes the binary content of one request. `takes_citations`: the model cites documents."""

    __slots__ = ("_losses", "_names", "_takes_citations")

    def __init__(self, losses: Losses, takes_citations: bool) -> None:
        self._losses = losses
        self._takes_citations = takes_citations
        self._names: set[str] = set()

    def block(self, part: Media) -> dict[str, Any] | None:
        """The block; None, with a report, for what Bedrock does not take."""
        found = self._source(part)
        if found is None:
            return None
        kind, format_, source = found
        if part.detail not in (None, "auto"):
            self._losses.drop("image.detail", "there is no resolution to choose")
        inner: dict[str, Any] = {"format": format_, "source": source}
        extras = dict(part.extras or {})
        if kind == "document":
            inner["name"] = self._name(part.name, format_)
            if part.citations is not None and self._takes_citations:
                inner["citations"] = {"enabled": part.citations}
            elif part.citations:
                self._losses.drop("document.citations", "this model does not cite")
            context = extras.pop("context", None)
            if isinstance(context, str) and context:
                inner["context"] = context
        self._losses.extras(extras)
        return {kind: inner}

    def _source(self, part: Media) -> tuple[str, str, dict[str, Any]] | None:
        if part.text is not None:
            known = _FORMATS.get(part.mime or "")
            format_ = known[1] if known is not None and known[0] == "document" else "txt"
            return "document", format_, {"bytes": media.base64_of(part.text)}
        if part.file is not None:
            self._losses.drop(part.kind, "a file that another provider keeps cannot be read here")
            return None
        url = part.url
        if url is not None and not url.startswith("s3://"):
            self._losses.drop(f"{part.kind}.url", "Bedrock fetches no URLs but s3:// ones")
            return None
        data = part.data or ""
        mime = part.mime if url is not None else media.sniffed(part.mime, data)
        mime = mime or media.by_name(part.name) or media.by_name(url)
        kind = _format(mime)
        if kind is None and url is not None and part.kind == "image":
            kind = "image", "jpeg"
        if kind is None:
            self._losses.drop(part.kind, f"{mime or 'content of an unknown type'} is not taken here")
            return None
        if url is not None:
            return *kind, {"s3Location": {"uri": url}}
        if not data:
            self._losses.drop(part.kind, "it is empty")
            return None
        if "-" in data or "_" in data:
            data = data.replace("-", "+").replace("_", "/")
        return *kind, {"bytes": data}

    def _name(self, name: str | None, format_: str) -> str:
        """A name that Bedrock takes, different from all others of the request."""
        stem = name or "document"
        head, dot, end = stem.rpartition(".")
        if dot and head and end.lower() in (format_, "jpg", "htm", "text", "json", "xml"):
            stem = head
        stem = _SPACES.sub(" ", _BAD.sub("-", stem)).strip()[:NAME_MOST].strip() or "document"
        found, nth = stem, 1
        while found in self._names:
            nth += 1
            suffix = f" ({nth})"
            found = stem[: NAME_MOST - len(suffix)].strip() + suffix
        self._names.add(found)
        return found


def _format(mime: str | None) -> tuple[str, str] | None:
    if mime is None:
        return None
    word = mime.partition(";")[0].strip().lower()
    known = _FORMATS.get(word)
    return known or (("document", "txt") if word.startswith("text/") else None)
