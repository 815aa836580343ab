"""Streams that break off on real sockets and are gone on with: official SDKs read one answer, on every client's wire.

The first upstream resets the connection after some tokens. The second is called `echo`: it says again what the last
message said, which is the text so far, and then more; what it repeats is cut off on the way.
"""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import openai
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import KEY

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: none, breaker: {{failures: 1000}}}}
  vllm: {{base_url: "{url}"}}
models:
  torn: {{provider: up, id: "sandbox:tokens=30:cut-at=9"}}
  torn-soon: {{provider: up, id: "sandbox:tokens=30:cut-at=1"}}
  calling: {{provider: up, id: "sandbox:tool=look:cut-at=2"}}
  on: {{provider: vllm, id: "echo:tokens=40"}}
combos:
  lasting: {{targets: [torn, on], after_commit: resume}}
  barely: {{targets: [torn-soon, on], after_commit: resume}}
  calls: {{targets: [calling, on], after_commit: resume}}
  plain: [torn, on]
keys: {{caller: {{from: {{env: CALLER_KEY}}}}}}
"""
QUESTION = "please tell me about the quick brown fox that jumps over the lazy dog again"


@pytest.fixture(scope="module")
def upstream(standing_upstream: Upstream) -> Upstream:
    return standing_upstream


@pytest.fixture(scope="module")
def gateway(launch_once: Any, upstream: Upstream) -> Any:
    return launch_once(CONFIG.format(url=upstream.url))


def one(text: str) -> None:
    """The text is the beginning, gone on with, nothing said twice."""
    assert text.startswith("You said: please tell")
    assert text.count("You said") == 1
    assert text.count("please tell") == 1
    assert len(text.split()) > 20


async def test_the_openai_sdk(gateway: Any, upstream: Upstream) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model="lasting",
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        one("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        assert len({chunk.id for chunk in chunks}) == 1
        assert [chunk.choices[0].delta.role for chunk in chunks if chunk.choices].count("assistant") == 1
        ends = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
        assert len(ends) == 1
        usage = chunks[-1].usage
        assert usage is not None and usage.completion_tokens > 40, "both are counted"
        sent = json.loads(upstream.journal[-1].body)
        assert sent["continue_final_message"] is True and sent["add_generation_prompt"] is False
        assert sent["messages"][-1]["role"] == "assistant"


async def test_the_openai_sdk_on_the_wire_of_responses(gateway: Any) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        async with sdk.responses.stream(model="lasting", input=QUESTION) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_response()
        one(final.output_text)
        assert final.status == "completed" and len(final.output) == 1


async def test_the_anthropic_sdk(gateway: Any) -> None:
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as sdk:
        async with sdk.messages.stream(
            model="lasting", max_tokens=500, messages=[{"role": "user", "content": QUESTION}]
        ) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        one(text)
        assert len(final.content) == 1 and final.stop_reason is not None
        assert final.usage.output_tokens > 40


async def test_gemini_and_ollama(gateway: Any) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {KEY}"}) as http:
        asked: Any = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
        body = (await http.post("/v1beta/models/lasting:streamGenerateContent?alt=sse", json=asked)).text
        rows = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
        candidates = [row["candidates"][0] for row in rows]
        one("".join(part["text"] for each in candidates for part in each["content"]["parts"]))
        assert [bool(each.get("finishReason")) for each in candidates] == [False] * (len(rows) - 1) + [True]
        asked = {"model": "lasting", "messages": [{"role": "user", "content": QUESTION}]}
        lines = [json.loads(line) for line in (await http.post("/api/chat", json=asked)).text.splitlines()]
        one("".join(line["message"]["content"] for line in lines))
        assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


async def test_after_one_token(gateway: Any) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model="barely", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith("You")
        assert chunks[-1].choices[0].finish_reason is not None


@pytest.mark.parametrize("model", ["plain", "calls"])
async def test_else_it_is_told_in_the_stream(gateway: Any, model: str) -> None:
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": QUESTION}], stream=True, tools=tools
        )
        with pytest.raises(openai.APIError, match="broke off"):
            async for _ in stream:
                pass
