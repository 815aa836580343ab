"""Recorded requests through both sides: of a file of JSON lines, and of a ledger that a server wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.engine.planning.replay import of_lines, replay
from gateway.failure import Kind
from tests.conftest import ADMIN, KEY
from tests.plan.desk import BASE, HERE, side

CI = {"key": "ci", "from": "10.0.0.9", "headers": {"X-Forwarded-For": "10.1.1.1"}}


def line(model: str, **more: Any) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return msgspec.json.encode({**CI, "body": body, "usage": {"input": 1000, "output": 100}, **more}) + b"\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_share_moves_as_weights_do() -> None:
    new = BASE.replace("weight: 80", "weight: 50").replace("weight: 20", "weight: 50")
    found = replay(side(BASE), side(new), of_lines(line("fast") * 1000, 1.8e9))
    assert found.requests == 1000
    assert 260 <= found.moved <= 340, "30 % of what is drawn"
    assert [(way.before, way.after) for way, _ in found.ways] == [
        ("claude-sonnet-4-5 at anthropic", "gpt-4.1 at openai")
    ]
    each = (1000 * 3000 + 100 * 15000, 1000 * 2000 + 100 * 8000)  # nano-dollars of one answer of either
    assert found.before - found.after == found.moved * (each[0] - each[1])
    assert found.lost == {"prefill": found.moved, "reasoning": found.moved}


def test_what_is_refused_and_what_failed() -> None:
    new = BASE.replace('allow: [fast, "gpt-*"]', 'allow: ["gpt-*"]').replace("to: [house-llama]", "to: [gpt-4o]")
    old = BASE.replace("allow: [safe, house-llama]", "allow: [safe, fast]")
    failed = {"claude-sonnet": "overloaded", "gpt-4.1": "overloaded"}
    found = replay(side(old), side(new), of_lines(line("fast") + line("fast", key="ops", failed=failed), 1.8e9))
    assert (found.requests, found.moved, found.refused) == (2, 2, 1)
    ends = {way.before: way.after for way, _ in found.ways}
    assert ends["meta-llama/Llama-3.3-70B-Instruct at house"].startswith("gpt"), "the fallback of who failed then"
    assert "403 model_not_allowed" in ends.values()


def test_nothing_moves_where_nothing_changes() -> None:
    found = replay(side(BASE), side("# other words\n" + BASE), of_lines(line("fast") * 20 + line("nobody"), 1.8e9))
    assert (found.requests, found.moved, found.lost) == (21, 0, {})


def test_lines_that_are_no_requests() -> None:
    for text in (b"{", b"[]", b'{"model": "m"}\n{"body": {}, "protocol": "none"}', b'{"body": {"model": 1}}'):
        with pytest.raises(ValueError, match=r"line \d is no request"):
            list(of_lines(text, 0.0))


def test_the_command(tmp_path: Path) -> None:
    file, new = tmp_path / "requests.jsonl", tmp_path / "new.yaml"
    file.write_bytes(line("by-size") * 10)
    new.write_text(BASE.replace("at_most: 8000", "at_most: 1"))
    told = run("plan", HERE / "base.yaml", new, "--replay", file)
    assert told.exit_code == 2
    assert "replay: 10 requests\n  10 (100 %) go where they went" in told.output, "ci may not use it at all"
    file.write_bytes(line("by-size", key="ops") * 10)
    told = run("plan", HERE / "base.yaml", new, "--replay", file, "--format", "json")
    document = json.loads(told.stdout)["replay"]
    assert (document["requests"], document["moved"]) == (10, 10)
    assert document["ways"][0]["after"] == "gpt-4.1 at openai"
    assert run("plan", HERE / "base.yaml", new, "--replay", tmp_path / "none").exit_code == 1
    assert run("plan", HERE / "base.yaml", new, "--replay", f"sqlite:///{tmp_path}/none.db").exit_code == 1


SERVED = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1, ledger: {{url: "sqlite:///{place}/ledger.db", flush: 50ms}}}}
providers: {{sandbox: {{}}}}
models: {{a: {{provider: sandbox, id: sandbox}}, b: {{provider: sandbox, id: "sandbox:status=500"}}}}
combos: {{c: [b, a]}}
keys:
  caller: {{from: {{env: CALLER_KEY}}}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
"""


def test_a_ledger(launch: Any, tmp_path: Path) -> None:
    gateway = launch(SERVED.format(place=tmp_path))
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {KEY}"}) as http:
        for model in ("a", "c", "c", "b"):
            body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            answer = http.post("/v1/chat/completions", json=body)
            assert answer.status_code == (500 if model == "b" else 200) or model == "b"
            name = answer.headers["x-request-id"]
        assert http.get("/v1/generation", params={"id": name}).status_code == 200, "it is written"
    new = tmp_path / "new.yaml"
    new.write_text(gateway.text.replace("c: [b, a]", "c: [b]").replace("  caller:", "  renamed:"))
    told = run("plan", gateway.file, new, "--replay", f"sqlite:///{tmp_path}/ledger.db", "--format", "json")
    assert told.exit_code == 2, told.output
    document = json.loads(told.stdout)["replay"]
    assert document["requests"] == 4
    assert document["unlike"] == 0, "what failed then fails here"
    assert document["moved"] == 4, "nobody knows that key any more"
    new.write_text(gateway.text.replace("c: [b, a]", "c: [b]"))
    told = run("plan", gateway.file, new, "--replay", f"sqlite:///{tmp_path}/ledger.db", "--format", "json")
    document = json.loads(told.stdout)["replay"]
    assert (document["moved"], document["refused"]) == (2, 2), "the fallback is gone"


def test_kinds_are_those_of_failures() -> None:
    (each,) = of_lines(line("fast", failed={"gpt-4.1": "overloaded"}), 0.0)
    assert each.failed == {"gpt-4.1": (Kind.OVERLOADED,)}


def test_drift(launch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = launch(SERVED.format(place=tmp_path))
    other = tmp_path / "other.yaml"
    other.write_text(gateway.text.replace("c: [b, a]", "c: [a, b]"))
    monkeypatch.setenv("CALLER_KEY", KEY)
    monkeypatch.setenv("ADMIN_KEY", ADMIN)
    same = run("drift", gateway.url, "--config", gateway.file)
    assert (same.exit_code, " same" in same.output) == (0, True), "by revision: the secrets are here"
    assert run("drift", gateway.url, "--config", other).exit_code == 2
    monkeypatch.delenv("CALLER_KEY")
    told = run("drift", gateway.url, "--config", gateway.file)
    assert (told.exit_code, "other files, or other secrets" in told.output) == (2, True)
    monkeypatch.setenv("GATEWAY_KEY", ADMIN)
    assert run("drift", gateway.url, "--config", gateway.file).exit_code == 0, "by what it means"
    told = run("drift", gateway.url, "http://127.0.0.1:9", "--config", other)
    assert (told.exit_code, "cannot be reached" in told.output) == (1, True)
    assert "combos c targets order b, a → a, b" in told.output
    told = run("drift", gateway.url, "--wanted", str(other), "--format", "json")
    assert told.exit_code == 2
    (node,) = json.loads(told.stdout)["nodes"]
    assert (node["verdict"], node["risk"], node["refused"]) == ("drift", "medium", False)
