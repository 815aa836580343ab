"""A second family of clients, in another language: the Vercel AI SDK, on four protocols, through every upstream's wire.

tests/e2e/ai_sdk/ask.mjs plays the cells of one protocol; what must come of them is said here. Without Node.js they are
skipped, which in CI is a failure; without its packages, where npm has no registry to ask, they are skipped too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY, Running
from tests.matrix.cells import UPSTREAMS

HERE = Path(__file__).parent / "ai_sdk"
INSTALL = f"npm ci --ignore-scripts --prefix {HERE.relative_to(HERE.parents[2])}"
CLIENTS = ("openai-chat", "openai-responses", "anthropic", "gemini")
PATIENCE = 90.0  # seconds for all of it

CALLS = [["weather", {"city": "Oslo"}], ["time", {"city": "Rome"}]]
EXPECTED: dict[str, Any] = {
    "plain": {"text": "You said: hello there", "finishReason": "stop", "usage": [2, 4]},
    "stream": {"pieces": ["You", " said:", " hello", " there"], "finishReason": "stop", "usage": [2, 4]},
    "system": {"text": "You said: hello"},
    "image": {"text": "You said: what is it"},
    "loop": {"text": "The tool said: sun; noon", "steps": [CALLS, []]},
    "loop streamed": {"text": "The tool said: sun; noon", "steps": [CALLS, []]},
    "object": {"name": "string", "age": True},
    "reasoning": {"text": "The tool said: sun", "steps": [CALLS[:1], []], "thought": 16},
    "reasoning streamed": {"text": "The tool said: sun", "steps": [CALLS[:1], []], "thought": 16},
    "long": {"finishReason": "length", "output": 16},
    "error": {
        "status=400": ["AI_APICallError", 400],
        "status=429": ["AI_APICallError", 429],
        "status=500": ["AI_APICallError", 502],
        "overloaded": ["AI_APICallError", 503],
    },
    "broken": {"text": "You said: one", "failed": True},
}
# How its provider for Gemini wraps results; its own wire gets them as they are, every other what is in them.
WRAPPED = {
    "loop": 'The tool said: {"name":"weather","content":"sun"}; {"name":"time","content":"noon"}',
    "reasoning": 'The tool said: {"name":"weather","content":"sun"}',
}


def _file() -> str:
    providers = {wire: {"preset": "sandbox", "protocol": wire} for wire in UPSTREAMS}
    models = {f"{wire}/*": {"provider": wire, "id": "*"} for wire in UPSTREAMS}
    head = 'version: 1\ngateway: {listen: "127.0.0.1:0", workers: 1}\nkeys: {caller: {from: {env: CALLER_KEY}}}\n'
    defaults = "defaults: {retries: {attempts: 0}}\n"
    return f"{head}{defaults}providers: {json.dumps(providers)}\nmodels: {json.dumps(models)}\n"


def _expected(client: str, upstream: str, scenario: str) -> Any:
    expected = EXPECTED[scenario]
    if scenario.startswith(("loop", "reasoning")) and client == upstream == "gemini":
        expected = {**expected, "text": WRAPPED[scenario.removesuffix(" streamed")]}
    if scenario.startswith("reasoning") and client == "openai-chat":
        expected = {**expected, "thought": 0}  # its provider for OpenAI's chat wire knows no thought, which is right
    return expected


@pytest.mark.parametrize("client", CLIENTS)
def test_every_cell(client: str, tmp_path: Path) -> None:
    if shutil.which("node") is None or not (HERE / "node_modules").is_dir():
        why = f"THE AI SDK WAS NOT TESTED: Node.js or its packages are not there. Install Node.js, then: {INSTALL}"
        if os.environ.get("CI") == "true" and shutil.which("node") is None:
            pytest.fail(why)
        pytest.skip(why)
    running = Running(tmp_path, _file())
    models = {name: upstream.model for name, upstream in UPSTREAMS.items()}
    thinks = {name: upstream.thinks for name, upstream in UPSTREAMS.items()}
    asked = {"url": running.url, "key": KEY, "models": models, "thinks": thinks, "client": client}
    try:
        done = subprocess.run(
            ["node", str(HERE / "ask.mjs")], input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE
        )
    finally:
        running.stop()
    assert done.returncode == 0, done.stderr
    played = json.loads(done.stdout)
    expected = {f"{up} {scenario}": _expected(client, up, scenario) for up in UPSTREAMS for scenario in EXPECTED}
    wrong = {cell: played.get(cell) for cell, said in expected.items() if played.get(cell) != said}
    assert not wrong
    assert played.keys() == expected.keys()
    assert "Traceback" not in running.log.read_text()
