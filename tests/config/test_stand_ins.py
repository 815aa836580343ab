"""A configuration is looked at where its environment is not."""

from __future__ import annotations

from pathlib import Path

from gateway.config.load import load
from gateway.engine.build import build
from gateway.engine.known import KNOWN

FILE = """
version: 1
gateway: {state: {redis: {url: {env: REDIS}}}, ledger: {url: {env: LEDGER}}}
providers:
  openai: {api_keys: {a: {env: A}, b: {file: nowhere}}}
  house: {protocol: openai-chat, base_url: {env: HOUSE_URL}, api_key: {env: HOUSE}}
  bedrock: {region: eu-central-1, api_key: {env: AWS}}
models: {m: {provider: openai, id: gpt-4.1}, h: {provider: house}, c: {provider: bedrock, id: anthropic.claude-x}}
keys: {one: {from: {env: ONE}}, two: {from: {env: TWO}}}
"""


def test_what_is_not_set_is_made_up_only_where_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(FILE)
    codes = {found.code for found in load([file], known=KNOWN, environ={}).diagnostics.errors}
    assert codes == {"unset-variable"}, "the model is not even typed without its URL"
    loaded = load([file], known=KNOWN, environ={"A": "a-real-secret"}, stand_ins=True)
    assert [found.code for found in loaded.diagnostics.errors] == []
    assert loaded.config is not None
    secrets = loaded.secrets.handed_on()
    assert secrets["env:A"] == "a-real-secret"
    assert len(set(secrets.values())) == len(secrets) == 8
    engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
    assert {origin.host for origin in engine.origins} >= {"house-url.unset.invalid", "api.openai.com"}
    assert len(engine.keyring.callers) == 2
