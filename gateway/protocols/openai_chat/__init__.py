"""OpenAI Chat Completions: POST {base}/chat/completions, JSON or SSE.

Source of facts: https://platform.openai.com/docs/api-reference/chat and /docs/guides/error-codes.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.contract import Protocol
from gateway.protocols.openai_chat.errors import decode_error, encode_error, encode_stream_error
from gateway.protocols.openai_chat.request import decode_head, encode_forwarded
from gateway.protocols.openai_chat.response import decode_answer
from gateway.protocols.openai_chat.stream import Sniffer

PROTOCOL: Final = Protocol(
    name="openai-chat",
    path="/chat/completions",
    content_type="text/event-stream",
    keep_alive=b": keep-alive\n\n",
    decode_head=decode_head,
    encode_forwarded=encode_forwarded,
    decode_answer=decode_answer,
    decode_error=decode_error,
    stream_sniffer=Sniffer,
    encode_error=encode_error,
    encode_stream_error=encode_stream_error,
)
