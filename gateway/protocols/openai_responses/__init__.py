"""OpenAI Responses: POST {base}/responses, JSON or SSE with named events.

Source of facts: https://platform.openai.com/docs/api-reference/responses, /responses-streaming and the types of
OpenAI's SDKs; Codex's requests as it sends them. The gateway keeps nothing: `previous_response_id`, `conversation` and
`background` work only where the request stays on this wire, and are reported where it leaves it.
"""

from __future__ import annotations

from typing import Final

from gateway.protocols.contract import Protocol
from gateway.protocols.openai_responses.counting import COUNTING
from gateway.protocols.openai_responses.errors import decode_error, encode_error, encode_stream_error
from gateway.protocols.openai_responses.head import decode_head, encode_forwarded
from gateway.protocols.openai_responses.request_in import decode_request
from gateway.protocols.openai_responses.request_out import encode_request
from gateway.protocols.openai_responses.response import decode_answer, decode_response, encode_response
from gateway.protocols.openai_responses.resumed import resumed
from gateway.protocols.openai_responses.sniff import Sniffer
from gateway.protocols.openai_responses.stream_in import Decoder
from gateway.protocols.openai_responses.stream_out import Encoder


def endpoint(_model: str, _stream: bool) -> str:
    """The path below a base URL."""
    return "/responses"


PROTOCOL: Final = Protocol(
    name="openai-responses",
    endpoint=endpoint,
    content_type="text/event-stream",
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
    stream_resumed=resumed,
    encode_error=encode_error,
    encode_stream_error=encode_stream_error,
)
