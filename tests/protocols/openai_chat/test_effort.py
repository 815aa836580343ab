"""How much to think, as other wires say it, on the chat wire of a model that reasons and of one that does not."""

from __future__ import annotations

import pytest

from gateway.ir.chat import Message, Request, Text, Thinking
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect

CASES = {
    "on, at a model that thinks unasked": (Thinking(enabled=True), "gpt-5", None, []),
    "on, at a model that does not": (Thinking(enabled=True), "gpt-4.1", None, ["thinking"]),
    "left to the model": (Thinking(budget=-1), "o3", None, []),
    "a budget": (Thinking(budget=2000), "gpt-5", "low", []),
    "a word": (Thinking(effort="high"), "gpt-5", "high", []),
    "a word, at a model that does not": (Thinking(effort="high"), "gpt-4.1", None, ["thinking"]),
    "off, at a model that cannot": (Thinking(enabled=False), "o3", "low", ["thinking"]),
    "off, at a model that does not think": (Thinking(enabled=False), "gpt-4.1", None, []),
}


@pytest.mark.parametrize("name", CASES)
def test_an_effort(name: str) -> None:
    thinking, model, expected, lost = CASES[name]
    request = Request(origin="ollama", model="m", messages=(Message("user", (Text("x"),)),), thinking=thinking)
    encoded = PROTOCOLS["openai-chat"].encode_request(request, Dialect("openai", model, frozenset(["developer"])))
    assert encoded.body.get("reasoning_effort") == expected
    assert [each.field for each in encoded.dropped] == lost
