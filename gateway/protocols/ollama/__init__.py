"""Ollama's own chat API: POST {base}/api/chat, JSON or newline-delimited JSON; it streams unless told not to.

Source of facts: https://docs.ollama.com/api/chat, https://github.com/ollama/ollama/blob/main/docs/api.md and the types
in https://github.com/ollama/ollama/blob/main/api/types.go.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.contract import Dialect, Protocol
from gateway.protocols.ollama.errors import decode_error, encode_error, encode_stream_error
from gateway.protocols.ollama.head import decode_head, encode_forwarded
from gateway.protocols.ollama.request_in import decode_request
from gateway.protocols.ollama.request_out import encode_request
from gateway.protocols.ollama.response import decode_answer, decode_response, encode_response
from gateway.protocols.ollama.sniff import Sniffer
from gateway.protocols.ollama.stream_in import Decoder
from gateway.protocols.ollama.stream_out import KEEP_ALIVE, Encoder


def endpoint(_model: str, _stream: bool) -> str:
    """The path below a base URL."""
    return "/api/chat"


def continues(_dialect: Dialect) -> bool:
    """The assistant's last message is gone on with: https://github.com/ollama/ollama/issues/6778."""
    return True


PROTOCOL: Final = Protocol(
    name="ollama",
    endpoint=endpoint,
    content_type="application/x-ndjson",
    keep_alive=KEEP_ALIVE,
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
