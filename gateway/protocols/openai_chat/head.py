"""Requests that pass on the chat wire: the model is patched, and usage asked for where a stream would not say it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.protocols import forward
from gateway.protocols.contract import Edits, Forwarded, Head

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE: Final = msgspec.Raw(b"true")
_ASK_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')


def decode_head(body: bytes, model: str | None = None, stream: bool | None = None) -> Head:
    """The head of a chat request. Raises `Refused` (400) naming the field that is wrong."""
    return forward.head_of(body, "messages", b"[", model=model, stream=stream)


def _with_usage(fields: dict[str, Any]) -> bool:
    """Asks for usage in the stream; True where the client had not asked and must not see the answer."""
    options = fields.get("stream_options")
    if options is None or bytes(options) == b"null":
        fields["stream_options"] = _ASK_USAGE
        return True
    try:
        inner = _OBJECT.decode(options)
    except msgspec.DecodeError:
        return False  # not an object: the upstream will say what is wrong with it
    if bytes(inner.get("include_usage", b"")) == b"true":
        return False
    inner["include_usage"] = _TRUE
    fields["stream_options"] = msgspec.Raw(msgspec.json.encode(inner))
    return True


def encode_forwarded(head: Head, model: str, edits: Edits, ask_usage: bool) -> Forwarded:
    """The body for the upstream. `model` is the upstream's id."""
    fields = forward.with_model(head.fields, model, edits)
    strip = _with_usage(fields) if ask_usage and head.stream else False
    return Forwarded(forward.body_of(fields), strip)
