"""`on_lossy`, over sockets: what a translation loses is named, and decides what happens."""

from __future__ import annotations

from typing import Any

import httpx

CONFIG = """
version: 1
gateway: {auth: open, listen: "127.0.0.1:0", workers: 1}
defaults: {on_lossy: warn}
providers:
  chat: {preset: sandbox}
  messages: {preset: sandbox, protocol: anthropic}
  strict: {preset: sandbox, protocol: anthropic, on_lossy: allow}
models:
  chat: {provider: chat, id: sandbox}
  warns: {provider: messages, id: claude-sonnet-4-5}
  allows: {provider: strict, id: claude-sonnet-4-5}
  rejects: {provider: messages, id: claude-sonnet-4-5, on_lossy: reject}
  reroutes: {provider: messages, id: claude-sonnet-4-5, on_lossy: reroute}
combos:
  first-what-loses: [reroutes, chat]
  only-what-loses: [reroutes]
"""


def ask(url: str, model: str, **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **fields}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20)


def test_what_a_loss_leads_to(launch) -> None:
    running = launch(CONFIG)
    url = running.url

    for model in ("warns", "allows"):
        answer = ask(url, model, seed=7, logit_bias={"1": 2})
        assert answer.status_code == 200
        assert answer.headers["x-gateway-lossy"] == "seed, logit_bias"
        assert answer.json()["choices"][0]["message"]["content"] == "You said: hello"
    ask(url, "warns", seed=8, logit_bias={"1": 2})

    rejected = ask(url, "rejects", seed=7)
    assert rejected.status_code == 400
    assert rejected.json()["error"]["code"] == "lossy_translation"
    assert rejected.json()["error"]["param"] == "seed"
    assert "seed (Anthropic's wire has no such parameter)" in rejected.json()["error"]["message"]
    assert rejected.headers["x-should-retry"] == "false"

    rerouted = ask(url, "first-what-loses", seed=7)
    assert rerouted.status_code == 200
    assert rerouted.headers["x-gateway-model"] == "chat"
    assert "x-gateway-lossy" not in rerouted.headers

    nobody = ask(url, "only-what-loses", seed=7)
    assert nobody.status_code == 400
    assert nobody.json()["error"]["code"] == "lossy_translation"

    for model in ("chat", "warns", "rejects", "first-what-loses"):
        whole = ask(url, model, temperature=0, n=1, stop=None, user="u")
        assert whole.status_code == 200, whole.text
        assert "x-gateway-lossy" not in whole.headers, "nothing is reported that was not lost"

    lines = [line for line in running.log.read_text().splitlines() if "lossy" in line]
    assert len(lines) == 1, "warned of once, and not at all where it is allowed"
    assert "route=warns" in lines[0]


def test_streams_say_it_too(launch) -> None:
    url = launch(CONFIG).url
    body = {"model": "warns", "stream": True, "seed": 1, "messages": [{"role": "user", "content": "hello"}]}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=20) as answer:
        assert answer.headers["x-gateway-lossy"] == "seed"
        assert answer.read().endswith(b"data: [DONE]\n\n")
