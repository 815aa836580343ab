"""Hints, skipping and stickiness over sockets: who answers, who was told what, and what a key may not widen."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.sandbox.serve import Upstream
from tests.conftest import KEY

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
providers:
  east: {{protocol: openai-chat, base_url: "{url}", api_keys: {{main: {{env: CALLER_KEY}}, spare: {{env: ADMIN_KEY}}}}}}
  west: {{protocol: openai-chat, base_url: "{url}", api_key: none, tags: [zdr]}}
models:
  small: {{provider: east, id: sandbox, context: 500, supports: [tools], price: {{input: 1, output: 1}}}}
  large: {{provider: west, id: sandbox, supports: [tools, vision], price: {{input: 9, output: 9}}}}
  broken: {{provider: east, id: "sandbox:status=503", retries: {{attempts: 0}}}}
  placed: {{deployments: [{{provider: east, id: sandbox}}, {{provider: west, id: sandbox}}]}}
  secret: {{provider: west, id: sandbox}}
combos:
  either: [small, large]
  kept: {{strategy: round_robin, targets: [small, large], sticky: {{for: 10m}}}}
keys:
  limited: {{from: {{env: CALLER_KEY}}, allow: [either, kept, small, large, broken, placed]}}
  plain: {{from: {{env: ADMIN_KEY}}, hints: false}}
"""


async def ask(
    url: str, model: str, key: str = KEY, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    fields = {"model": model, "messages": [{"role": "user", "content": "hi"}], **body}
    async with httpx.AsyncClient(timeout=20) as client:
        sent = {"authorization": f"Bearer {key}", **(headers or {})}
        return await client.post(f"{url}/v1/chat/completions", json=fields, headers=sent)


def who(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["x-gateway-model"]


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_hints_skipping_and_stickiness(launch: Any, upstream: Upstream) -> None:
    url = launch(CONFIG.format(url=upstream.url)).url

    assert who(await ask(url, "either")) == "small"
    assert who(await ask(url, "either", provider={"order": ["west"]})) == "large"
    assert who(await ask(url, "either", provider={"zdr": True})) == "large"
    assert who(await ask(url, "either", headers={"X-AnyRouter-Provider": "west"})) == "large"
    assert who(await ask(url, "either@west")) == "large"
    assert who(await ask(url, "placed@west")) == "placed@west"
    assert (
        who(await ask(url, "large", provider={"sort": {"by": "price", "partition": "none"}}, models=["small"]))
        == "small"
    )
    assert "provider" not in upstream.journal[-1].body.decode()
    assert told(await ask(url, "either", provider={"only": ["north"]})) == (404, "no_provider")
    assert told(await ask(url, "either", provider={"max_price": {"prompt": 0.5}})) == (404, "no_provider")
    assert told(await ask(url, "either", provider={"order": "west"})) == (400, "invalid_request")

    answer = await ask(url, "broken", models=["large"])
    assert who(answer) == "large"
    assert answer.headers["x-gateway-attempts"] == "2"
    assert told(await ask(url, "broken", models=["secret"])) == (403, "model_not_allowed")
    assert told(await ask(url, "broken", models=["unheard-of"])) == (404, "model_not_found")
    assert told(await ask(url, "secret@west")) == (403, "model_not_allowed")

    for name in ("main", "east/spare"):
        await ask(url, "small", headers={"X-OmniRoute-Connection": name})
    used = [entry.headers["authorization"] for entry in list(upstream.journal)[-2:]]
    assert len(set(used)) == 2

    assert who(await ask(url, "either", "sk-admin-0123456789abcdef", provider={"order": ["west"]})) == "small"

    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    seen = [{"role": "user", "content": picture}]
    assert who(await ask(url, "either", messages=seen)) == "large"
    before = len(upstream.journal)
    refused = await ask(url, "small", messages=seen)
    assert told(refused) == (400, "unsupported")
    assert "small: it does not support vision" in refused.json()["error"]["message"]
    assert refused.headers["x-should-retry"] == "false"
    long = [{"role": "user", "content": "word " * 2_000}]
    assert told(await ask(url, "small", messages=long)) == (400, "context_length_exceeded")
    assert len(upstream.journal) == before, "nobody was asked"
    assert who(await ask(url, "either", messages=long)) == "large"

    first = who(await ask(url, "kept", headers={"X-Session-Id": "one"}))
    assert {who(await ask(url, "kept", headers={"X-Session-Id": "one"})) for _ in range(4)} == {first}
    assert {who(await ask(url, "kept", headers={"X-Session-Id": f"s{i}"})) for i in range(6)} == {"small", "large"}
