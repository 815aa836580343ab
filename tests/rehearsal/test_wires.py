"""Every client's wire in front of every upstream's, and every kind of fault on each: the sandbox is the provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.model_tests import Faults, TestRequest
from gateway.engine.known import KNOWN
from gateway.rehearsal.request import outgoing
from gateway.rehearsal.stage import Stage
from gateway.rehearsal.world import Happened, World
from tests.rehearsal.generated import CLIENTS, WIRES

MODELS = "".join(f"  {wire}: {{provider: p-{wire}, id: some-model:8b, context: 64k}}\n" for wire in WIRES)
PROVIDERS = "".join(
    f"  p-{wire}: {{protocol: {wire}, base_url: 'http://{wire}.test/v1', auth: bearer, api_key: none}}\n"
    for wire in WIRES
)
FILE = f"version: 1\ngateway: {{auth: open}}\nproviders:\n{PROVIDERS}models:\n{MODELS}"

KINDS = {
    "connection": "connection",
    "reset": "connection",
    "timeout": "timeout",
    "server_error": "server_error",
    "overloaded": "overloaded",
    "rate_limit": "rate_limit",
    "quota": "quota",
    "auth": "auth",
    "not_found": "not_found",
    "context_window": "context_window",
    "content_filter": "content_filter",
    "unsupported": "unsupported",
    "invalid_request": "invalid_request",
    "bad_response": "bad_response",
    "empty": "bad_response",
    "stall": "timeout",
}
# Wires that have no words for a kind: such a provider says something else.
OTHERWISE = {
    ("overloaded", "cohere"): "server_error",
    ("content_filter", "gemini"): None,  # an answer that says so
    ("content_filter", "ollama"): "invalid_request",
    ("content_filter", "cohere"): "invalid_request",
    ("unsupported", "anthropic"): "invalid_request",
}


@pytest.fixture(scope="module")
def stage() -> Stage:
    loaded = load([Path("wires.yaml")], known=KNOWN, environ={}, texts={Path("wires.yaml"): FILE.encode()})
    assert not loaded.diagnostics.has_errors
    return Stage(loaded)


def asked(stage: Stage, fault: object = None, **request: object) -> Happened:
    async def play(world: World) -> Happened:
        if fault is not None:
            world.upstreams.befall({"*": Faults.model_validate(fault)})
        return await world.ask(outgoing(TestRequest.model_validate(request), None))

    return stage.run(play, wall=1_800_000_000.0, seed=1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_pair_of_wires(stage: Stage, client: str, upstream: str, stream: bool) -> None:
    happened = asked(stage, model=upstream, protocol=client, stream=stream, system="Be brief.", tools=["look"])
    assert happened.reply is not None and happened.finished is not None
    assert happened.reply.status == 200 and happened.reply.whole
    assert b"said" in happened.reply.body
    assert (happened.finished.kind, happened.finished.model) == (None, upstream)


@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("word", KINDS)
def test_a_fault_is_its_kind_on_every_wire(stage: Stage, word: str, upstream: str) -> None:
    happened = asked(stage, word, model=upstream)
    assert happened.finished is not None and happened.finished.record is not None
    assert {trial.kind for trial in happened.finished.record.trials} == {OTHERWISE.get((word, upstream), KINDS[word])}
    if word in ("timeout", "stall"):
        assert happened.seconds == pytest.approx(600.0)


@pytest.mark.parametrize("upstream", WIRES)
def test_a_stream_breaks_off_where_it_is_told_to(stage: Stage, upstream: str) -> None:
    for fault in ("interrupted", {"cut_after": 2}, {"error_after": 2}):
        happened = asked(stage, fault, model=upstream, stream=True)
        assert happened.reply is not None and happened.finished is not None
        assert happened.reply.status == 200
        assert happened.finished.kind == "interrupted"
    happened = asked(stage, {"stall_after": 2}, model=upstream, stream=True)
    assert happened.seconds == pytest.approx(60.0)  # timeouts.idle
