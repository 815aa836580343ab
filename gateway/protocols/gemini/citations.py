"""Where an answer's words come from: `groundingMetadata` and `citationMetadata`, both ways.

Positions are bytes of the text's UTF-8 on this wire (https://ai.google.dev/api/generate-content#Segment) and
characters in the IR.
"""

from __future__ import annotations

from typing import Any

from gateway.ir.chat import Citation
from gateway.protocols.losses import Losses


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _rows(value: Any, name: str) -> list[dict[str, Any]]:
    found = value.get(name) if isinstance(value, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _characters(data: bytes, position: Any) -> int | None:
    if isinstance(position, bool) or not isinstance(position, int) or position < 0:
        return None
    return len(data[:position].decode("utf-8", "ignore"))


def _chunk(value: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """(URL, title, the source's words) of a grounding chunk: from the web, a store of files, or a map."""
    for name in ("web", "retrievedContext", "maps", "image"):
        inner = value.get(name)
        if isinstance(inner, dict):
            url = _text(inner.get("uri")) or _text(inner.get("sourceUri"))
            return url, _text(inner.get("title")), _text(inner.get("text"))
    return None, None, None


def citations_of(grounding: Any, citing: Any, text: str) -> tuple[Citation, ...]:
    """The citations of a candidate whose whole text is `text`."""
    data = text.encode("utf-8", "surrogatepass")
    out: list[Citation] = []
    chunks = grounding.get("groundingChunks") if isinstance(grounding, dict) else None
    sources = [_chunk(each) if isinstance(each, dict) else (None, None, None) for each in chunks or ()]
    used: set[int] = set()
    for support in _rows(grounding, "groundingSupports"):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        start, end = _characters(data, segment.get("startIndex", 0)), _characters(data, segment.get("endIndex"))
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if isinstance(index, int) and 0 <= index < len(sources):
                used.add(index)
                url, title, quote = sources[index]
                out.append(Citation(url=url, title=title, quote=quote, start=start, end=end, raw=support))
    for index, (url, title, quote) in enumerate(sources):
        if index not in used and (url or title):
            out.append(Citation(url=url, title=title, quote=quote, raw=chunks[index] if chunks else None))
    for each in _rows(citing, "citationSources") or _rows(citing, "citations"):
        start, end = _characters(data, each.get("startIndex", 0)), _characters(data, each.get("endIndex"))
        url, title = _text(each.get("uri")), _text(each.get("title"))
        if url or title:
            out.append(Citation(url=url, title=title, start=start, end=end, raw=each))
    return tuple(out)


class Grounding:
    """Collects the citations of one candidate, and writes them as `groundingMetadata`."""

    __slots__ = ("_chunks", "_losses", "_places", "_supports")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._chunks: list[dict[str, Any]] = []
        self._places: dict[tuple[str, str | None], int] = {}
        self._supports: list[dict[str, Any]] = []

    def add(self, citation: Citation, text: str, before: str = "") -> None:
        """A citation of `text`, which follows `before` in the candidate's whole text."""
        if citation.url is None:
            self._losses.drop("citations", "citations have URLs on this wire")
            return
        key = (citation.url, citation.title)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._chunks)
            self._chunks.append({"web": {"uri": citation.url, "title": citation.title or citation.url}})
        if citation.start is None and citation.end is None:
            return
        start, end = citation.start or 0, citation.end if citation.end is not None else len(text)
        offset = len(before.encode("utf-8", "surrogatepass"))
        segment: dict[str, Any] = {"endIndex": offset + len(text[:end].encode("utf-8", "surrogatepass"))}
        if first := offset + len(text[:start].encode("utf-8", "surrogatepass")):
            segment["startIndex"] = first
        segment["text"] = text[start:end]
        self._supports.append({"segment": segment, "groundingChunkIndices": [place]})

    def out(self) -> dict[str, Any] | None:
        """The `groundingMetadata`, None where nothing was cited."""
        if not self._chunks:
            return None
        return {"groundingChunks": self._chunks, "groundingSupports": self._supports}
