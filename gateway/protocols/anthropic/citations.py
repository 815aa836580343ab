"""Citations: https://platform.claude.com/docs/en/build-with-claude/citations."""

from __future__ import annotations

from typing import Any

from gateway.ir.chat import Citation


def citation_of(value: dict[str, Any], length: int) -> Citation:
    """A citation of any of Anthropic's kinds. It is about the whole text that it stands at, which is so long."""

    def text(*names: str) -> str | None:
        return next((value[name] for name in names if isinstance(value.get(name), str)), None)

    return Citation(
        url=text("url", "source"),
        title=text("title", "document_title"),
        quote=text("cited_text"),
        start=0,
        end=length,
        raw=value,
    )


def citation_out(citation: Citation, same: bool) -> dict[str, Any] | None:
    """The citation on this wire, None where it has no URL to show."""
    if same and isinstance(citation.raw, dict):
        return citation.raw
    if citation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or citation.url,
        "cited_text": citation.quote or "",
        "encrypted_index": "",
    }
