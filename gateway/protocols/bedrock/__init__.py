"""Amazon Bedrock's Converse: POST {base}/model/{id}/converse, JSON, or …/converse-stream, an AWS event stream.

Only providers speak this wire. Source of facts: https://docs.aws.amazon.com/bedrock/latest/APIReference.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from gateway.protocols.anthropic import generations
from gateway.protocols.bedrock import models
from gateway.protocols.bedrock.counting import COUNTING
from gateway.protocols.bedrock.errors import decode_error
from gateway.protocols.bedrock.request_out import encode_request
from gateway.protocols.bedrock.response import ORIGIN, decode_response
from gateway.protocols.bedrock.stream_in import Decoder
from gateway.protocols.contract import Dialect, Protocol


def endpoint(model: str, stream: bool) -> str:
    """The path below a base URL. Ids and ARNs are one segment: their colons and slashes are escaped."""
    return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"


def continues(dialect: Dialect) -> bool:
    """Claude does, where it does at Anthropic's."""
    made_by = models.maker(dialect.model, dialect.quirks)
    return made_by == models.CLAUDE and generations.version(dialect.model) < (4, 6)


PROTOCOL: Final = Protocol(
    name=ORIGIN,
    endpoint=endpoint,
    content_type="application/vnd.amazon.eventstream",
    counting=COUNTING,
    decode_error=decode_error,
    encode_request=encode_request,
    decode_response=decode_response,
    stream_decoder=Decoder,
    continues=continues,
)
