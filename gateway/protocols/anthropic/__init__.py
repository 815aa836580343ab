"""Anthropic Messages: POST {base}/messages, JSON or SSE.

Source of facts: https://platform.claude.com/docs/en/api/messages and the guides that each file names.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.anthropic import generations
from gateway.protocols.anthropic.counting import COUNTING
from gateway.protocols.anthropic.errors import decode_error, encode_error, encode_stream_error
from gateway.protocols.anthropic.head import decode_head, encode_forwarded
from gateway.protocols.anthropic.request_in import decode_request
from gateway.protocols.anthropic.request_out import encode_request
from gateway.protocols.anthropic.response import decode_answer, decode_response, encode_response
from gateway.protocols.anthropic.sniff import Sniffer
from gateway.protocols.anthropic.stream_in import Decoder
from gateway.protocols.anthropic.stream_out import Encoder
from gateway.protocols.contract import Dialect, Protocol


def endpoint(_model: str, _stream: bool) -> str:
    """The path below a base URL."""
    return "/messages"


def continues(dialect: Dialect) -> bool:
    """https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6#prefill-removal."""
    return generations.continues(dialect.model)


PROTOCOL: Final = Protocol(
    name="anthropic",
    endpoint=endpoint,
    content_type="text/event-stream",
    auth="x-api-key",
    headers=(("anthropic-version", "2023-06-01"),),
    forwards=("anthropic-beta",),
    keep_alive=b'event: ping\ndata: {"type":"ping"}\n\n',
    decode_head=decode_head,
    encode_forwarded=encode_forwarded,
    decode_answer=decode_answer,
    counting=COUNTING,
    decode_error=decode_error,
    stream_sniffer=Sniffer,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=Decoder,
    stream_encoder=Encoder,
    continues=continues,
    encode_error=encode_error,
    encode_stream_error=encode_stream_error,
)
