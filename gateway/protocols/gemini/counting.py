"""Counting tokens: https://ai.google.dev/api/tokens. A whole request is counted, system and tools included."""

from __future__ import annotations

from typing import Any, Final

from gateway.protocols.contract import Counting
from gateway.protocols.gemini.head import count_endpoint, decode_count_head, encode_count
from gateway.protocols.reading import Fields, Malformed, json_of


def _body(fields: dict[str, Any], model: str) -> dict[str, Any]:
    name = model if "/" in model else f"models/{model}"
    return {"generateContentRequest": {**fields, "model": name}}


def _decode(body: bytes) -> int:
    tokens = Fields(json_of(body), "").whole("totalTokens")
    if tokens is None:
        raise Malformed("totalTokens", "is missing")
    return tokens


COUNTING: Final = Counting(
    endpoint=count_endpoint, body=_body, decode=_decode, decode_head=decode_count_head, encode=encode_count
)
