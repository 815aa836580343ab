"""Reasoning on the chat wire, where OpenAI has no place for it and the field has several.

- `reasoning_content` (DeepSeek, Qwen, vLLM before 0.12, llama.cpp) or `reasoning` (OpenRouter, vLLM, Groq): the text;
- `reasoning_details` (https://openrouter.ai/docs/guides/best-practices/reasoning-tokens): a list of `reasoning.text`
  with a signature, `reasoning.summary` and `reasoning.encrypted`, each with the `format` of the family that made it.

A client that keeps `reasoning_details` in its history, as OpenRouter's do, keeps every seal. Each detail has an `index`
of its own, by which OpenAI's SDKs put a stream together: two of the same index would become one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from gateway.ir.chat import Reasoning, Seal
from gateway.protocols.reading import Fields
from gateway.protocols.seals import CLAUDE, GEMINI, OPENAI, SIGNERS

_FAMILIES: Final = {
    "anthropic-claude-v1": CLAUDE,
    "google-gemini-v1": GEMINI,
    "openai-responses-v1": OPENAI,
}
_FORMATS: Final = {family: word for word, family in _FAMILIES.items()}


def thoughts_of(fields: Fields) -> list[Reasoning]:
    """The reasoning of an assistant message; its fields are taken."""
    details = fields.left.get("reasoning_details")
    plain = ""
    for name in ("reasoning_content", "reasoning"):
        value = fields.left.get(name)
        if isinstance(value, str) or value is None:
            fields.some(name)
            plain = plain or value or ""
    if isinstance(details, list):
        fields.some("reasoning_details")
        thoughts = _joined(details)
        if any(thought.text for thought in thoughts):
            return thoughts
        return [Reasoning(text=plain), *thoughts] if plain else thoughts
    return [Reasoning(text=plain)] if plain else []


def _joined(details: list[Any]) -> list[Reasoning]:
    """The thoughts of the details; a summary and the encrypted thought after it are one, unless their ids differ."""
    thoughts: list[Reasoning] = []
    last: Any = None
    for each in details:
        thought = _detail(each)
        if thought is None:
            continue
        if last is not None and not thought.text and last.get("format") == each.get("format"):
            before = thoughts[-1]
            if thought.id is None or before.id in (None, thought.id):
                thoughts[-1] = msgspec.structs.replace(
                    before, signature=thought.signature, redacted=thought.redacted, id=thought.id
                )
                last = None
                continue
        thoughts.append(thought)
        last = each if each["type"] == "reasoning.summary" else None
    return thoughts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _detail(value: Any) -> Reasoning | None:
    if not isinstance(value, dict):
        return None
    word = _text(value.get("format"))
    family = _FAMILIES.get(word, word or "unknown")
    id_ = _text(value.get("id")) or None
    match value.get("type"):
        case "reasoning.text":
            signature = _text(value.get("signature"))
            return Reasoning(
                text=_text(value.get("text")), signature=Seal(family, signature, id_) if signature else None, id=id_
            )
        case "reasoning.summary":
            summary = _text(value.get("summary"))
            return Reasoning(text=summary, summary=(summary,), id=id_)
        case "reasoning.encrypted":
            seal = Seal(family, _text(value.get("data")), id_)
            if family in SIGNERS:
                return Reasoning(redacted=seal, id=id_)
            return Reasoning(signature=seal, id=id_)
    return None


def details_of(thoughts: Iterable[Reasoning], first: int = 0) -> list[dict[str, Any]]:
    """What `reasoning_details` says of thoughts, numbered from `first`; nothing where plain text says it all."""
    rows = [row for thought in thoughts for row in _rows(thought)]
    return [{**row, "index": at} for at, row in enumerate(rows, first)]


def _rows(thought: Reasoning) -> list[dict[str, Any]]:
    signature, redacted = thought.signature, thought.redacted
    if signature is None and redacted is None:
        return []
    seal = signature or redacted
    assert seal is not None  # noqa: S101 - one of the two is there
    common = {"format": _FORMATS.get(seal.family, seal.family)}
    if seal.id is not None:
        common["id"] = seal.id
    if redacted is not None:
        return [{"type": "reasoning.encrypted", "data": redacted.value, **common}]
    if seal.family in SIGNERS:
        return [{"type": "reasoning.text", "text": thought.text, "signature": seal.value, **common}]
    text = [{"type": "reasoning.summary", "summary": thought.text, **common}] if thought.text else []
    return [*text, {"type": "reasoning.encrypted", "data": seal.value, **common}]
