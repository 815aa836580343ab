"""`gateway sandbox` as a person starts it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the URL that it says it has."""
    command = [sys.executable, "-m", "gateway", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            match = re.fullmatch(r"sandbox: openai-chat at (http://\S+/v1)\n", said)
            assert match is not None, said
            yield process, match[1]
        finally:
            process.kill()


def post(url: str, model: str) -> Any:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_stopped(number: signal.Signals) -> None:
    with running() as (process, url):
        assert post(url, "sandbox")["choices"][0]["message"]["content"] == "You said: hello"
        with pytest.raises(urllib.error.HTTPError, match="429"):
            post(url, "sandbox:quota")
        with pytest.raises((ConnectionResetError, urllib.error.URLError), match="reset"):
            post(url, "sandbox:refuse")
        with urllib.request.urlopen(url.removesuffix("/v1") + "/sandbox/journal", timeout=10) as response:
            assert len(json.loads(response.read())["requests"]) == 3
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_port_that_is_taken() -> None:
    with running("--host", "127.0.0.1") as (_, url):
        port = url.split(":")[2].removesuffix("/v1")
        command = [sys.executable, "-m", "gateway", "sandbox", "--port", port]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"gateway: cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in second.stderr
