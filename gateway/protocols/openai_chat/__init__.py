"""OpenAI Chat Completions: POST {base}/chat/completions, JSON or SSE.

Source of facts: https://platform.openai.com/docs/api-reference/chat and /docs/guides/error-codes.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.contract import Protocol
from gateway.protocols.openai_chat.continuing import continues
from gateway.protocols.openai_chat.errors import decode_error, encode_error, encode_stream_error
from gateway.protocols.openai_chat.head import decode_head, encode_forwarded
from gateway.protocols.openai_chat.request_in import decode_request
from gateway.protocols.openai_chat.request_out import encode_request
from gateway.protocols.openai_chat.response import decode_answer, decode_response, encode_response
from gateway.protocols.openai_chat.sniff import Sniffer
from gateway.protocols.openai_chat.stream_in import Decoder
from gateway.protocols.openai_chat.stream_out import Encoder


def endpoint(_model: str, _stream: bool) -> str:
    """The path below a base URL."""
    return "/chat/completions"


PROTOCOL: Final = Protocol(
    name="openai-chat",
    endpoint=endpoint,
    content_type="text/event-stream",
    keep_alive=b": keep-alive\n\n",
    decode_head=decode_head,
    encode_forwarded=encode_forwarded,
    decode_answer=decode_answer,
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
