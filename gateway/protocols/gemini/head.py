"""Paths and heads: the model, the verb and the framing are in the path, so a body passes with its edits alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from gateway.protocols import forward
from gateway.protocols.contract import Edits, Forwarded, Head
from gateway.protocols.reading import Malformed, json_of

ARRAY = "application/json"  # of a streamed answer without `alt=sse`


def _resource(model: str) -> str:
    """`models/…` where the model's name does not say its collection itself."""
    if model.startswith(("models/", "tunedModels/", "publishers/")):
        return quote(model, safe="/")
    return f"models/{quote(model, safe='')}"


def endpoint(model: str, stream: bool) -> str:
    """The path below a base URL; answers stream as events, not as an array."""
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/{_resource(model)}:{verb}"


def count_endpoint(model: str) -> str:
    """The path below a base URL that counts a prompt's tokens."""
    return f"/{_resource(model)}:countTokens"


def decode_head(body: bytes, model: str | None = None, stream: bool | None = None) -> Head:
    """The head of a request. Raises `Refused` (400) naming the field that is wrong."""
    model = model.removeprefix("models/") if model is not None else None
    head = forward.head_of(body, "contents", b'[{"', model=model, stream=stream)
    name = head.model.removeprefix("models/")
    return head if name == head.model else msgspec.structs.replace(head, model=name)


def decode_count_head(body: bytes, model: str | None = None) -> Head:
    """The head of a `countTokens` request, which holds `contents` or a whole `generateContentRequest`."""
    try:
        value: Any = json_of(body)
    except Malformed as malformed:
        raise malformed.refused() from None
    if isinstance(value, dict):
        inner = value.get("generateContentRequest") or value.get("generate_content_request")
        if isinstance(inner, dict):
            body = msgspec.json.encode(inner)
    return decode_head(body, model, False)


def encode_count(tokens: int) -> bytes:
    """The answer of `countTokens`."""
    return b'{"totalTokens":%d}' % tokens


def encode_forwarded(head: Head, model: str, edits: Edits, ask_usage: bool) -> Forwarded:
    """The body for the upstream. `model` is the upstream's id; every stream says its usage unasked."""
    del ask_usage
    fields = forward.edited(head.fields, edits)
    fields.pop("stream", None)
    if "model" in fields:
        fields["model"] = _resource(model)
    return Forwarded(forward.body_of(fields), strip_usage=False)
