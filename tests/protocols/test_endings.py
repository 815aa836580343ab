"""Which answers are complete and good, as every wire's clients are told."""

from __future__ import annotations

import pytest

from gateway.protocols import PROTOCOLS
from gateway.protocols.endings import ENDINGS, complete
from gateway.protocols.surfaces import SURFACES

CASES = [
    ("openai-chat", b'{"choices":[{"finish_reason": "stop"}]}', True),
    ("openai-chat", b'{"choices":[{"finish_reason":"tool_calls"},{"finish_reason":"length"}]}', True),
    ("openai-chat", b'{"choices":[{"finish_reason":"stop"},{"finish_reason":"content_filter"}]}', False),
    ("openai-chat", b'{"choices":[{"message":{"refusal":"no"},"finish_reason":"stop"}]}', False),
    ("openai-chat", b'{"choices":[{"message":{"refusal":null},"finish_reason":"stop"}]}', True),
    ("openai-chat", b'{"choices":[{"message":{"content":"\\"finish_reason\\":\\"stop\\""}}]}', False),
    ("openai-chat", b'data: {"choices":[{"finish_reason":null}]}\n\ndata: [DONE]\n\n', False),
    ("openai-responses", b'{"status":"completed","output":[]}', True),
    ("openai-responses", b'{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}', True),
    ("openai-responses", b'{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}', False),
    ("openai-responses", b'{"status":"completed","output":[{"type":"refusal","refusal":"no"}]}', False),
    ("openai-responses", b'{"status":"in_progress","output":[]}', False),
    ("openai-responses", b'{"status":"queued","output":[{"status":"completed"}]}', False),
    ("anthropic", b'{"stop_reason":"end_turn"}', True),
    ("anthropic", b'{"stop_reason":"tool_use"}', True),
    ("anthropic", b'{"stop_reason":"max_tokens"}', True),
    ("anthropic", b'{"stop_reason":"refusal"}', False),
    ("anthropic", b'{"stop_reason":"pause_turn"}', False),
    ("anthropic", b'{"stop_reason":null}', False),
    ("gemini", b'{"candidates":[{"finishReason":"STOP"}]}', True),
    ("gemini", b'{"candidates":[{"finishReason":"MAX_TOKENS"}]}', True),
    ("gemini", b'{"candidates":[{"finishReason":"SAFETY"}]}', False),
    ("gemini", b'{"promptFeedback":{"blockReason":"SAFETY"}}', False),
    ("ollama", b'{"done":true,"done_reason":"stop"}', True),
    ("ollama", b'{"done":true,"done_reason":"load"}', False),
    ("ollama", b'{"done":true,"done_reason":"content_filter"}', False),
]


@pytest.mark.parametrize(("wire", "answer", "good"), CASES)
def test_which_answers_are_good(wire: str, answer: bytes, good: bool) -> None:
    assert complete(wire, answer) is good


def test_every_wire_with_clients_has_a_row() -> None:
    assert {surface.protocol for surface in SURFACES} == set(ENDINGS) <= set(PROTOCOLS)
