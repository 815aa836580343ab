"""Every preset as a configuration makes it: where its requests go, and how they are signed. Sources: each row's `docs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load
from gateway.engine.access import ANYONE
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.protocols import PROTOCOLS
from gateway.providers.catalog import PRESETS
from gateway.providers.endpoints import placed
from gateway.routing.node import Target
from gateway.routing.runtime import Lane
from gateway.routing.sending import Job, sending

WHERE = {"region": "europe-west4", "project": "my-project", "resource": "my-resource"}


def built(tmp_path: Path, preset: str, model: str, said: str = "", auth: str = "") -> tuple[Target, Lane]:
    """The target and the only credential of a preset."""
    row = PRESETS[preset]
    settings = [f"preset: {preset}"]
    settings += [
        f"{word}: {value}"
        for word, value in WHERE.items()
        if f"{{{word}}}" in (row.base_url or "") and word not in said
    ]
    settings += ["base_url: https://own.example/v1"] if row.base_url is None else []
    settings += [] if row.auth in ("sigv4", "entra", "google") else ["api_key: {env: SECRET}"]
    settings += ["api_key: none"] if row.auth == "google" else []
    settings += [said] if said else []
    settings += [auth] if auth else []
    file = tmp_path / "router.yaml"
    file.write_text(
        f"version: 1\ngateway: {{auth: open}}\nproviders:\n  up: {{{', '.join(settings)}}}\n"
        f"models:\n  m: {{provider: up, id: {json.dumps(model)}}}\n"
    )
    loaded = load([file], known=KNOWN, environ={"SECRET": "s3cret"})
    assert [each.detail for each in loaded.diagnostics.errors] == []
    assert loaded.config is not None
    engine = build(loaded.config, loaded.secrets, None, revision=loaded.revision)
    node = engine.resolve("m", ANYONE).node
    assert isinstance(node, Target)
    (lane,) = engine.runtime.lanes[node.name]
    return node, lane


def url(target: Target, path: str) -> str:
    port = f":{target.origin.port}" if target.origin.port not in (80, 443) else ""
    return f"{target.origin.scheme}://{target.origin.host}{port}{path}"


# preset, model, further settings → the URL of a whole answer, that of a stream ("" the same), the credential's header
CASES: list[tuple[str, str, str, str, str, str]] = [
    ("openai", "gpt-4.1", "", "https://api.openai.com/v1/chat/completions", "", "authorization"),
    ("openai-responses", "gpt-5", "", "https://api.openai.com/v1/responses", "", "authorization"),
    ("anthropic", "claude-sonnet-4-5", "", "https://api.anthropic.com/v1/messages", "", "x-api-key"),
    (
        "gemini", "gemini-2.5-flash", "",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        "x-goog-api-key",
    ),
    (
        "vertex", "gemini-2.5-pro", "",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/google/models/gemini-2.5-pro:generateContent",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        "signed",
    ),
    (
        "vertex", "gemini-2.5-pro", "region: global",
        "https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/publishers/google/models/gemini-2.5-pro:generateContent",
        "https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        "signed",
    ),
    (
        "vertex-claude", "claude-sonnet-4-5@20250929", "",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
        "signed",
    ),
    (
        "vertex-claude", "claude-opus-4-6", "region: eu",
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/my-project/locations/eu/publishers/anthropic/models/claude-opus-4-6:rawPredict",
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/my-project/locations/eu/publishers/anthropic/models/claude-opus-4-6:streamRawPredict",
        "signed",
    ),
    (
        "bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "",
        "https://bedrock-runtime.europe-west4.amazonaws.com/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
        "https://bedrock-runtime.europe-west4.amazonaws.com/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        "signed",
    ),
    (
        "bedrock-key", "amazon.nova-pro-v1:0", "region: eu-central-1",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/amazon.nova-pro-v1%3A0/converse",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/amazon.nova-pro-v1%3A0/converse-stream",
        "authorization",
    ),
    ("azure", "my-deployment", "", "https://my-resource.openai.azure.com/openai/v1/chat/completions", "", "api-key"),
    (
        "azure", "my-deployment", "protocol: openai-responses",
        "https://my-resource.openai.azure.com/openai/v1/responses", "", "api-key",
    ),
    (
        "azure-classic", "my deployment", "",
        "https://my-resource.openai.azure.com/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21",
        "", "api-key",
    ),
    (
        "azure-classic", "gpt", "api_version: 2025-01-01-preview",
        "https://my-resource.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview",
        "", "api-key",
    ),
    ("azure-entra", "gpt", "", "https://my-resource.openai.azure.com/openai/v1/chat/completions", "", "signed"),
    ("ollama", "llama3.2", "", "http://127.0.0.1:11434/api/chat", "", "authorization"),
    ("cohere", "command-a-03-2025", "", "https://api.cohere.com/v2/chat", "", "authorization"),
    ("openrouter", "anthropic/claude-sonnet-4.5", "", "https://openrouter.ai/api/v1/chat/completions", "", "authorization"),
    ("groq", "llama", "", "https://api.groq.com/openai/v1/chat/completions", "", "authorization"),
    ("mistral", "mistral-large-latest", "", "https://api.mistral.ai/v1/chat/completions", "", "authorization"),
    ("deepseek", "deepseek-chat", "", "https://api.deepseek.com/v1/chat/completions", "", "authorization"),
    ("perplexity", "sonar", "", "https://api.perplexity.ai/chat/completions", "", "authorization"),
    ("zhipu", "glm-4.6", "", "https://open.bigmodel.cn/api/paas/v4/chat/completions", "", "authorization"),
    ("github-models", "openai/gpt-4.1", "", "https://models.github.ai/inference/chat/completions", "", "authorization"),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "model", "said", "whole", "stream", "header"), CASES)
def test_where_requests_go_and_how_they_are_signed(
    tmp_path: Path, preset: str, model: str, said: str, whole: str, stream: str, header: str
) -> None:
    target, lane = built(tmp_path, preset, model, said)
    assert url(target, target.path) == whole
    assert url(target, target.stream_path) == (stream or whole)
    sent = dict(lane.headers)
    if header == "signed":
        assert lane.signer is not None
        assert not {"authorization", "x-api-key", "x-goog-api-key", "api-key"} & sent.keys()
    else:
        assert lane.signer is None
        assert sent[header] == ("Bearer s3cret" if header == "authorization" else "s3cret")
        others = {"authorization", "x-api-key", "x-goog-api-key", "api-key"} - {header}
        assert not others & sent.keys(), "the secret is sent once"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_a_target(tmp_path: Path, preset: str) -> None:
    target, lane = built(tmp_path, preset, "model")
    assert target.protocol == PRESETS[preset].protocol
    assert dict(lane.headers)["content-type"] == "application/json"
    for path in (target.path, target.stream_path):
        assert path.startswith("/") and "//" not in path and "{" not in path
    if target.protocol == "anthropic":
        assert dict(lane.headers)["anthropic-version"] == "2023-06-01"
    assert target.dialect.quirks == frozenset(PRESETS[preset].quirks)


def test_where_tokens_are_counted(tmp_path: Path) -> None:
    for preset, path in (
        ("anthropic", "/v1/messages/count_tokens"),
        ("gemini", "/v1beta/models/m:countTokens"),
        ("vertex", "/v1/projects/my-project/locations/europe-west4/publishers/google/models/m:countTokens"),
        ("vertex-claude", None),  # its counting has a path of its own
        ("openai", None),
    ):
        assert built(tmp_path, preset, "m")[0].count_path == path


def body_of(target: Target, wire: str, body: dict[str, Any]) -> Any:
    """What is sent for a client of a wire."""
    protocol = PROTOCOLS[wire]
    head = protocol.decode_head(json.dumps({"model": "m", **body}).encode(), None, None)
    return json.loads(sending(Job(protocol, head), target).body)


MESSAGES = [{"role": "user", "content": "hi"}]


def test_vertex_wants_the_version_of_claudes_wire_in_the_body_and_no_model(tmp_path: Path) -> None:
    target, _ = built(tmp_path, "vertex-claude", "claude-sonnet-4-5@20250929")
    for wire in ("anthropic", "openai-chat"):  # forwarded, translated
        sent = body_of(target, wire, {"max_tokens": 5, "messages": MESSAGES})
        assert sent == {"anthropic_version": "vertex-2023-10-16", "max_tokens": 5, "messages": MESSAGES}


def test_azures_model_is_the_deployment(tmp_path: Path) -> None:
    target, _ = built(tmp_path, "azure", "my-deployment")
    assert body_of(target, "openai-chat", {"messages": MESSAGES})["model"] == "my-deployment"
    assert body_of(target, "anthropic", {"max_tokens": 5, "messages": MESSAGES})["model"] == "my-deployment"


class Here:
    """A place without anything."""

    region: str | None = None
    project: str | None = None
    resource: str | None = None


def test_places() -> None:
    here = Here()
    assert placed("https://x/{protocol}/v1", here, "ollama") == "https://x/ollama/v1"
    with pytest.raises(ValueError, match="region"):
        placed("https://{region}-aiplatform.googleapis.com", here, "gemini")
    for region, host in (
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ):
        here.region = region
        assert placed("https://{region}-aiplatform.googleapis.com", here, "gemini") == f"https://{host}"
    here.region = "eu-central-1"
    assert (
        placed("https://bedrock-runtime.{region}.amazonaws.com", here, "x")
        == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    )
