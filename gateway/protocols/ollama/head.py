"""Requests that pass on Ollama's wire: the model is patched; every answer ends in its counts unasked."""

from __future__ import annotations

from gateway.protocols import forward
from gateway.protocols.contract import Edits, Forwarded, Head


def decode_head(body: bytes, model: str | None = None, stream: bool | None = None) -> Head:
    """The head of a request, streamed unless it says otherwise. Raises `Refused` (400) naming the field."""
    return forward.head_of(body, "messages", b"[", model=model, stream=stream, streams_unless_said=True)


def encode_forwarded(head: Head, model: str, edits: Edits, _ask_usage: bool) -> Forwarded:
    """The body for the upstream. `model` is the upstream's id."""
    return Forwarded(forward.body_of(forward.with_model(head.fields, model, edits)), False)
