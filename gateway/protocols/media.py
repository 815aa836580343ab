"""Binary content: data URLs, and what bytes are when nobody says it.

The types that wires accept are named by MIME type; where a client gave none, or a generic one, the first bytes decide,
and between the types of images always
(https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern and the formats' own signatures).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from gateway.ir.chat import Media
from gateway.protocols.losses import Losses

Kind: TypeAlias = Literal["image", "audio", "document", "video"]

_DATA_URL: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_GENERIC: Final = ("", "application/octet-stream", "binary/octet-stream", "image/*", "image/jpg")

_BY_ENDING: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def data_url(url: str) -> tuple[str | None, str] | None:
    """(MIME type, base64) of a data URL, None for every other URL."""
    match = _DATA_URL.match(url)
    if match is None:
        return None
    data = url[match.end() :]
    if match[3] is None:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return match[1].lower() or None, data


def to_data_url(mime: str | None, data: str) -> str:
    """The data URL of base64 content."""
    return f"data:{mime or 'application/octet-stream'};base64,{data}"


def sniffed(mime: str | None, data: str) -> str | None:
    """The MIME type of base64 content: as said, or, where nothing exact was said, by its first bytes.

    Those of an image count in any case: providers look at them, and refuse one that is called what it is not.
    """
    said = mime is not None and mime not in _GENERIC
    if mime is not None and said and not mime.startswith("image/"):
        return mime
    try:
        head = base64.b64decode(data[:32].replace("-", "+").replace("_", "/") + "==", validate=False)
    except (binascii.Error, ValueError):
        return mime
    if head[:4] == b"RIFF":
        found = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    elif head[4:8] == b"ftyp":
        found = "video/mp4"
    else:
        found = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if said and (found is None or not found.startswith("image/")):
        return mime
    return found or ("image/jpeg" if mime == "image/jpg" else mime)


def by_name(name: str | None) -> str | None:
    """The MIME type that a file's or a URL's ending stands for."""
    if name is None:
        return None
    return _BY_ENDING.get(name.partition("?")[0].rpartition(".")[2].lower())


def ending(mime: str | None) -> str | None:
    """The usual file ending of a MIME type."""
    return next((end for end, known in _BY_ENDING.items() if known == mime), None)


def kind_of(mime: str | None) -> Kind:
    """Which kind of content a MIME type is."""
    if mime is None:
        return "document"
    word = mime.partition("/")[0]
    return word if word in ("image", "audio", "video") else "document"  # type: ignore[return-value]  # narrowed


def text_of(mime: str | None, data: str) -> str | None:
    """The text of base64 content whose type is text, None where it is none or not UTF-8."""
    if mime is None or not (mime.startswith("text/") or mime in ("application/json", "application/xml")):
        return None
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError, UnicodeDecodeError):
        return None


def base64_of(text: str) -> str:
    """The base64 of a text's UTF-8."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def report(part: Media, losses: Losses, *, name: bool = False) -> None:
    """Reports what a wire without citations does not say of a document; with `name`, what plain text does not."""
    if part.citations:
        losses.drop("document.citations", "documents are not cited here")
    if name and part.name is not None:
        losses.drop("document.name", "a document is plain text here, without its name")
