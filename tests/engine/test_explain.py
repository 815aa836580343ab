"""Explanations: each kind of skip with the rule that caused it, each strategy, and where every setting was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config.load import Loaded, load
from gateway.engine.access import ANYONE
from gateway.engine.build import build
from gateway.engine.clients import Received
from gateway.engine.explain import explain
from gateway.engine.explanation import Candidate, Explanation, as_json
from gateway.engine.known import KNOWN
from gateway.engine.shadow import Fault, Given, Rest
from gateway.failure import Kind
from gateway.protocols import PROTOCOLS

FILE = """\
version: 1
gateway: {auth: open}
providers:
  one: {protocol: openai-chat, base_url: "http://one/v1", api_keys: {main: {env: A}, spare: {env: B}}, tags: [eu]}
  two: {protocol: anthropic, base_url: "http://two/v1", api_key: none, timeouts: {first_token: 9s, idle: 7s}}
models:
  a: {provider: one, price: {input: 1, output: 2}}
  b: {provider: two, price: {input: 3, output: 4}, on_lossy: reroute}
  small: {provider: one, context: 100, supports: [tools, vision]}
  plain: {provider: one, supports: []}
  large: {provider: one, context: 900k}
  placed: {deployments: [{provider: one, retries: {attempts: 0}}, {provider: two}], limits: {requests: 1/minute}}
aliases: {gpt: fast, "gpt-*": fast}
combos:
  fast:
    - {model: a, timeouts: {total: 30s}}
    - b
  mixed: [small, plain, b, a]
  first: {strategy: when, targets: [{model: plain, when: {has: [tools]}}, {model: a}]}
fallbacks:
  fast: [{on: [rate_limit, content_filter], to: [large]}]
  small: [large]
defaults: {timeouts: {connect: 3s}, limits: {tokens: 5k/minute}, cap: {time: 90s}}
budgets: {daily: {limit: 5 USD, per: day}}
policies:
  - {name: house rules, when: {stream: true, model: mixed}, require: {tags: [eu]}}
  - {name: cheap, when: {max_tokens: {at_most: 7}}, do: {cap: {cost: 0.000001 USD}}}
  - {name: not here, when: {has: [audio]}, do: {deny: {status: 451, message: "No sound."}}}
  - {name: elsewhere, when: {has: [json_schema]}, do: {route: large}}
"""


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    file = Path("r.yaml")
    found = load([file], known=KNOWN, environ={}, texts={file: FILE.encode()}, stand_ins=True)
    assert not found.diagnostics.has_errors, [each.detail for each in found.diagnostics if each.severity == "error"]
    return found


def explained(loaded: Loaded, body: dict[str, Any], given: Given | None = None, **headers: str) -> Explanation:
    assert loaded.config is not None
    engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
    chat = PROTOCOLS["openai-chat"]
    whole = {"messages": [{"role": "user", "content": "hi"}], **body}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    received = Received(
        protocol=chat, head=chat.decode_head(msgspec.json.encode(whole), None, None), headers=named, wall=1.8e9
    )
    return explain(engine, loaded.config, ANYONE, received, given or Given(), at=loaded.at)


def of(found: Explanation, name: str) -> Candidate:
    return next(each for each in found.candidates if each.target == name)


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
LONG = [{"role": "user", "content": "word " * 2000}]

SKIPS: dict[str, tuple[dict[str, Any], Given, dict[str, str], str, str, str | None]] = {
    "a policy": (
        {"model": "mixed", "stream": True}, Given(), {}, "b",
        "the policy 'house rules' requires the tag 'eu'", "policies.0.require r.yaml:26:61",
    ),
    "a cap": (
        {"model": "a", "max_tokens": 5}, Given(), {}, "a",
        "it may cost 0.000015 USD", "policies.1.do.cap.cost r.yaml:27:64",
    ),
    "a capability": (
        {"model": "mixed", "tools": TOOLS}, Given(), {}, "plain",
        "it does not support tools", "models.plain.supports r.yaml:10:26",
    ),
    "a window": (
        {"model": "mixed", "messages": LONG}, Given(), {}, "small",
        "its context window (100 tokens) is too small", "models.small.context r.yaml:9:26",
    ),
    "a window after a failure": (
        {"model": "fast"}, Given(faults={"a": (Fault(kind=Kind.CONTEXT_WINDOW),)}), {}, "b",
        "its context window is not known to be larger", "catalog",
    ),
    "a hint": (
        {"model": "mixed", "provider": {"ignore": ["two"]}}, Given(), {}, "b",
        "the request ignores the provider 'two'", "request",
    ),
    "a pinned credential": (
        {"model": "b"}, Given(), {"x_gateway_credential": "spare"}, "b",
        "it has no credential 'spare'", "request",
    ),
    "a rest": (
        {"model": "fast"}, Given(resting={"a": Rest(Kind.RATE_LIMIT, 20.0)}), {}, "a",
        "cooling down after rate_limit until 20.0s from now", "state",
    ),
    "a budget": (
        {"model": "fast"}, Given(spent={"daily": 5 * 10**9}), {}, "a",
        "The budget 'daily' (5 USD a day) has 0.00 USD left", "budgets.daily r.yaml:24:11",
    ),
    "a limit": (
        {"model": "placed"}, Given(faults={"placed@one": (Fault(kind=Kind.OVERLOADED),), "placed@two": (Fault(kind=Kind.OVERLOADED),)}), {}, "placed@one",
        "Model 'placed' is limited to 1 request per minute.", "models.placed.limits r.yaml:12:85",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SKIPS)
def test_a_skip_says_why_and_by_which_rule(loaded: Loaded, case: str) -> None:
    body, given, headers, target, why, rule = SKIPS[case]
    each = of(explained(loaded, body, given, **headers), target)
    assert each.verdict == "skipped"
    assert each.why.startswith(why)
    assert each.rule is not None
    assert f"{each.rule.path} {each.rule.where or ''}".strip() == rule


def test_a_key_that_may_not_reach_a_target() -> None:
    text = FILE.replace(
        "gateway: {auth: open}", "gateway: {auth: open}\nkeys: {k: {from: {env: K}, allow: [elsewhere, a, gpt]}}"
    )
    text = text.replace("{route: large}", "{route: fast}").replace("allow: [elsewhere, a, gpt]", "allow: [a, small]")
    file = Path("r.yaml")
    loaded = load([file], known=KNOWN, environ={}, texts={file: text.encode()}, stand_ins=True)
    assert loaded.config is not None
    engine = build(loaded.config, loaded.secrets, revision="r")
    caller = next(iter(engine.keyring.callers.values()))
    body = {
        "model": "a",
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    }
    chat = PROTOCOLS["openai-chat"]
    received = Received(protocol=chat, head=chat.decode_head(msgspec.json.encode(body), None, None), wall=1.8e9)
    found = explain(engine, loaded.config, caller, received, at=loaded.at)
    assert found.resolved is not None
    assert (found.resolved.name, found.resolved.route, found.resolved.policy) == ("a", "fast", "elsewhere")
    assert [(each.target, each.verdict) for each in found.candidates] == [
        ("a", "answers"), ("b", "skipped"), ("large", "only_after"),
    ]  # fmt: skip
    rule = of(found, "b").rule
    assert rule is not None
    assert (rule.path, rule.where) == ("keys.k.allow", "r.yaml:3:28")


def test_where_failures_lead(loaded: Loaded) -> None:
    found = explained(loaded, {"model": "fast"}, Given(faults={"b": (Fault(kind=Kind.CONTENT_FILTER),)}))
    # A wrong key and an empty account are the provider's: `large` rests with `a`, which has the same credentials.
    leads = {kind: each for each in found.leads for kind in each.kinds}
    assert {kind: (each.path, each.target, each.status) for kind, each in leads.items()} == {
        "connection": (("b", "large"), "large", 200),
        "timeout": (("b", "large"), "large", 200),
        "server_error": (("b", "large"), "large", 200),
        "overloaded": (("b", "large"), "large", 200),
        "rate_limit": (("b", "large"), "large", 200),
        "quota": (("b",), None, 503),
        "auth": (("b",), None, 502),
        "not_found": (("b", "large"), "large", 200),
        "unsupported": (("b", "large"), "large", 200),
        "bad_response": (("b", "large"), "large", 200),
        "context_window": ((), None, 400),
        "content_filter": (("large",), "large", 200),
        "invalid_request": ((), None, 400),
    }
    by = leads["content_filter"].by
    assert by is not None
    assert (by.path, by.where) == ("fallbacks.fast.0", "r.yaml:21:50")


def test_everything_that_has_a_say_is_told(loaded: Loaded) -> None:
    found = explained(loaded, {"model": "gpt-9", "logit_bias": {"1": 1}})
    assert found.resolved is not None
    assert (found.resolved.what, found.resolved.through) == ("pattern", ("fast",))
    assert found.resolved.place is not None
    assert (found.resolved.place.path, found.resolved.place.where) == ("aliases.gpt-*", "r.yaml:13:22")
    assert [(each.name, each.holds) for each in found.policies] == [
        ("house rules", False), ("cheap", False), ("not here", False), ("elsewhere", False),
    ]  # fmt: skip
    assert [(each.of, each.says, each.place and each.place.where) for each in found.limits] == [
        ("key 'anonymous'", "5,000 tokens per minute", "r.yaml:23:46")
    ]
    assert [(each.of, each.says, each.place and each.place.where) for each in found.caps] == [
        ("time", "90.0s", "r.yaml:23:72")
    ]
    first, second, last = found.candidates
    assert (first.verdict, second.verdict, last.verdict) == ("answers", "next", "only_after")
    assert (first.forwards, first.usd, first.credentials) == (True, "0.002068", ("main", "spare"))
    assert (second.forwards, second.rejects) == (
        False,
        "b cannot carry this request as it is: logit_bias (Anthropic's wire has no such parameter)",
    )
    assert [place.where for place in last.way] == ["r.yaml:21:50"]
    assert found.worst is not None
    assert (found.worst.seconds, found.outcome.target) == (90.0, "a")


def test_a_denial_names_its_policy(loaded: Loaded) -> None:
    sound = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}]
    found = explained(loaded, {"model": "a", "messages": sound})
    assert (found.outcome.status, found.outcome.message, found.candidates) == (451, "No sound.", ())
    assert [each.name for each in found.policies if each.holds] == ["not here"]


def test_the_nearest_value_wins_and_says_where(loaded: Loaded) -> None:
    said = {
        (each.target, setting.name): (setting.value, setting.place and f"{setting.place.path} {setting.place.where}")
        for each in (
            *explained(loaded, {"model": "fast"}).candidates,
            *explained(loaded, {"model": "placed"}).candidates,
        )
        for setting in each.settings
    }
    assert said["a", "timeouts.total"] == ("30s", "combos.fast.targets.0.timeouts.total r.yaml:16:29")
    assert said["a", "timeouts.connect"] == ("3s", "defaults.timeouts.connect r.yaml:23:23")
    assert said["a", "timeouts.idle"] == ("1m", None)
    assert said["b", "timeouts.first_token"] == ("9s", "providers.two.timeouts.first_token r.yaml:5:83")
    assert said["b", "on_lossy"] == ("reroute", "models.b.on_lossy r.yaml:8:52")
    assert said["placed@one", "retries.attempts"] == ("0", "models.placed.deployments.0.retries.attempts r.yaml:12:52")
    assert said["placed@two", "retries.attempts"] == ("2", None)


STRATEGIES = [
    "priority", "weighted", "round_robin", "random", "least_busy", "least_used", "fastest", "cheapest",
    "largest_context", "consistent", "score", "race", "mirror", "panel", "pipeline",
]  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_explained(strategy: str) -> None:
    text = f"""\
version: 1
gateway: {{auth: open}}
providers: {{sandbox: {{}}}}
models: {{a: {{provider: sandbox}}, b: {{provider: sandbox}}, j: {{provider: sandbox}}}}
combos:
  c:
    strategy: {strategy}
    targets: [a, b]
    {"judge: j" if strategy == "panel" else ""}
"""
    file = Path("r.yaml")
    loaded = load([file], known=KNOWN, environ={}, texts={file: text.encode()})
    found = explained(loaded, {"model": "c"})
    assert found.outcome.status == 200
    assert found.orders[0].says.startswith(strategy)
    assert found.orders[0].place is not None
    assert found.orders[0].place.where == "r.yaml:7:5"
    names = [each.target for each in found.candidates]
    assert sorted(names) == (["a", "b", "j"] if strategy == "panel" else ["a", "b"])
    verdicts = {each.target: each.verdict for each in found.candidates}
    match strategy:
        case "panel":
            assert verdicts == {"a": "answers", "b": "answers", "j": "answers"}
            assert of(found, "j").place is not None
        case "pipeline":
            assert verdicts == {"a": "answers", "b": "answers"}
        case "mirror":
            assert (verdicts["a"], found.outcome.copies) == ("answers", ("b",))
        case _:
            assert sorted(verdicts.values()) == ["answers", "next"]


def test_a_race_says_who_was_faster() -> None:
    text = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\nmodels: {a: {provider: sandbox}, b: {provider: sandbox}}\n"
    text += "combos: {c: {strategy: race, after: 1s, targets: [a, b]}}\n"
    file = Path("r.yaml")
    loaded = load([file], known=KNOWN, environ={}, texts={file: text.encode()})
    found = explained(loaded, {"model": "c"}, Given(faults={"a": (Fault(after=5.0),)}))
    assert [(each.target, each.verdict) for each in found.candidates] == [("a", "cancelled"), ("b", "answers")]
    assert (found.outcome.seconds, found.outcome.attempts) == (1.0, 2)


def test_the_document_is_versioned_and_says_nothing_twice(loaded: Loaded) -> None:
    told = msgspec.json.decode(as_json(explained(loaded, {"model": "nobody"})))
    assert told["version"] == 1
    assert told["outcome"]["code"] == "model_not_found"
    assert not {"candidates", "leads", "resolved", "worst"} & set(told)


def test_what_is_passed_over_with_its_combo() -> None:
    text = """\
version: 1
gateway: {auth: open}
providers: {sandbox: {}}
models: {a: {provider: sandbox}, b: {provider: sandbox}, c: {provider: sandbox}, d: {provider: sandbox}}
aliases: {two: pair}
combos:
  pair: [a, b]
  c:1:
    strategy: when
    targets:
      - {model: two, when: {has: [tools]}}
      - {group: [c], when: {has: [images]}}
      - d
"""
    file = Path("r.yaml")
    loaded = load([file], known=KNOWN, environ={}, texts={file: text.encode()})
    found = explained(loaded, {"model": "c:1"})
    assert [(each.target, each.verdict, each.rule and each.rule.where) for each in found.candidates] == [
        ("d", "answers", None),
        ("a", "skipped", "r.yaml:11:22"),
        ("b", "skipped", "r.yaml:11:22"),
        ("c", "skipped", "r.yaml:12:22"),
    ]
    assert {each.why for each in found.candidates[1:]} == {"its `when` does not hold for this request"}
