"""Every answer has an id of its own, over sockets: also where the provider's wire has none."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

CONFIG = """
version: 1
gateway: {auth: open, listen: "127.0.0.1:0", workers: 1}
providers:
  bedrock: {preset: sandbox, protocol: bedrock-converse}
  ollama: {preset: sandbox, protocol: ollama}
models:
  bedrock: {provider: bedrock, id: sandbox}
  ollama: {provider: ollama, id: sandbox}
"""
SAID = [{"role": "user", "content": "hello"}]
CLIENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "chat": ("/v1/chat/completions", {"messages": SAID}, r'"id":"([^"]+)","object":"chat'),
    "responses": ("/v1/responses", {"input": "hello"}, r'"id":"(resp_[^"]+)"'),
    "messages": ("/v1/messages", {"messages": SAID, "max_tokens": 9}, r'"id":"([^"]+)"'),
    "gemini": ("/v1beta/models/MODEL:", {"contents": [{"parts": [{"text": "hello"}]}]}, r'"responseId":"([^"]+)"'),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_no_two_answers_have_the_same(launch, stream: bool) -> None:
    url = launch(CONFIG).url
    for model in ("bedrock", "ollama"):
        for client, (path, fields, pattern) in CLIENTS.items():
            if client == "gemini":
                verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
                path, body = path.replace("MODEL", model) + verb, fields
            else:
                body = {"model": model, "stream": stream, **fields}
            ids: list[str] = []
            for _ in range(2):
                answer = httpx.post(url + path, json=body, timeout=20)
                assert answer.status_code == 200, answer.text
                found = set(re.findall(pattern, answer.text))
                assert len(found) == 1, f"{client} of {model}: one answer, one id: {found}"
                ids += found
            assert ids[0] != ids[1], f"{client} of {model} got the same id for two answers"
