"""Policies on compiled Engines: what they decide, what they edit on every wire, and what they leave alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.rules import Way
from gateway.config.load import load
from gateway.engine.access import ANYONE
from gateway.engine.build import build
from gateway.engine.engine import Engine
from gateway.engine.known import KNOWN
from gateway.engine.policing import police
from gateway.events import ignore
from gateway.failure import Refused
from gateway.ir.chat import Request, Text
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect
from gateway.routing.facts import Facts
from gateway.routing.node import targets
from gateway.routing.policies.ruling import Mirror
from gateway.routing.sending import Job, sending

BASE = """
version: 1
gateway: {auth: open}
providers: {sandbox: {}, eu: {preset: sandbox, tags: [eu]}}
models:
  fast: {provider: sandbox}
  slow: {provider: eu, price: {input: 1000, output: 1000}}
  inner: {provider: eu, visibility: internal}
combos: {both: [fast, slow]}
keys:
  anna: {from: {env: ANNA}, team: finance, tags: [batch]}
  ci: {from: {env: CI}, allow: [both]}
"""
ENV = {"ANNA": "anna-secret-0123456789", "CI": "ci-secret-0123456789"}


def engine(tmp_path: Path, rules: str) -> Engine:
    file = tmp_path / "router.yaml"
    file.write_text(BASE + rules)
    loaded = load([file], known=KNOWN, environ=ENV)
    assert [d.detail for d in loaded.diagnostics.errors] == []
    assert loaded.config is not None
    return build(loaded.config, loaded.secrets, revision=loaded.revision)


ASK: dict[str, dict[str, Any]] = {
    "openai-chat": {"model": "fast", "messages": [{"role": "user", "content": "hi 4111111111111111"}]},
    "openai-responses": {"model": "fast", "input": "hi 4111111111111111"},
    "anthropic": {
        "model": "fast",
        "max_tokens": 5000,
        "messages": [{"role": "user", "content": "hi 4111111111111111"}],
    },
    "ollama": {"model": "fast", "messages": [{"role": "user", "content": "hi 4111111111111111"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi 4111111111111111"}]}]},
}


def job(wire: str = "openai-chat", key: str = "anna", more: dict[str, Any] | None = None, **facts: Any) -> Job:
    protocol = PROTOCOLS[wire]
    path = ("fast", False) if wire == "gemini" else (None, None)
    head = protocol.decode_head(json.dumps({**ASK[wire], **(more or {})}).encode(), *path)
    known = {"anna": ("finance", ("batch",))}.get(key, (None, ()))
    given = {"key": key, "team": known[0], "tags": known[1], "asked": "fast", "protocol": wire, **facts}
    return Job(protocol, head, (), Facts(**given))


def ruled(built: Engine, at: Job) -> Any:
    caller = next((c for c in built.keyring.callers.values() if c.name == at.facts.key), None)
    return police(built, caller or ANYONE, built.routes["fast"], at, ignore)


def edited(built: Engine, wire: str = "openai-chat", **more: Any) -> Request:
    at, _, _ = ruled(built, job(wire, more=more))
    # what the wire would be told, read again
    encoded = PROTOCOLS[wire].encode_request(at.request(), Dialect("p", "fast"))
    path = ("fast", False) if wire == "gemini" else (None, None)
    found: Request = PROTOCOLS[wire].decode_request(
        PROTOCOLS[wire].decode_head(json.dumps(encoded.body).encode(), *path)
    )
    return found


def test_a_caller_without_rules_is_asked_nothing(tmp_path: Path) -> None:
    built = engine(tmp_path, "policies: [{name: a, when: {team: finance}, do: {tag: [x]}}]")
    at = job(key="ci")
    assert ruled(built, at) == (at, built.routes["fast"], None)
    assert set(built.rules) == {"anna"}


def test_policies_apply_in_order_and_see_each_other(tmp_path: Path) -> None:
    built = engine(
        tmp_path,
        """
policies:
  - {name: late, when: {tags: marked}, do: {tag: [never]}}
  - {name: mark, when: {tags: batch}, do: {tag: [marked], set: {temperature: 0}}}
  - {name: cold, when: {tags: marked, temperature: 0}, do: {route: slow}}
  - {name: warm, when: {temperature: 1}, do: {tag: [never]}}
""",
    )
    at, route, ruling = ruled(built, job(more={"temperature": 1}))
    assert at.facts.tags == ("batch", "marked")
    assert ruling.applied == ("mark", "cold")
    assert route.name == "slow"
    assert at.request().temperature == 0


@pytest.mark.parametrize("wire", ASK)
def test_deny(tmp_path: Path, wire: str) -> None:
    rule = "policies: [{name: a, when: {client_ip: 10.0.0.0/8}, do: {deny: {status: 418, message: No tea.}}}]"
    built = engine(tmp_path, rule)
    with pytest.raises(Refused) as refused:
        ruled(built, job(wire, client_ip="10.1.1.1"))
    assert (refused.value.refusal.status, refused.value.refusal.message) == (418, "No tea.")
    assert ruled(built, job(wire, client_ip="11.1.1.1"))[2] is None


@pytest.mark.parametrize("wire", ASK)
def test_parameters_on_every_wire(tmp_path: Path, wire: str) -> None:
    built = engine(
        tmp_path,
        "policies: [{name: a, do: {set: {max_tokens: {at_most: 100}, temperature: {default: 0.5}, top_p: 0.25}}}]",
    )
    request = edited(built, wire)
    assert (request.max_tokens, request.temperature, request.top_p) == (100, 0.5, 0.25)


def test_what_the_client_wrote_is_a_word(tmp_path: Path) -> None:
    built = engine(
        tmp_path,
        "policies: [{name: a, do: {set: {temperature: {default: 0.5}, logprobs: {default: true}, "
        "seed: {default: 7}, max_tokens: {at_least: 10, at_most: 20}, n: {at_most: 1}}}}]",
    )
    at, _, _ = ruled(built, job(more={"temperature": 0, "logprobs": False, "seed": None, "max_tokens": 0}))
    request = at.request()
    assert (request.temperature, request.logprobs, request.seed) == (0, False, None)
    assert (request.max_tokens, request.n) == (10, 1)
    assert isinstance(request.max_tokens, int)
    request = ruled(built, job(more={"max_tokens": 15}))[0].request()
    assert request.max_tokens == 15


def test_a_bound_of_minus_one_does_not_come_back(tmp_path: Path) -> None:
    built = engine(tmp_path, "policies: [{name: a, do: {set: {max_tokens: {at_most: 100}}}}]")
    assert edited(built, "ollama", options={"num_predict": -1}).max_tokens == 100


def test_strip(tmp_path: Path) -> None:
    built = engine(tmp_path, "policies: [{name: a, do: {strip: [logit_bias, user]}}]")
    at, _, _ = ruled(built, job(more={"logit_bias": {"1": 2}, "user": "u"}))
    body = at.encoded(targets(built.routes["fast"].node)[0]).body
    assert "logit_bias" not in body
    assert "user" not in body


@pytest.mark.parametrize("wire", ASK)
def test_system_words(tmp_path: Path, wire: str) -> None:
    built = engine(tmp_path, "policies: [{name: a, do: {system: {prefix: Before., suffix: After.}}}]")
    first = edited(built, wire).messages[0]
    assert first.role == "system"
    assert [part.text for part in first.parts if isinstance(part, Text)] == ["Before.\n\nAfter."]
    said: dict[str, Any] = {
        "openai-chat": {"messages": [{"role": "developer", "content": "Mine."}, *ASK["openai-chat"]["messages"]]},
        "ollama": {"messages": [{"role": "system", "content": "Mine."}, *ASK["ollama"]["messages"]]},
        "openai-responses": {"instructions": "Mine."},
        "anthropic": {"system": [{"type": "text", "text": "Mine.", "cache_control": {"type": "ephemeral"}}]},
        "gemini": {"systemInstruction": {"parts": [{"text": "Mine."}]}},
    }[wire]
    request = edited(built, wire, **said)
    texts = [part for part in request.messages[0].parts if isinstance(part, Text)]
    assert [text.text for text in texts] == ["Before.\n\nMine.\n\nAfter."]
    assert wire != "anthropic" or texts[0].cache is not None
    assert not any(message.role in ("system", "developer") for message in request.messages[1:])


@pytest.mark.parametrize("wire", ASK)
def test_redaction_of_what_users_wrote(tmp_path: Path, wire: str) -> None:
    built = engine(tmp_path, r"policies: [{name: a, do: {redact: [{pattern: '\d{16}', instead: '[card]'}]}}]")
    parts = [part for message in edited(built, wire).messages for part in message.parts]
    assert [part.text for part in parts if isinstance(part, Text)] == ["hi [card]"]


def told(built: Engine, wire: str, model: str, **more: Any) -> dict[str, Any]:
    at, _, _ = ruled(built, job(wire, more=more))
    body = PROTOCOLS[wire].encode_request(at.request(), Dialect("p", model)).body
    body.update(body.pop("generationConfig", {}))
    return {name: body[name] for name in _WORDS if name in body}


_WORDS = ("reasoning_effort", "reasoning", "thinking", "output_config", "thinkingConfig", "think")


@pytest.mark.parametrize(
    ("reasoning", "wire", "model", "said", "expected"),
    [
        ('{mode: "off"}', "openai-chat", "gpt-5.1", {"reasoning_effort": "high"}, {"reasoning_effort": "none"}),
        ('{mode: "off"}', "openai-chat", "gpt-4.1", {"reasoning_effort": "high"}, {}),
        ("{mode: strip}", "openai-chat", "gpt-5.1", {"reasoning_effort": "high"}, {}),
        ("{mode: strip}", "openai-chat", "x", {"reasoning": {"effort": "high"}}, {}),
        ("{mode: set, effort: low}", "openai-chat", "gpt-5.1", {}, {"reasoning_effort": "low"}),
        (
            "{mode: cap, effort: low}",
            "openai-chat",
            "gpt-5.1",
            {"reasoning_effort": "high"},
            {"reasoning_effort": "low"},
        ),
        (
            "{mode: cap, effort: high}",
            "openai-chat",
            "gpt-5.1",
            {"reasoning_effort": "low"},
            {"reasoning_effort": "low"},
        ),
        ("{mode: cap, effort: low}", "openai-chat", "gpt-5.1", {}, {}),
        (
            "{mode: set, effort: low}",
            "openai-responses",
            "gpt-5.1",
            {},
            {"reasoning": {"effort": "low", "summary": "auto"}},
        ),
        (
            "{mode: set, budget: 2k}",
            "anthropic",
            "claude-sonnet-4-5",
            {},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            "{mode: cap, budget: 2k}",
            "anthropic",
            "claude-sonnet-4-5",
            {"thinking": {"type": "enabled", "budget_tokens": 4000}},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            "{mode: set, effort: low}",
            "anthropic",
            "claude-opus-4-7",
            {"thinking": {"type": "enabled", "budget_tokens": 4000}},
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        ),
        (
            '{mode: "off"}',
            "anthropic",
            "claude-sonnet-4-5",
            {"thinking": {"type": "enabled", "budget_tokens": 4000}},
            {"thinking": {"type": "disabled"}},
        ),
        ("{mode: set, effort: low}", "gemini", "gemini-3-pro", {}, {"thinkingConfig": {"thinkingLevel": "LOW"}}),
        ('{mode: "off"}', "gemini", "gemini-2.5-flash", {}, {"thinkingConfig": {"thinkingBudget": 0}}),
        (
            "{mode: adaptive, effort: low}",
            "gemini",
            "gemini-2.5-flash",
            {},
            {"thinkingConfig": {"thinkingBudget": 1024}},
        ),
        ('{mode: "off"}', "ollama", "qwen3", {"think": True}, {"think": False}),
    ],
)
def test_reasoning_is_said_as_each_model_takes_it(
    tmp_path: Path, reasoning: str, wire: str, model: str, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    built = engine(tmp_path, f"policies: [{{name: a, do: {{reasoning: {reasoning}}}}}]")
    found = told(built, wire, model, **said)
    if "thinkingConfig" in found:
        found["thinkingConfig"].pop("includeThoughts", None)
    assert found == expected


def test_the_adaptive_budget(tmp_path: Path) -> None:
    built = engine(tmp_path, "policies: [{name: a, do: {reasoning: {mode: adaptive, effort: medium, budget: 20k}}}]")

    def budget(messages: int = 1, tools: int = 0, length: int = 1) -> int | None:
        turns = [{"role": "user", "content": "x" * length}] * messages
        function = {"type": "function", "function": {"name": "f"}}
        more = {"messages": turns, "tools": [function] * tools}
        thinking = ruled(built, job(more=more))[0].request().thinking
        return thinking.budget if thinking is not None else None

    assert budget() == 10_240
    assert budget(messages=10, tools=3, length=2000) == 10_240
    assert budget(messages=11) == 15_360
    assert budget(tools=4) == 15_360
    assert budget(length=2001) == 13_312
    assert budget(messages=11, tools=4, length=2001) == 20_000


def test_a_route_needs_no_permission_but_its_targets_do(tmp_path: Path) -> None:
    built = engine(tmp_path, "policies: [{name: a, do: {route: inner}}]")
    assert ruled(built, job())[1].name == "inner", "an internal model, by the operator's word"
    with pytest.raises(Refused) as refused:
        ruled(built, job(key="ci"))
    assert refused.value.refusal.status == 403
    built = engine(tmp_path, "policies: [{name: a, do: {route: slow}}]")
    assert ruled(built, job(key="ci"))[1].name == "slow", "the combo that the key may use leads there"


def test_requirements_and_caps_add_up(tmp_path: Path) -> None:
    built = engine(
        tmp_path,
        """
defaults: {cap: {attempts: 5, time: 60s}}
policies:
  - {name: one, when: {model: both}, require: {tags: [eu]}, do: {cap: {attempts: 7, time: 10s, cost: 1 USD}}}
  - {name: two, when: {model: both}, require: {providers: ["*"], models: [slow, inner]}}
""",
    )
    at, _, _ = ruled(built, job(asked="both"))
    assert at.caps is not None
    assert (at.caps.attempts, at.caps.time, at.caps.cost) == (5, 10.0, 10**9)
    fast, slow = targets(built.routes["both"].node)
    assert at.constraints is not None
    assert at.constraints.objection(fast) is not None
    assert at.constraints.objection(slow) is None


READING = """
policies:
  - {name: a, when: {has: [tools]}, do: {tag: [t]}}
  - {name: b, when: {any: [{input_tokens: {at_least: 10}}, {temperature: 0}]}, do: {tag: [u], cap: {attempts: 3}}}
  - {name: c, when: {model: fast, not: {has: [system]}}, require: {not_tags: [eu]}}
  - {name: d, do: {set: {max_tokens: {at_most: 1048576}}, redact: [{pattern: zzzz}], strip: [seed]}}
guardrails:
  g: {pattern: zzzz, do: redact}
  h: {pattern: zzzz, do: reject}
"""


_built: list[Engine] = []


def _reading(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if not _built:
        _built.append(engine(tmp_path_factory.mktemp("reading"), READING))
    return _built[0]


@settings(max_examples=60)
@given(st.sampled_from(sorted(ASK)), st.booleans(), st.sampled_from([0, 0.0, 1, 1.50]), st.integers(1, 2**20 - 1))
def test_rules_that_edit_nothing_leave_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, wire: str, tools: bool, temperature: float, most: int
) -> None:
    built = _reading(tmp_path_factory)
    more: dict[str, Any] = {
        "openai-chat": {"max_tokens": most, "temperature": temperature, "x-unknown": 1.50},
        "openai-responses": {"max_output_tokens": most, "temperature": temperature},
        "anthropic": {"max_tokens": most, "temperature": temperature},
        "ollama": {"options": {"num_predict": most, "temperature": temperature}},
        "gemini": {"generationConfig": {"maxOutputTokens": most, "temperature": temperature}},
    }[wire]
    if tools and wire == "openai-chat":
        more["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    plain, at = job(wire, more=more), job(wire, more=more)
    at, _, ruling = ruled(built, at)
    assert ruling.applied
    assert not at.edited
    assert at.forwards(wire)
    target = targets(built.routes["fast"].node)[0]
    if wire == target.protocol:
        assert sending(at, target).body == sending(plain, target).body


def test_a_set_on_headers_and_keys_decodes_no_body(tmp_path: Path) -> None:
    built = engine(
        tmp_path,
        """
policies:
  - {name: a, when: {headers: {x-app: mobile}}, do: {deny: {message: x}}}
  - {name: b, when: {key: anna, client_ip: 10.0.0.0/8}, do: {tag: [x], cap: {attempts: 2}}}
""",
    )
    at, _, _ = ruled(built, job(client_ip="10.0.0.1"))
    assert at._request is None
    assert at.facts.tags == ("batch", "x")


def test_the_digest_covers_the_rules(tmp_path: Path) -> None:
    first = engine(tmp_path, "policies: [{name: a, when: {client_ip: 10.0.0.0/8}, do: {tag: [x]}}]").digest
    same = engine(tmp_path, "policies: [{name: a, when: {client_ip: 10.0.0.0/8}, do: {tag: [x]}}]  # the same").digest
    other = engine(tmp_path, "policies: [{name: a, when: {client_ip: 10.0.0.0/9}, do: {tag: [x]}}]").digest
    teams = engine(tmp_path, "teams: {finance: {allow: [fast]}}").digest
    assert first == same
    assert len({first, other, teams}) == 3


def test_copies_and_caches_are_decided(tmp_path: Path) -> None:
    built = engine(
        tmp_path,
        "policies: [{name: a, do: {mirror: {to: slow, sample: 50%}}}, {name: b, when: {stream: false}, do: {no_cache: true}}]",
    )
    _, _, ruling = ruled(built, job())
    assert ruling.mirrors == (Mirror("slow", 0.5),)
    assert ruling.no_cache


def test_a_cache_knows_what_an_answer_had_to_pass(tmp_path: Path) -> None:
    """An answer that was kept before a guardrail, or for a request that might go anywhere, is not given again."""
    rules = "policies: [{name: eu, when: {model: both, stream: true}, require: {tags: [eu]}}]"
    free = engine(tmp_path, rules)
    guarded = engine(tmp_path, "guardrails: {g: {pattern: a, on: [response], do: redact}}")
    way = Way("digest")
    shapes = {
        way.shape(ruled(free, job(asked="both"))[0]),
        way.shape(ruled(free, job(asked="both", more={"stream": True}))[0]),
        way.shape(ruled(guarded, job(asked="both"))[0]),
    }
    assert len(shapes) == 3
