"""Requests that pass on the messages wire: only the model is patched; a stream always says its usage."""

from __future__ import annotations

from gateway.protocols import forward
from gateway.protocols.contract import Edits, Forwarded, Head


def decode_head(body: bytes, model: str | None = None, stream: bool | None = None) -> Head:
    """The head of a messages request. Raises `Refused` (400) naming the field that is wrong."""
    return forward.head_of(body, "messages", b"[", model=model, stream=stream)


def encode_forwarded(head: Head, model: str, edits: Edits, _ask_usage: bool) -> Forwarded:
    """The body for the upstream. `model` is the upstream's id."""
    return Forwarded(forward.body_of(forward.with_model(head.fields, model, edits)), False)
