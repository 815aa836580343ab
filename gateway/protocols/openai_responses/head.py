"""Requests that pass on the responses wire: only the model is patched; a stream always says its usage."""

from __future__ import annotations

from typing import Final

from gateway.protocols import forward
from gateway.protocols.contract import Edits, Forwarded, Head

# Fields that may stand instead of `input`: https://platform.openai.com/docs/api-reference/responses/create
_INSTEAD: Final = ("prompt", "previous_response_id", "conversation")


def decode_head(body: bytes, model: str | None = None, stream: bool | None = None) -> Head:
    """The head of a request. Raises `Refused` (400) naming the field that is wrong."""
    head = forward.head_of(body, "model", b'"', model=model, stream=stream)
    value = head.fields.get("input")
    if value is None:
        if any(name in head.fields for name in _INSTEAD):
            return head
        raise forward.refuse("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if bytes(memoryview(value)[:1]) not in b'"[':
        raise forward.refuse("'input' must be a string or an array.", "input", "invalid_type")
    return head


def encode_forwarded(head: Head, model: str, edits: Edits, _ask_usage: bool) -> Forwarded:
    """The body for the upstream. `model` is the upstream's id."""
    return Forwarded(forward.body_of(forward.with_model(head.fields, model, edits)), False)
