"""Claims of the report that a reader relies on, each against the document that they are about."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.importing.imported import Finding, Imported, Verdict
from gateway.importing.litellm_clouds import CLOUD
from gateway.importing.litellm_hosts import CLOUDS, HOSTS, UNSERVED, split
from gateway.importing.places import PRESET_OF
from gateway.importing.systems import SYSTEMS
from gateway.importing.writing import scalar
from gateway.providers.catalog import PRESETS


def litellm(**tree: Any) -> Imported:
    return SYSTEMS["litellm"].read(tree)


def deployment(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}


def told(found: Imported, *path: str | int) -> Finding:
    return next(finding for finding in found.findings if finding.path == path)


def test_tables_name_presets_that_there_are() -> None:
    assert set(PRESET_OF.values()) <= set(PRESETS)
    assert {host.settings["preset"] for host in HOSTS.values() if "preset" in host.settings} <= set(PRESETS)
    assert set(CLOUD) == CLOUDS
    assert not UNSERVED & {*HOSTS, *CLOUDS}


@pytest.mark.parametrize(
    ("model", "custom", "prefix", "rest"),
    [
        ("openai/gpt-4o", None, "openai", "gpt-4o"),
        ("gpt-4o", None, "openai", "gpt-4o"),
        ("o3-mini", None, "openai", "o3-mini"),
        ("claude-3-haiku", None, "anthropic", "claude-3-haiku"),
        ("gemini-2.0-flash", None, "vertex_ai", "gemini-2.0-flash"),
        ("facebook/opt", "openai", "openai", "facebook/opt"),
        ("bedrock/us.anthropic.x", "bedrock", "bedrock", "us.anthropic.x"),
        ("who/knows", None, None, "who/knows"),
    ],
)
def test_the_provider_of_a_model(model: str, custom: str | None, prefix: str | None, rest: str) -> None:
    assert split(model, custom) == (prefix, rest)


def test_rpm_is_a_weight_of_the_draw_and_no_limit() -> None:
    rows = [
        deployment("m", "openai/a", rpm=6),
        deployment("m", "groq/b", rpm=60),
        deployment("alone", "openai/c", rpm=9),
    ]
    found = litellm(model_list=rows)
    assert [each["weight"] for each in found.document["models"]["m"]["deployments"]] == [6, 60]
    assert "limits" not in found.document["models"]["alone"]
    assert told(found, "model_list", 0, "litellm_params", "rpm").verdict is Verdict.APPROXIMATE
    limited = litellm(model_list=rows, router_settings={"routing_strategy": "usage-based-routing-v2"})
    assert [each["limits"] for each in limited.document["models"]["m"]["deployments"]] == [
        {"requests": "6/minute"},
        {"requests": "60/minute"},
    ]
    assert "weight" not in limited.document["models"]["m"]["deployments"][0]


def test_the_first_deployment_says_what_is_drawn_by() -> None:
    rows = [deployment("m", "openai/a", weight=1, rpm=6), deployment("m", "groq/b", rpm=60)]
    found = litellm(model_list=rows)
    assert [each["weight"] for each in found.document["models"]["m"]["deployments"]] == [1, 0]
    told_of = told(found, "model_list", 1, "litellm_params", "rpm")
    assert told_of.verdict is Verdict.APPROXIMATE
    assert "another value" in told_of.reason


def test_router_settings_win() -> None:
    found = litellm(
        model_list=[deployment("m", "openai/a")],
        router_settings={"num_retries": 1},
        litellm_settings={"num_retries": 5},
    )
    assert found.document["defaults"]["retries"] == {"attempts": 1}
    assert told(found, "litellm_settings", "num_retries").verdict is Verdict.EXACT


def test_a_literal_twice_is_one_variable_and_another_literal_the_next() -> None:
    rows = [
        deployment("a", "openai/a", api_key="first"),
        deployment("b", "openai/b", api_key="first"),
        deployment("c", "openai/c", api_key="second"),
        deployment("d", "openai/d", api_key="os.environ/OPENAI_API_KEY_2"),
    ]
    found = litellm(model_list=rows)
    keys = [entry["api_key"]["env"] for entry in found.document["providers"].values()]
    assert keys == ["OPENAI_API_KEY", "OPENAI_API_KEY_3", "OPENAI_API_KEY_2"]
    assert "first" not in str(found.findings)


def test_stored_credentials_stand_at_their_providers_and_stay_secret() -> None:
    values = {"api_key": "hunter2-hunter2", "api_base": "http://host:8000/v1"}
    found = litellm(
        credential_list=[{"credential_name": "house", "credential_values": values}],
        model_list=[deployment("m", "openai/m", litellm_credential_name="house")],
    )
    (provider,) = found.document["providers"].values()
    assert provider["base_url"] == "http://host:8000/v1"
    assert list(provider["api_key"]) == ["env"]
    assert told(found, "credential_list", 0, "credential_values", "api_key").verdict is Verdict.MANUAL
    assert "hunter2" not in str(found)


def test_fallbacks_that_lead_back_are_not_written_twice() -> None:
    found = litellm(
        model_list=[deployment("a", "openai/a"), deployment("b", "openai/b")],
        router_settings={"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]},
    )
    assert found.document["fallbacks"] == {"a": [{"to": ["b"]}]}
    assert told(found, "router_settings", "fallbacks", 1, "b", 0).verdict is Verdict.UNSUPPORTED


def test_a_model_that_does_not_chat_is_left_out_with_what_leads_to_it() -> None:
    found = litellm(
        model_list=[
            deployment("chat", "openai/gpt-4o"),
            deployment("vectors", "openai/text-embedding-3-small"),
            {**deployment("pictures", "openai/x"), "model_info": {"mode": "image_generation"}},
        ],
        router_settings={"fallbacks": [{"chat": ["vectors"]}], "model_group_alias": {"embed": "vectors"}},
    )
    assert list(found.document["models"]) == ["chat"]
    assert "fallbacks" not in found.document
    assert "aliases" not in found.document
    for path in (("model_list", 1, "model_name"), ("model_list", 2, "model_info", "mode"),
                 ("router_settings", "fallbacks", 0, "chat", 0), ("router_settings", "model_group_alias", "embed")):  # fmt: skip
        assert told(found, *path).verdict is Verdict.UNSUPPORTED


def test_a_base_url_loses_the_path_that_the_wire_adds() -> None:
    rows = [
        deployment("a", "openai/a", api_base="http://host:8000/v1/chat/completions"),
        deployment("b", "anthropic/b", api_base="https://proxy.example"),
        deployment("c", "openai/c", api_base="https://user:hunter2@host/v1"),
    ]
    found = litellm(model_list=rows)
    urls = [entry["base_url"] for entry in found.document["providers"].values()]
    assert urls[:2] == ["http://host:8000/v1", "https://proxy.example/v1"]
    assert list(urls[2]) == ["env"]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("gpt-4o", "gpt-4o"),
        ("10m", "10m"),
        ("60/minute", "60/minute"),
        ("0.0.0.0:8080", "0.0.0.0:8080"),
        ("yes", '"yes"'),
        ("1e3", '"1e3"'),
        ("2024-10-21", '"2024-10-21"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("*", '"*"'),
        ("", '""'),
        ("é", '"é"'),
        ("\n", '"\\n"'),
        (0.88, "0.88"),
        (1e-7, "0.0000001"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_scalars(value: Any, written: str) -> None:
    assert scalar(value) == written
