"""Requests that pass: the head that routing reads, and the body that goes out again on the same wire.

Values that the gateway has no business with stay the bytes that the client wrote: large integers, the spelling of
floats, key order inside objects, explicit nulls. A top-level key written twice is sent once, with its last value, so
that the gateway and the upstream cannot read two different requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.failure import Refusal, Refused
from gateway.protocols.contract import Edits, Fields, Head

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STR: Final = msgspec.json.Decoder(str)
_JSON: Final = msgspec.json.Encoder()


def refuse(message: str, param: str | None, code: str | None = None) -> Refused:
    """The refusal of a request that cannot be read."""
    return Refused(
        Refusal(
            status=400,
            type="invalid_request_error",
            code=code or "invalid_request",
            message=message,
            param=param,
        )
    )


def head_of(
    body: bytes,
    content: str,
    starts: bytes,
    *,
    model: str | None = None,
    stream: bool | None = None,
    streams_unless_said: bool = False,
) -> Head:
    """The head of a request. Raises `Refused` (400) naming the field that is wrong.

    `content` is the field that must be there, `starts` the first bytes its value may have (`[`, `"[`). `model` and
    `stream` are given where the path says them; then the body's own count for nothing.
    """
    try:
        fields: Fields = _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise refuse("The request body must be a JSON object.", None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse(f"The request body is not valid JSON: {error}.", None, "invalid_json") from None
    name = _model(fields) if model is None else model
    value = fields.get(content)
    if value is None:
        raise refuse(f"Missing required parameter: '{content}'.", content, "missing_required_parameter")
    if bytes(memoryview(value)[:1]) not in starts:
        kinds = "an array" if starts == b"[" else "a string or an array"
        raise refuse(f"'{content}' must be {kinds}.", content, "invalid_type")
    return Head(name, _streams(fields, streams_unless_said) if stream is None else stream, fields, body)


def _model(fields: Fields) -> str:
    model = fields.get("model")
    if model is None:
        raise refuse("You must provide a 'model' parameter.", "model", "missing_required_parameter")
    try:
        name = _STR.decode(model)
    except msgspec.DecodeError:
        raise refuse("'model' must be a string.", "model", "invalid_type") from None
    if not name:
        raise refuse("'model' must not be empty.", "model", "invalid_value")
    return name


def _streams(fields: Fields, unless_said: bool) -> bool:
    stream = fields.get("stream")
    word = b"null" if stream is None else bytes(stream)
    if word not in (b"true", b"false", b"null"):
        raise refuse("'stream' must be a boolean.", "stream", "invalid_type")
    return unless_said if word == b"null" else word == b"true"


def edited(fields: Mapping[str, Any], edits: Edits) -> dict[str, Any]:
    """Top-level fields with the configuration's changes."""
    out = dict(fields)
    for name in edits.drop:
        out.pop(name, None)
    for name, value in edits.default:
        out.setdefault(name, msgspec.Raw(value))
    for name, value in edits.set:
        out[name] = msgspec.Raw(value)
    return out


def with_model(fields: Mapping[str, Any], model: str, edits: Edits) -> dict[str, Any]:
    """The fields of a body, edited, with the upstream's id of the model where the host wants it there."""
    out = edited(fields, edits)
    if edits.model_in_body:
        out["model"] = model
    else:
        out.pop("model", None)
    return out


def body_of(fields: Mapping[str, Any]) -> bytes:
    """The body of top-level fields."""
    return _JSON.encode(fields)
