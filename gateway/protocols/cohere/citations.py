"""Citations: https://docs.cohere.com/docs/documents-and-citations. One for each source of a cited span.

A source is a document that the request brought or a tool's output; only a document can have a URL, among its own
fields, which are the caller's.
"""

from __future__ import annotations

from typing import Any

from gateway.ir.chat import Citation
from gateway.protocols.reading import compact


def citations_of(value: Any) -> tuple[Citation, ...]:
    """The citations of one cited span; none for a span of the plan or of thought."""
    if not isinstance(value, dict) or value.get("type") in ("PLAN", "THINKING_CONTENT"):
        return ()
    start, end = _place(value.get("start")), _place(value.get("end"))
    sources = value.get("sources")
    found = [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
    if not found:
        return (Citation(start=start, end=end, raw=value),)
    return tuple(_citation(source, start, end, value) for source in found)


def _citation(source: dict[str, Any], start: int | None, end: int | None, raw: dict[str, Any]) -> Citation:
    document = source.get("document")
    document = document if isinstance(document, dict) else {}
    output = source.get("tool_output")
    quote = _text(document, "snippet", "text", "content")
    if quote is None and isinstance(output, dict) and output:
        quote = compact(output)
    return Citation(
        url=_text(document, "url"),
        title=_text(document, "title") or _text(source, "id"),
        quote=quote,
        start=start,
        end=end,
        raw=raw,
    )


def _text(fields: dict[str, Any], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), None)


def _place(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def block_of(value: Any) -> int | None:
    """The content block that a cited span is in, None where nobody says."""
    return _place(value.get("content_index")) if isinstance(value, dict) else None
