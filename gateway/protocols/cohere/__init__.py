"""Cohere's chat API, version 2: POST {base}/v2/chat, JSON or SSE. Only providers speak it, no client does.

Source of facts: https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream,
https://docs.cohere.com/reference/errors.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.cohere.errors import decode_error
from gateway.protocols.cohere.request_out import encode_request
from gateway.protocols.cohere.response import decode_response
from gateway.protocols.cohere.stream_in import Decoder
from gateway.protocols.contract import Protocol


def endpoint(_model: str, _stream: bool) -> str:
    """The path below a base URL."""
    return "/v2/chat"


PROTOCOL: Final = Protocol(
    name="cohere",
    endpoint=endpoint,
    content_type="text/event-stream",
    decode_error=decode_error,
    encode_request=encode_request,
    decode_response=decode_response,
    stream_decoder=Decoder,
)
