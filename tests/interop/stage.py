"""aimock and a gateway in front of it, on free ports.

Every upstream wire that aimock speaks is one provider and one model of the gateway, both with the wire's name.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import Running

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"

# Upstream wire -> (provider's settings, the model's id there, where aimock is asked).
WIRES: dict[str, tuple[str, str, str]] = {
    "openai-chat": ("preset: openai, base_url: '{url}/v1'", "gpt-5.1", "/v1/chat/completions"),
    "azure": ("preset: azure-classic, base_url: '{url}/openai'", "gpt-5.1", "/openai/deployments/gpt-5.1/chat"),
    "openai-responses": ("preset: openai-responses, base_url: '{url}/v1'", "gpt-5.1", "/v1/responses"),
    "anthropic": ("preset: anthropic, base_url: '{url}/v1'", "claude-sonnet-4-5", "/v1/messages"),
    "gemini": ("preset: gemini, base_url: '{url}/v1beta'", "gemini-3-pro-preview", "/v1beta/models/"),
    "bedrock-converse": (
        "preset: bedrock-key, region: us-east-1, base_url: '{url}'",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "/model/",
    ),
    "ollama": ("preset: ollama, base_url: '{url}'", "gpt-oss:20b", "/api/chat"),
    "cohere": ("preset: cohere, base_url: '{url}'", "command-a-reasoning-08-2025", "/v2/chat"),
}


def lacking() -> str | None:
    """What is not there, and how to get it; None where all is."""
    if shutil.which("node") is None:
        return "node is not installed (20.15 or newer is needed). On Debian 13: apt-get install nodejs npm"
    if not (MODULES / "@copilotkit/aimock").is_dir():
        return "the programs to try are not installed: make interop, or npm ci --prefix tests/interop"
    return None


def config(upstream: str) -> str:
    """The gateway's router.yaml."""
    key = "api_key: {env: INTEROP_KEY, default: not-a-secret}"
    lines = ["version: 1", "gateway: {listen: '127.0.0.1:0', workers: 1, auth: open}", "providers:"]
    lines += [f"  {wire}: {{{row[0].format(url=upstream)}, {key}}}" for wire, row in WIRES.items()]
    lines += ["models:"]
    for use in ("over", "limited", "broken"):  # models whose breakers may open are asked for nothing else
        lines += [f"  {use}-{wire}: {{provider: {wire}, id: '{row[1]}'}}" for wire, row in WIRES.items()]
    return "\n".join(lines) + "\n"


class Stage:
    """Where the agents play: `url` is the gateway's, `upstream` aimock's."""

    def __init__(self, running: Running, upstream: str) -> None:
        self.running = running
        self.url = running.url
        self.upstream = upstream

    def asked(self) -> list[str]:
        """The paths that aimock was asked for since this was last called, in order."""
        with urllib.request.urlopen(f"{self.upstream}/__aimock/journal", timeout=10) as response:
            entries: list[dict[str, Any]] = json.loads(response.read())
        reset = urllib.request.Request(f"{self.upstream}/__aimock/reset/journal", method="POST")
        urllib.request.urlopen(reset, timeout=10).close()
        return [entry["path"] for entry in entries]


@contextmanager
def aimock(log: Path) -> Iterator[str]:
    """aimock's URL."""
    with log.open("wb") as out:
        process = subprocess.Popen(["node", str(HERE / "upstream.mjs")], stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while (found := re.search(r"ready: (\S+)", log.read_text())) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"aimock did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def stage(place: Path) -> Iterator[Stage]:
    """Both, in a directory of their own."""
    with aimock(place / "aimock.log") as upstream:
        running = Running(place, config(upstream))
        try:
            yield Stage(running, upstream)
        finally:
            running.stop()
