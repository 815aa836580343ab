"""`x-gateway-explain` over sockets: the way of an answer, the explanation of the running state, and who may ask."""

from __future__ import annotations

import json
from typing import Any

import httpx

from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY

CONFIG = """\
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1, ledger: sqlite:///ledger.db}}
providers:
  east: {{protocol: openai-chat, base_url: "{url}", api_key: none}}
  west: {{protocol: anthropic, base_url: "{url}", api_key: none}}
models:
  good: {{provider: east, id: sandbox, limits: {{concurrent: 5}}}}
  broken: {{provider: east, id: "sandbox:status=404", retries: {{attempts: 0}}}}
  other: {{provider: west, id: sandbox, tags: [eu]}}
combos:
  smart: [broken, good, other]
policies:
  - {{name: short, when: {{key: plain}}, do: {{tag: [plain]}}}}
  - {{name: marked, do: {{tag: [seen]}}}}
keys:
  plain: {{from: {{env: CALLER_KEY}}}}
  asker: {{from: {{env: ADMIN_KEY}}, explain: true}}
"""


async def ask(url: str, key: str, explain: str, **body: Any) -> httpx.Response:
    fields = {"model": "smart", "messages": [{"role": "user", "content": "hi"}], **body}
    headers = {"authorization": f"Bearer {key}", "x-gateway-explain": explain}
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.post(f"{url}/v1/chat/completions", json=fields, headers=headers)


async def test_an_answer_says_how_it_came_to_be(launch: Any, upstream: Upstream) -> None:
    url = launch(CONFIG.format(url=upstream.url)).url

    answer = await ask(url, ADMIN, "1")
    told = json.loads(answer.headers["x-gateway-explain"])
    assert (answer.status_code, told["asked"], told["route"], told["policies"]) == (200, "smart", "smart", ["marked"])
    assert [(each["target"], each["kind"], each["status"]) for each in told["tried"]] == [
        ("broken", "not_found", 404),
        ("good", None, 200),
    ]
    streamed = await ask(url, ADMIN, "1", stream=True)
    told = json.loads(streamed.headers["x-gateway-explain"])
    assert [each["target"] for each in told["tried"]] == ["good"]
    assert told["skipped"][0]["target"] == "broken"
    assert told["skipped"][0]["why"].startswith("cooling down after not_found")
    refused = await ask(url, ADMIN, "1", model="good", provider={"ignore": ["east"]})
    assert (
        json.loads(refused.headers["x-gateway-explain"])["skipped"][0]["why"]
        == "the request ignores the provider 'east'"
    )

    async with httpx.AsyncClient(timeout=20) as client:
        found = await client.get(
            f"{url}/v1/generation?id={answer.headers['x-request-id']}", headers={"authorization": f"Bearer {ADMIN}"}
        )
    generation = found.json()["data"]
    assert generation["path"]["policies"] == ["marked"]
    assert [each["target"] for each in generation["path"]["tried"]] == ["broken", "good"]


async def test_a_dry_request_is_explained_and_asks_nobody(launch: Any, upstream: Upstream) -> None:
    running = launch(CONFIG.format(url=upstream.url))
    before = len(upstream.journal)
    dry = await ask(running.url, ADMIN, "dry", logit_bias={"1": 1})
    told = dry.json()
    assert (dry.status_code, dry.headers["x-gateway-explain"]) == (200, "dry")
    assert len(upstream.journal) == before
    assert [(each["target"], each["verdict"]) for each in told["candidates"]] == [
        ("broken", "answers"),
        ("good", "next"),
        ("other", "next"),
    ]
    assert told["candidates"][1]["place"]["path"] == "combos.smart.targets.1"
    assert told["candidates"][1]["place"]["where"].endswith("router.yaml:11:19")
    assert told["candidates"][1]["limits"][0]["says"] == "5 requests at one time"
    assert told["candidates"][2]["lossy"][0]["field"] == "logit_bias"
    assert told["policies"] == [
        {"name": "marked", "holds": True, "does": {"tag": ["seen"]}, "place": told["policies"][0]["place"]}
    ]

    assert (await ask(running.url, ADMIN, "1")).status_code == 200  # and now `broken` rests
    after = (await ask(running.url, ADMIN, "dry")).json()
    first = after["candidates"][0]
    assert (first["target"], first["verdict"], first["rule"]) == ("broken", "skipped", {"path": "state"})
    assert after["outcome"]["target"] == "good"
    again = (await ask(running.url, ADMIN, "dry")).json()
    assert again["outcome"] == after["outcome"]
    missing = (await ask(running.url, ADMIN, "dry", model="nobody")).json()
    assert missing["outcome"] == {"status": 404, "attempts": 0, "code": "model_not_found"} | {
        "message": missing["outcome"]["message"]
    }


async def test_keys_that_may_not_ask_are_told_nothing(launch: Any, upstream: Upstream) -> None:
    url = launch(CONFIG.format(url=upstream.url)).url
    for value in ("1", "dry"):
        answer = await ask(url, KEY, value, model="good")
        assert answer.status_code == 200
        assert "x-gateway-explain" not in answer.headers
        assert answer.json()["choices"]
