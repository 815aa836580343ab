"""How each coding agent is pointed at a gateway: its settings, its environment, its command.

An agent runs in a directory and with a home of its own, with no variable of the caller's but PATH, and with a proxy
where nothing listens, so that it can reach this machine alone. docs/interop.md tells people the same settings in words.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.stage import MODULES

FILE = "secret.txt"
OPENCODE = "opencode-linux-x64-baseline"  # what `opencode-ai` would fetch; elsewhere it is left out
PROGRAMS = (MODULES / ".bin", MODULES / OPENCODE / "bin")
PATIENCE = 120.0  # seconds for an agent to finish


@dataclass(frozen=True)
class Setup:
    """`command` starts the agent, `files` are written into its directory first, by path below it."""

    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def claude_code(url: str, model: str, prompt: str) -> Setup:
    """Claude Code asks Messages. Reading is all that it may do."""
    command = ["claude", "-p", prompt, "--model", model, "--allowedTools", "Read"]
    return Setup(
        command,
        {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": "not-a-secret",
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    )


def codex(url: str, model: str, prompt: str) -> Setup:
    """Codex asks Responses. Its own sandbox needs a kernel that lets it build one, and is left out."""
    settings = f"""\
model = "{model}"
model_provider = "gateway"
check_for_update_on_startup = false

[model_providers.gateway]
name = "gateway"
base_url = "{url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"

[analytics]
enabled = false

[features]
plugins = false
apps = false
"""
    command = ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt]
    return Setup(command, {"GATEWAY_KEY": "not-a-secret"}, {"home/.codex/config.toml": settings})


def gemini_cli(url: str, model: str, prompt: str) -> Setup:
    """Gemini CLI asks Gemini's own API."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False},
    }
    environ = {
        "GEMINI_API_KEY": "not-a-secret",
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    return Setup(["gemini", "-m", model, "-p", prompt], environ, {"home/.gemini/settings.json": json.dumps(settings)})


def opencode(package: str, base: str) -> Callable[[str, str, str], Setup]:
    """opencode asks what the AI SDK's `package` asks, below `base`."""

    def setup(url: str, model: str, prompt: str) -> Setup:
        options = {"baseURL": url + base, "apiKey": "not-a-secret"}
        settings = {
            "autoupdate": False,
            "share": "disabled",
            "model": f"gateway/{model}",
            "small_model": f"gateway/{model}",
            "provider": {"gateway": {"npm": package, "options": options, "models": {model: {"tool_call": True}}}},
        }
        environ = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}
        return Setup(["opencode", "run", prompt], environ, {"opencode.json": json.dumps(settings)})

    return setup


# What it is called, its package and how it is set up. opencode speaks four of the wires.
AGENTS: dict[str, tuple[str, Callable[[str, str, str], Setup]]] = {
    "Claude Code": ("@anthropic-ai/claude-code", claude_code),
    "Codex": ("@openai/codex", codex),
    "Gemini CLI": ("@google/gemini-cli", gemini_cli),
    "opencode, chat": (OPENCODE, opencode("@ai-sdk/openai-compatible", "/v1")),
    "opencode, Responses": (OPENCODE, opencode("@ai-sdk/openai", "/v1")),
    "opencode, Messages": (OPENCODE, opencode("@ai-sdk/anthropic", "/v1")),
    "opencode, Gemini": (OPENCODE, opencode("@ai-sdk/google", "/v1beta")),
}


def run(agent: str, url: str, model: str, place: Path, secret: str) -> tuple[int | None, str, str]:
    """Lets an agent read the file with the secret in it: (exit code, stdout, stderr); None for one that never ended."""
    (place / FILE).write_text(f"The secret word is {secret}.\n")
    prompt = f"Read {place / FILE} and tell me the secret word."
    setup = AGENTS[agent][1](url, model, prompt)
    for name, text in setup.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    home = place / "home"
    home.mkdir(exist_ok=True)
    nowhere = "http://127.0.0.1:9"
    environ = {
        "PATH": os.pathsep.join([*map(str, PROGRAMS), os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
        **setup.environ,
    }
    process = subprocess.Popen(
        setup.command,
        cwd=place,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, out, errors
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, errors = process.communicate()
        return None, out, errors
