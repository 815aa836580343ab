"""A short soak: reloads, valid and invalid in turn, while clients call and stream. `make soak` runs the long one.

The judge of the soak is tested too: a soak that cannot find a mixed or a cut answer proves nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_reloads_lose_mix_and_cut_nothing(workers: int) -> None:
    command = [sys.executable, "-m", "benchmarks.soak_reload", "--workers", str(workers)]
    done = subprocess.run(
        [*command, "--reloads", "10", "--clients", "12"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{workers} worker(s), 12 clients, 10 reloads" in done.stdout


def test_canaries_come_into_force_one_after_the_other() -> None:
    command = [sys.executable, "-m", "benchmarks.soak_reload", "--workers", "1", "--canary", "40%"]
    done = subprocess.run(
        [*command, "--reloads", "5", "--clients", "12"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mixed      0" in done.stdout


@pytest.fixture
def soak_client(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    import benchmarks.soak_client

    return benchmarks.soak_client


def reply(version: int, provider: str) -> bytes:
    return json.dumps({"id": f"chatcmpl-json-{version}-{provider}", "object": "chat.completion"}).encode()


def stream(*versions: int) -> bytes:
    """A whole stream whose events tell of these versions, over and over."""
    events = [{"id": f"chatcmpl-brisk-{versions[number % len(versions)]}-north"} for number in range(22)]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def headers(model: str, provider: str, revision: str = "r4") -> dict[str, str]:
    return {"x-gateway-model": model, "x-gateway-provider": provider, "x-gateway-revision": revision}


@pytest.mark.parametrize(
    ("outcome", "streamed", "status", "told", "body", "complete"),
    [
        ("whole", False, 200, headers("c4", "north"), reply(4, "north"), True),
        ("whole", True, 200, headers("s4", "north"), stream(4), True),
        ("failed", False, 503, headers("c4", "north"), b"{}", True),
        ("failed", False, 0, {}, b"", False),
        ("truncated", True, 200, headers("s4", "north"), stream(4), False),
        ("truncated", True, 200, headers("s4", "north"), stream(4).removesuffix(b"data: [DONE]\n\n"), True),
        ("truncated", True, 200, headers("s4", "north"), stream(4)[200:], True),
        ("truncated", False, 200, headers("c4", "north"), reply(4, "north")[:-5], True),
        ("mixed", True, 200, headers("s4", "north"), stream(4, 6), True),
        ("mixed", False, 200, headers("c2", "north"), reply(4, "north"), True),
        ("mixed", False, 200, headers("c4", "south"), reply(4, "north"), True),
        ("mixed", False, 200, headers("c4", "north", revision="r2"), reply(4, "north"), True),
        ("mixed", False, 200, {}, reply(4, "north"), True),
    ],
)
def test_the_judge(
    soak_client: ModuleType,
    outcome: str,
    streamed: bool,
    status: int,
    told: dict[str, str],
    body: bytes,
    complete: bool,
) -> None:
    verdicts = soak_client.Verdicts()
    verdicts.versions["r2"] = 2
    verdicts.judge(soak_client.Answer(status=status, headers=told, body=body, complete=complete), streamed, 0)
    counted = {name: getattr(verdicts, name) for name in ("whole", "failed", "truncated", "mixed")}
    assert counted == {"whole": 0, "failed": 0, "truncated": 0, "mixed": 0, outcome: 1}, verdicts.reasons
    assert verdicts.clean == (outcome == "whole")


def test_a_session_that_goes_back_is_a_mixture(soak_client: ModuleType) -> None:
    verdicts = soak_client.Verdicts(forward=True)
    for session, version in ((1, 2), (2, 3), (1, 2), (2, 2)):
        told = headers(f"c{version}", "north", f"r{version}")
        answer = soak_client.Answer(status=200, headers=told, body=reply(version, "north"), complete=True)
        verdicts.judge(answer, False, session)
    assert (verdicts.whole, verdicts.mixed) == (3, 1)
    assert verdicts.reasons == ["session 2 saw version 2 after 3"]
