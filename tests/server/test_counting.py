"""Counting tokens in both protocols that ask for it: by the provider where it counts, else by the stated rule."""

from __future__ import annotations

import httpx
import pytest

CONFIG = """
version: 1
gateway: {auth: open, listen: "127.0.0.1:0", workers: 1}
providers:
  s-chat: {preset: sandbox}
  s-messages: {preset: sandbox, protocol: anthropic}
  s-gemini: {preset: sandbox, protocol: gemini}
  s-bedrock: {preset: sandbox, protocol: bedrock-converse}
models:
  chat: {provider: s-chat, id: sandbox}
  messages: {provider: s-messages, id: sandbox}
  generate: {provider: s-gemini, id: sandbox}
  converse: {provider: s-bedrock, id: sandbox}
  broken: {provider: s-messages, id: "sandbox:status=500"}
"""
MESSAGES = [{"role": "user", "content": "How many tokens are these eight words of mine?"}]
CONTENTS = [{"role": "user", "parts": [{"text": "How many tokens are these eight words of mine?"}]}]


@pytest.mark.parametrize(
    ("model", "counted"),
    [("messages", True), ("generate", True), ("converse", True), ("chat", False), ("broken", False)],
)
def test_both_protocols_count(launch, model: str, counted: bool) -> None:
    url = launch(CONFIG).url
    answers = (
        httpx.post(f"{url}/v1/messages/count_tokens", json={"model": model, "messages": MESSAGES}),
        httpx.post(f"{url}/v1beta/models/{model}:countTokens", json={"contents": CONTENTS}),
    )
    tokens = [answer.json().get("input_tokens", answer.json().get("totalTokens")) for answer in answers]
    assert all(answer.status_code == 200 for answer in answers), [answer.text for answer in answers]
    assert tokens[0] == tokens[1]
    assert 8 <= tokens[0] <= 30
    for answer in answers:
        assert (answer.headers.get("x-gateway-estimated") == "true") is not counted
        assert (answer.headers.get("x-gateway-model") == model) is counted


def test_what_cannot_be_read_is_refused_in_its_protocol(launch) -> None:
    url = launch(CONFIG).url
    unknown = httpx.post(f"{url}/v1/messages/count_tokens", json={"model": "nobody", "messages": MESSAGES})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "error")
    empty = httpx.post(f"{url}/v1beta/models/chat:countTokens", json={})
    assert (empty.status_code, empty.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    nothing = httpx.post(f"{url}/v1beta/models/chat:explain", json={})
    assert (nothing.status_code, nothing.json()["error"]["status"]) == (404, "NOT_FOUND")
