"""Going on with a stream of responses that OpenAI began: its own ids and numbers stay.

An encoder that was told the same events has made up ids of items; here it takes those that the client knows.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.protocols.framing import data_of, split_frames
from gateway.protocols.openai_responses.stream_out import Encoder


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)


def resumed(encoder: Encoder, told: bytes) -> None:
    """The encoder goes on where these frames end."""
    for frame in split_frames(told):
        data = data_of(frame)
        if data is None or data == b"[DONE]":
            continue
        event = _EVENT.decode(data)
        if event.sequence_number is not None:
            encoder.sequence = event.sequence_number
        if event.output_index is None or not isinstance(event.item, dict):
            continue
        if event.type == "response.output_item.added" and isinstance(event.item.get("id"), str):
            encoder.rename(event.output_index, event.item["id"])
        elif event.type == "response.output_item.done":
            encoder.keep(event.output_index, event.item)
