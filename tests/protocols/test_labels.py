"""The id that an answer calls itself by, and why it ended, found in bytes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.labels import answer_id, finish

LONG = b'"' + b"x" * (17 << 10) + b'"'

IDS = [
    (b'{"id":"chatcmpl-1","choices":[]}', "chatcmpl-1"),
    (b'data: {"type":"message_start","message":{"id" : "msg_01AB"}}\n\n', "msg_01AB"),
    (b'{"candidates":[],"responseId":"r.2:3-4"}', "r.2:3-4"),
    (b'{"text":%b,"generation_id":"gen-12345"}' % LONG, "gen-12345"),
    (b'{"text":%b,"id":"middle-1","more":%b}' % (LONG, LONG), None),
    (b'{"text":"\\"id\\":\\"not-this\\""}', None),
    (b'{"id":"short"}', None),
    (b'{"id":12345678}', None),
    (b"", None),
]


@pytest.mark.parametrize(("opening", "found"), IDS)
def test_the_id(opening: bytes, found: str | None) -> None:
    assert answer_id(opening) == found


ENDS = [
    (b'{"choices":[{"finish_reason":"stop"}],"usage":{}}', "stop"),
    (b'{"choices":[{"finish_reason":"stop"},{"finish_reason": "length"}]}', "length"),
    (b'data: {"finish_reason":"tool_calls"}\n\ndata: {"finish_reason":null}\n\n', "tool_calls"),
    (b'{"stop_reason":"end_turn","stop_sequence":null}', "end_turn"),
    (b'{"candidates":[{"finishReason" :"MAX_TOKENS"}],"reason":"other"}', "MAX_TOKENS"),
    (b'{"done":true,"done_reason":"stop","text":"\\"done_reason\\":\\"load\\""}', "stop"),
    (b'{"stop_reason":"end_turn","content":%b}' % LONG, "end_turn"),
    (b'{"type":"response.created"}{"type":"response.incomplete"}', "incomplete"),
    (b'{"object":"response","id":"resp_1","status":"completed"}', "completed"),
    (b'{"object":"response","status":"failed","output":%b}' % LONG, "failed"),
    (b'eason"', None),
    (b'"season":"x"', None),
    (b"", None),
]


@pytest.mark.parametrize(("end", "found"), ENDS)
def test_why_it_ended(end: bytes, found: str | None) -> None:
    assert finish(end) == found


PATTERN = re.compile(rb'"(?:finish_reason|stop_reason|finishReason|done_reason)"\s*:\s*"([A-Za-z_]{1,40})"')
PIECES = st.sampled_from(
    (b'"finish_reason":"stop",', b'"stop_reason" : "end_turn"', b'"finishReason":null', b'"done_reason":7,', b'"word"',
     b'eason"', b'"', b"{}", b" " * 7000)
)  # fmt: skip


@given(st.lists(PIECES, max_size=12))
def test_the_last_reason_of_the_last_16_kilobytes_counts(pieces: list[bytes]) -> None:
    end = b"".join(pieces)
    found = PATTERN.findall(end[-(16 << 10) :]) or PATTERN.findall(end[:1024])[:1]
    assert finish(end) == (found[-1].decode() if found else None)
