"""What an answer cost, over sockets: the header, the log, the metric; and what the list of models says of each."""

from __future__ import annotations

import re
from typing import Any

import httpx

CONFIG = """
version: 1
gateway: {auth: keys, listen: "127.0.0.1:0", workers: 1, log: {level: debug}}
providers: {sandbox: {}}
models:
  free: {provider: sandbox, id: sandbox}
  priced: {provider: sandbox, id: sandbox, context: 8k, max_output: 1k, supports: [tools], price: {input: 2.5, output: 10}}
  tiered:
    provider: sandbox
    id: sandbox
    context: 4k
    max_output: 500
    supports: [vision]
    price: {input: 1, output: 1, tiers: [{above: 1, input: 3, output: 7}]}
combos: {either: [priced, tiered], perhaps: [priced, free]}
keys: {ci: {from: {env: CALLER_KEY}}}
"""
KEY = {"authorization": "Bearer sk-test-0123456789abcdef"}


def ask(url: str, model: str, **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello there, how are you today?"}], **fields}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=KEY, timeout=20)


def test_what_answers_cost(launch: Any) -> None:
    running = launch(CONFIG)
    url = running.url
    spent = {}
    for model, read, wrote in (("priced", 2500, 10_000), ("tiered", 3000, 7000), ("free", 0, 0)):
        answer = ask(url, model)
        usage = answer.json()["usage"]
        assert usage["prompt_tokens"] > 1
        nano = usage["prompt_tokens"] * read + usage["completion_tokens"] * wrote
        assert round(float(answer.headers["x-gateway-cost"]) * 10**9) == nano
        spent[model] = nano
    assert answer.headers["x-gateway-cost"] == "0"

    streamed = ask(url, "priced", stream=True)
    assert "x-gateway-cost" not in streamed.headers, "its cost is not known when its headers go"
    assert "x-gateway-cost" not in ask(url, "priced", max_tokens="many").headers

    ended = [line for line in running.log.read_text().splitlines() if " request  " in line]
    told = [dict(re.findall(r" (cost|price_source)=(\S+)", line)) for line in ended]
    assert [each.get("price_source") for each in told] == ["both", "both", "catalog", "both", None]
    assert float(told[0]["cost"]) == float(f"{spent['priced'] / 10**9:.4g}")
    assert told[3] == told[0], "a stream costs what the same whole answer does"
    assert told[2]["cost"] == "0"
    assert "cost" not in told[4]

    metrics = httpx.get(f"{url}/metrics").text
    (line,) = [each for each in metrics.splitlines() if each.startswith("gateway_cost_usd_total{") and "priced" in each]
    assert 'key="ci"' in line
    assert 'provider="sandbox"' in line
    assert round(float(line.rpartition(" ")[2]) * 10**9) == 2 * spent["priced"]


def test_what_is_known_of_models_is_listed(launch: Any) -> None:
    url = launch(CONFIG).url
    listed = {row["id"]: row for row in httpx.get(f"{url}/v1/models", headers=KEY).json()["data"]}
    priced = listed["priced"]
    assert (priced["context_length"], priced["max_output_tokens"]) == (8000, 1000)
    assert priced["pricing"] == {
        "prompt": "0.0000025",
        "completion": "0.00001",
        "input_cache_read": "0.0000025",
        "input_cache_write": "0.0000025",
        "internal_reasoning": "0.00001",
    }
    assert priced["capabilities"] == {
        "tool_calling": True, "vision": False, "audio": False, "video": False, "attachment": False,
        "structured_output": False, "reasoning": False,
    }  # fmt: skip
    assert not {"context_length", "max_output_tokens", "capabilities"} & set(listed["free"])
    assert listed["free"]["pricing"]["prompt"] == "0"
    either = listed["either"]
    assert (either["context_length"], either["max_output_tokens"]) == (8000, 1000), "the most that one of them can do"
    assert either["capabilities"]["tool_calling"] is either["capabilities"]["vision"] is True
    assert "pricing" not in either
    assert set(listed["perhaps"]) == {"id", "object", "created", "owned_by"}
    assert httpx.get(f"{url}/v1/models/priced", headers=KEY).json() == priced
