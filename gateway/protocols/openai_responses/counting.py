"""Counting tokens: https://platform.openai.com/docs/api-reference/responses/input-tokens."""

from __future__ import annotations

from typing import Any, Final

from gateway.protocols.contract import Counting
from gateway.protocols.reading import Fields, Malformed, json_of

_READ: Final = frozenset(
    "conversation input instructions model parallel_tool_calls previous_response_id reasoning text tool_choice tools "
    "truncation".split()
)


def _body(fields: dict[str, Any], model: str) -> dict[str, Any]:
    return {**{name: value for name, value in fields.items() if name in _READ}, "model": model}


def _decode(body: bytes) -> int:
    tokens = Fields(json_of(body), "").whole("input_tokens")
    if tokens is None:
        raise Malformed("input_tokens", "is missing")
    return tokens


COUNTING: Final = Counting(endpoint=lambda _model: "/responses/input_tokens", body=_body, decode=_decode)
