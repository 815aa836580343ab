"""Requests: the head that routing reads, and the body that goes out again.

Values that the gateway has no business with stay the bytes that the client wrote: large integers, the spelling of
floats, key order inside objects, explicit nulls. A top-level key written twice is sent once, with its last value, so
that the gateway and the upstream cannot read two different requests.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.failure import Refusal, Refused
from gateway.protocols.contract import Edits, Fields, Forwarded, Head

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STR: Final = msgspec.json.Decoder(str)
_TRUE: Final = msgspec.Raw(b"true")
_ASK_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')


def _refuse(message: str, param: str | None, code: str | None = None) -> Refused:
    return Refused(
        Refusal(
            status=400,
            type="invalid_request_error",
            code=code or "invalid_request",
            message=message,
            param=param,
        )
    )


def decode_head(body: bytes) -> Head:
    """The head of a chat request. Raises `Refused` (400) naming the field that is wrong."""
    try:
        fields: Fields = _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise _refuse("The request body must be a JSON object.", None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refuse(f"The request body is not valid JSON: {error}.", None, "invalid_json") from None
    model = fields.get("model")
    if model is None:
        raise _refuse("You must provide a 'model' parameter.", "model", "missing_required_parameter")
    try:
        name = _STR.decode(model)
    except msgspec.DecodeError:
        raise _refuse("'model' must be a string.", "model", "invalid_type") from None
    if not name:
        raise _refuse("'model' must not be empty.", "model", "invalid_value")
    messages = fields.get("messages")
    if messages is None:
        raise _refuse("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if bytes(memoryview(messages)[:1]) != b"[":
        raise _refuse("'messages' must be an array.", "messages", "invalid_type")
    stream = fields.get("stream")
    if stream is None:
        streams = False
    else:
        word = bytes(stream)
        if word not in (b"true", b"false", b"null"):
            raise _refuse("'stream' must be a boolean.", "stream", "invalid_type")
        streams = word == b"true"
    return Head(name, streams, fields)


def _with_usage(fields: Fields) -> bool:
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


def encode_forwarded(head: Head, model: bytes, edits: Edits, ask_usage: bool) -> Forwarded:
    """The body for the upstream. `model` is the upstream's id as JSON text."""
    fields = dict(head.fields)
    for name in edits.drop:
        fields.pop(name, None)
    for name, value in edits.default:
        fields.setdefault(name, msgspec.Raw(value))
    for name, value in edits.set:
        fields[name] = msgspec.Raw(value)
    fields["model"] = msgspec.Raw(model)
    strip = _with_usage(fields) if ask_usage and head.stream else False
    return Forwarded(msgspec.json.encode(fields), strip)
