"""Google's Gemini API: POST {base}/models/{model}:generateContent and :streamGenerateContent, JSON or SSE.

Source of facts: https://ai.google.dev/api/generate-content and the guides that it names.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.contract import Dialect, Protocol
from gateway.protocols.gemini.counting import COUNTING
from gateway.protocols.gemini.errors import decode_error, encode_error, encode_stream_error
from gateway.protocols.gemini.framing import array_frames
from gateway.protocols.gemini.head import decode_head, encode_forwarded, endpoint
from gateway.protocols.gemini.request_in import decode_request
from gateway.protocols.gemini.request_out import encode_request
from gateway.protocols.gemini.response import decode_answer, decode_response, encode_response
from gateway.protocols.gemini.sniff import Sniffer
from gateway.protocols.gemini.stream_in import Decoder
from gateway.protocols.gemini.stream_out import Encoder


def continues(_dialect: Dialect) -> bool:
    """A conversation may end with the model's turn, which it goes on with."""
    return True


PROTOCOL: Final = Protocol(
    name="gemini",
    endpoint=endpoint,
    content_type="text/event-stream",
    auth="x-goog-api-key",  # https://ai.google.dev/gemini-api/docs/api-key
    keep_alive=b": keep-alive\n\n",
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

__all__ = ["PROTOCOL", "array_frames"]
