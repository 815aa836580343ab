"""Counting tokens: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from gateway.protocols.contract import Counting
from gateway.protocols.reading import Fields, Malformed, json_of

_READ: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def _body(fields: dict[str, Any], _model: str) -> dict[str, Any]:
    return {"input": {"converse": {name: fields[name] for name in _READ if name in fields}}}


def _decode(body: bytes) -> int:
    tokens = Fields(json_of(body), "").whole("inputTokens")
    if tokens is None:
        raise Malformed("inputTokens", "is missing")
    return tokens


COUNTING: Final = Counting(
    endpoint=lambda model: f"/model/{quote(model, safe='*')}/count-tokens", body=_body, decode=_decode
)
