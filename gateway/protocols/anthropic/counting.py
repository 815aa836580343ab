"""Counting tokens: https://platform.claude.com/docs/en/api/messages-count-tokens."""

from __future__ import annotations

from typing import Any, Final

from gateway.protocols.anthropic.head import decode_head
from gateway.protocols.contract import Counting, Head
from gateway.protocols.reading import Fields, Malformed, json_of

# Fields of a request that a count refuses: they say how to answer, not what to read.
_ANSWERING: Final = frozenset(
    "max_tokens stream temperature top_p top_k stop_sequences metadata service_tier container inference_geo".split()
)


def _body(fields: dict[str, Any], model: str) -> dict[str, Any]:
    return {**{name: value for name, value in fields.items() if name not in _ANSWERING}, "model": model}


def _decode(body: bytes) -> int:
    tokens = Fields(json_of(body), "").whole("input_tokens")
    if tokens is None:
        raise Malformed("input_tokens", "is missing")
    return tokens


def _head(body: bytes, model: str | None) -> Head:
    return decode_head(body, model, False)


COUNTING: Final = Counting(
    endpoint=lambda _model: "/messages/count_tokens",
    body=_body,
    decode=_decode,
    decode_head=_head,
    encode=lambda tokens: b'{"input_tokens":%d}' % tokens,
)
