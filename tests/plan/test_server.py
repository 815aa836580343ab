"""What a server says that it runs is what it runs: the same digest once compiled, and no secret in it."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.engine.published import Published, received
from gateway.sandbox.serve import Upstream
from tests.conftest import ADMIN, KEY

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
providers:
  up:
    protocol: openai-chat
    base_url: "{url}"
    api_keys: {{a: {{file: key.txt}}, b: {{key: {{env: CALLER_KEY}}, tier: 1}}}}
    headers: {{x-signature: "a-fixed-header"}}
models:
  m: {{provider: up, id: one, price: {{input: 1, output: 2, tiers: [{{above: 1k, input: 2}}]}}}}
  hidden: {{provider: up, visibility: internal, timeouts: {{total: 90s}}}}
  "p/*": {{provider: up, id: "*"}}
aliases: {{"q-*": m}}
combos:
  c:
    strategy: when
    targets:
      - {{model: m, when: {{not: {{any: [{{team: t}}, {{hours: {{from: "08:00", until: "18:00"}}}}]}}}}}}
      - hidden
fallbacks: {{c: [{{on: [rate_limit], to: [hidden]}}]}}
teams: {{t: {{allow: [c], limits: {{requests: [10/minute, 100/day]}}}}}}
keys:
  caller: {{from: {{env: CALLER_KEY}}, team: t}}
  admin: {{from: {{env: ADMIN_KEY}}, admin: true}}
budgets: {{b: {{limit: 5 USD, per: 30d, each: key}}}}
policies:
  - {{name: eu, when: {{client_ip: [10.0.0.0/8]}}, do: {{set: {{max_tokens: {{at_most: 10}}}}}}, require: {{providers: [up]}}}}
cache: {{exact: {{ttl: 1m, only_when: {{temperature: 0}}}}}}
"""


@pytest.fixture
def gateway(launch: Any, upstream: Upstream) -> Any:
    return launch(CONFIG.format(url=upstream.url), {"key.txt": "a-secret-in-a-file\n"})


def told(gateway: Any, key: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}/-/config", headers={"authorization": f"Bearer {key}"})


def test_the_configuration_that_runs(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(gateway, KEY).status_code == 403
    answer = told(gateway, ADMIN)
    assert answer.status_code == 200
    for secret in (KEY, ADMIN, "a-secret-in-a-file", "a-fixed-header"):
        assert secret not in answer.text
    said = msgspec.json.decode(answer.content, type=Published)
    assert said.revision == gateway.health()["revision"]
    assert said.masked == ()
    config, engine = received(said)
    assert engine.digest == said.digest, "the very program"
    assert engine.revision == said.revision
    assert list(config.models) == ["m", "hidden", "p/*"]

    monkeypatch.setenv("GATEWAY_KEY", ADMIN)
    same = CliRunner().invoke(app, ["plan", gateway.url, str(gateway.file)])
    assert (same.exit_code, "No changes." in same.output) == (0, True), same.output
    changed = gateway.file.with_name("next.yaml")
    changed.write_text(gateway.text.replace("timeouts: {total: 90s}", "timeouts: {total: 60s}"))
    plan = CliRunner().invoke(app, ["plan", gateway.url, str(changed)])
    assert plan.exit_code == 2
    assert "hidden timeouts total  90s → 1m" in plan.output
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    refused = CliRunner().invoke(app, ["plan", gateway.url, str(changed)])
    assert refused.exit_code == 1
    assert "answered 403" in refused.output
    assert "admin: true" in refused.output


def test_a_reload_says_what_it_changes(gateway: Any) -> None:
    before = gateway.health()["revision"]
    gateway.write(gateway.text.replace("timeouts: {total: 90s}", "timeouts: {total: 60s}").replace("p/*", "r/*"))
    gateway.wait(lambda health: health["revision"] != before)
    changes = httpx.get(f"{gateway.url}/-/audit", headers={"authorization": f"Bearer {ADMIN}"}).json()["changes"]
    assert changes[0]["plan"] == (
        "1 changed, 1 renamed; risk high: models p/* → r/*; models hidden timeouts total 90s → 1m"
    )
