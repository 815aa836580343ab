"""Translation bugs that show only in a gateway that runs: seals after a fallback, errors inside a 200, each under its
number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.sandbox.serve import start
from gateway.sandbox.wires import Wire
from tests.conftest import Running

from .kit import CLIENTS, WEATHER, WIRES, frames, said

WORDS = {"good": "tokens=5", "broken": "tokens=5:error-at=0", "late": "tokens=5:error-at=2"}
CONFIG = f"""
version: 1
gateway: {{listen: "127.0.0.1:0", auth: open, workers: 1}}
defaults: {{retries: {{attempts: 0}}, breaker: {{failures: 1000, cooldown: 1ms..1ms}}}}
providers:
{"".join(f"  s-{wire}: {{preset: sandbox, protocol: {wire}}}" + chr(10) for wire in WIRES)}
models:
  spare: {{provider: s-anthropic, id: "sandbox:tokens=5"}}
  claude: {{provider: s-anthropic, id: claude-sonnet-4-5}}
  gemini-3: {{provider: s-gemini, id: "gemini-3-pro-preview"}}
  gemini-calls: {{provider: s-gemini, id: "gemini-3-pro-preview:reasoning:tool=weather"}}
  gpt: {{provider: s-openai-responses, id: gpt-5.1}}
  strict: {{provider: s-anthropic, id: claude-sonnet-4-5, on_lossy: reject}}
{"".join(f'  {wire}-{word}: {{provider: s-{wire}, id: "sandbox:{words}"}}' + chr(10) for wire in WIRES for word, words in WORDS.items())}
combos:
{"".join(f"  {wire}-first: [{wire}-broken, spare]" + chr(10) for wire in WIRES)}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Running(tmp_path_factory.mktemp("gateway"), CONFIG)
    yield running.url
    running.stop()
    log = running.log.read_text()
    assert "Traceback" not in log, log


def post(url: str, wire: str, model: str, body: dict[str, Any], stream: bool = False) -> httpx.Response:
    """A client's request on its wire."""
    paths = {
        "anthropic": "/v1/messages",
        "openai-chat": "/v1/chat/completions",
        "openai-responses": "/v1/responses",
        "ollama": "/api/chat",
        "gemini": f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}",
    }
    if wire != "gemini":
        body = {"model": model, "stream": stream, **body}
    return httpx.post(url + paths[wire], json=body, timeout=20)


def hello(wire: str) -> dict[str, Any]:
    match wire:
        case "gemini":
            return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        case "openai-responses":
            return {"input": "hi"}
        case "anthropic":
            return {"max_tokens": 99, "messages": [said("hi")]}
    return {"messages": [said("hi")]}


TOOL = {"name": "weather", "input_schema": WEATHER["function"]["parameters"]}
THINKING = {"type": "enabled", "budget_tokens": 1024}


def claude(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"max_tokens": 4000, "tools": [TOOL], "messages": list(messages), **fields}


def outcome(block: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block["id"], "content": "rain"}]}


def test_06_after_a_fallback_foreign_signatures_stay_behind_and_come_back_to_their_own(gateway: str) -> None:
    first = post(gateway, "anthropic", "gemini-calls", claude(said("hi"))).json()["content"]
    assert any(block["type"] == "thinking" for block in first)
    (called,) = (block for block in first if block["type"] == "tool_use")
    history = [said("hi"), {"role": "assistant", "content": first}, outcome(called)]
    there = post(gateway, "anthropic", "claude", claude(*history, thinking=THINKING))
    assert there.status_code == 200, there.text
    assert there.headers["x-gateway-attempts"] == "1", "known to be foreign before it is sent"
    assert "reasoning" in there.headers["x-gateway-lossy"]
    home = post(gateway, "anthropic", "gemini-3", claude(*history))
    assert home.status_code == 200, home.text
    assert "signature" not in home.headers.get("x-gateway-lossy", ""), "the sandbox has checked it"


UNREADABLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "claude, by its own client": (
        "anthropic",
        "claude",
        claude(
            said("hi"),
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "bm8="}, {"type": "text", "text": "a"}]},
            said("go on"),
            thinking=THINKING,
        ),
    ),
    "claude, in the middle of a loop": (
        "anthropic",
        "claude",
        claude(
            said("hi"),
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "bm8="}, {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "x"}}]},
            outcome({"id": "a"}),
            thinking=THINKING,
        ),
    ),
    "claude, by a chat client": (
        "openai-chat",
        "claude",
        {
            "messages": [
                said("hi"),
                {"role": "assistant", "content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "bm8=", "format": "anthropic-claude-v1"}]},
                said("go on"),
            ]
        },
    ),
    "openai, another organisation's": (
        "openai-responses",
        "gpt",
        {
            "store": False,
            "input": [
                {"type": "message", "role": "user", "content": "hi"},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAno"},
                {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
                {"type": "message", "role": "user", "content": "go on"},
            ],
        },
    ),
    "gemini": (
        "gemini",
        "gemini-3",
        {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "bm8="}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"output": "rain"}}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "weather"}]}],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", UNREADABLE)
def test_08_a_seal_that_the_provider_cannot_read_is_taken_off_once(gateway: str, name: str, stream: bool) -> None:
    wire, model, body = UNREADABLE[name]
    answer = post(gateway, wire, model, body, stream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-gateway-attempts"] == "2"
    assert "reasoning.signature" in answer.headers["x-gateway-lossy"].split(", ")


def test_08_a_target_that_must_lose_nothing_refuses(gateway: str) -> None:
    wire, _, body = UNREADABLE["claude, by its own client"]
    answer = post(gateway, wire, "strict", body)
    assert answer.status_code == 400
    assert "reasoning.signature" in answer.json()["error"]["message"]


async def test_08_what_is_sent_again_is_the_same_without_the_seal(tmp_path: Path) -> None:
    upstream = await start(wire=Wire.OPENAI_RESPONSES)
    config = f"""
version: 1
gateway: {{listen: "127.0.0.1:0", auth: open, workers: 1}}
providers: {{up: {{protocol: openai-responses, base_url: "{upstream.url}", api_key: none}}}}
models: {{gpt: {{provider: up, id: gpt-5.1}}}}
"""
    running = Running(tmp_path, config)
    wire, model, body = UNREADABLE["openai, another organisation's"]
    async with httpx.AsyncClient(timeout=20) as client:
        answer = await client.post(f"{running.url}/v1/responses", json={"model": model, **body})
    assert wire == "openai-responses"
    assert answer.status_code == 200, answer.text
    sent = [json.loads(entry.body) for entry in upstream.journal]
    running.stop()
    await upstream.close()
    assert len(sent) == 2
    assert [item["type"] for item in sent[0]["input"]] == ["message", "reasoning", "message", "message"]
    assert [item["type"] for item in sent[1]["input"]] == ["message", "message", "message"]
    assert "id" not in sent[1]["input"][1], "an item that the provider knows would miss its thought"
    assert sent[1]["input"][2] == sent[0]["input"][3]
    assert {**sent[0], "input": None} == {**sent[1], "input": None}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("upstream", WIRES)
def test_27_an_error_before_content_in_a_200_goes_on_to_the_next_target(
    gateway: str, upstream: str, client: str
) -> None:
    answer = post(gateway, client, f"{upstream}-first", hello(client), True)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-gateway-model"] == "spare"
    assert answer.headers["x-gateway-attempts"] == "2"
    assert "rror" not in answer.text.replace('"error":null', "")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("upstream", WIRES)
def test_27_an_error_after_content_is_said_in_the_clients_protocol(gateway: str, upstream: str, client: str) -> None:
    answer = post(gateway, client, f"{upstream}-late", hello(client), True)
    assert answer.status_code == 200
    assert answer.headers["x-gateway-attempts"] == "1"
    rows = frames(client, answer.content)
    first, last = json.dumps(rows[:-1]), rows[-1]
    assert "You" in first or "hi" in first, "what was said before it has arrived"
    if client == "openai-chat":
        assert last["error"]["code"] == "upstream_interrupted"
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "choices" not in last, "an error is no chunk: clients that tell them apart by shape would read an end"
    elif client == "openai-responses":
        assert last["type"] in ("error", "response.failed")
        assert "response.completed" not in answer.text
    elif client == "anthropic":
        assert (last["type"], last["error"]["type"]) == ("error", "api_error")
        assert "message_stop" not in answer.text
    elif client == "gemini":
        assert last["error"]["code"] >= 500
        assert "finishReason" not in answer.text
    else:
        assert isinstance(last["error"], str)
        assert '"done":true' not in answer.text
