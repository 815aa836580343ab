"""A document of one wire as another wire's, without a server: what `gateway translate` and the golden files do.

What a document is shows in itself: a request asks (`messages`, `input`, `contents`), an answer answers (`choices`,
`content`, `output`, `candidates`, `message`), and everything that is no single JSON object is a stream.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from gateway.failure import Failed
from gateway.ir.chat import Dropped, Request
from gateway.protocols import PROTOCOLS, translate
from gateway.protocols.contract import Dialect, Protocol
from gateway.protocols.reading import Malformed

Kind: TypeAlias = Literal["request", "response", "stream"]

NOW: Final = 1_700_000_000  # where a wire wants a time and the document has none
_ASKS: Final = ("messages", "input", "contents")


class Document(msgspec.Struct, frozen=True):
    """A translated document: JSON for a request and an answer, the wire's own framing for a stream."""

    kind: Kind
    body: bytes
    dropped: tuple[Dropped, ...]


def kind_of(data: bytes) -> Kind:
    """What a document is."""
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "stream"
    if not isinstance(value, dict):
        return "stream"
    return "request" if any(isinstance(value.get(name), list | str) for name in _ASKS) else "response"


def document(
    data: bytes,
    source: str,
    target: str,
    *,
    model: str | None = None,
    stream: bool = False,
    quirks: frozenset[str] = frozenset(),
) -> Document:
    """The document on the wire `target`. `model` names the upstream's model, where a wire depends on its generation;
    `stream` is whether a request streams, where its wire says that in the path.

    Raises `Refused` for a request and `Failed` for an answer that cannot be read, `Failed` for an error inside it, and
    LookupError for a wire that has no such document.
    """
    kind = kind_of(data)
    from_, to = PROTOCOLS[source], PROTOCOLS[target]
    if kind == "request":
        return _request(data, from_, to, model, stream, quirks)
    request = Request(origin=target, model=model or "", messages=(), stream=kind == "stream", stream_usage=True)
    if kind == "stream":
        translation = translate.Translation(from_.stream_decoder(), to.stream_encoder(request, NOW))
        body = translation.feed(data) + translation.finish()
        if translation.failure is not None:
            raise Failed(translation.failure)
        return Document(kind, body, translation.dropped)
    encoded, _ = translate.answer(from_, to, request, data, None, NOW)
    return Document(kind, msgspec.json.encode(encoded.body), encoded.dropped)


def _request(
    data: bytes, source: Protocol, target: Protocol, model: str | None, stream: bool, quirks: frozenset[str]
) -> Document:
    in_path = source.endpoint("m", False) != source.endpoint("n", False)
    head = source.decode_head(data, model or "model", stream) if in_path else source.decode_head(data, None, None)
    try:
        request = source.decode_request(head)
    except Malformed as malformed:
        raise malformed.refused() from None
    encoded = translate.encoded(target, request, Dialect(target.name, model or head.model, quirks))
    return Document("request", msgspec.json.encode(encoded.body), encoded.dropped)
