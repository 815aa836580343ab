"""From a checked configuration to an Engine: references, the nearest setting, access, state that outlives a reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load
from gateway.engine.access import ANYONE, Caller
from gateway.engine.build import build
from gateway.engine.engine import Engine, time_for
from gateway.engine.known import KNOWN
from gateway.engine.live import Live
from gateway.failure import Refused
from gateway.routing.node import Chain, Split, Target, targets
from gateway.state.pool import StatePool
from tests.routing.bench import target

BASE = """
version: 1
gateway: {auth: open}
defaults: {timeouts: {connect: 1s, total: 50s}, retries: {attempts: 1}}
providers:
  up:
    protocol: openai-chat
    base_url: https://host.test/base/v1/
    api_keys: {one: {env: ONE}, two: {env: TWO}}
    timeouts: {total: 40s}
    headers: {X-Team: platform}
  house: {preset: vllm}
models:
  a: {provider: up, id: upstream-a, context: 8k}
  b: {provider: house, timeouts: {total: 30s}, visibility: internal}
  c: {deployments: [{provider: up, id: c1, timeouts: {total: 20s}}, {provider: house}]}
  "x/*": {provider: up, id: "y-*"}
aliases: {same: a, "gpt-*": b, "gpt-4*": a, "*": c}
combos:
  mix: {strategy: weighted, targets: [{model: a, weight: 3, timeouts: {total: 10s}}, {model: b, weight: 1}]}
  deep: [mix, {group: [c], strategy: round_robin, hold: 2}, x/z]
fallbacks: {a: [b], mix: [{on: [timeout], to: [c]}]}
"""


def engine(tmp_path: Path, text: str = BASE, state: StatePool | None = None, **environ: str) -> Engine:
    file = tmp_path / "router.yaml"
    file.write_text(text)
    loaded = load([file], known=KNOWN, environ={"ONE": "secret-one", "TWO": "secret-two", **environ})
    assert [d.detail for d in loaded.diagnostics.errors] == []
    assert loaded.config is not None
    return build(loaded.config, loaded.secrets, state, revision=loaded.revision)


def node(built: Engine, name: str) -> Any:
    return built.resolve(name, ANYONE).node


def test_names_become_references(tmp_path: Path) -> None:
    built = engine(tmp_path)
    chain = node(built, "a")
    assert isinstance(chain, Chain)
    target = chain.primary
    assert isinstance(target, Target)
    assert (target.upstream, target.provider, target.context) == ("upstream-a", "up", 8000)
    assert (target.origin.scheme, target.origin.host, target.path) == (
        "https",
        "host.test",
        "/base/v1/chat/completions",
    )
    assert node(built, "same") is chain, "an alias is the very thing it stands for"
    mix = node(built, "mix")
    assert isinstance(mix.primary, Split)
    assert [branch.weight for branch in mix.primary.branches] == [3, 1]
    deep = node(built, "deep")
    assert deep.branches[0].node is mix
    assert (deep.branches[1].node.strategy, deep.branches[1].node.hold) == ("round_robin", 2)
    assert deep.branches[2].node.upstream == "y-z", "a pattern model is filled where it is named"
    assert built.resolve("deep", ANYONE).models == ("a", "b", "c", "x/*")


def test_the_nearest_setting_wins_field_by_field(tmp_path: Path) -> None:
    built = engine(tmp_path)
    a = node(built, "a").primary
    assert (a.whole.connect, a.total, a.retries.attempts) == (1.0, 40.0, 1)
    assert node(built, "a").rules[0].to[0].total == 30.0
    places = {branch.node.name: branch.node.total for branch in node(built, "c").branches}
    assert places == {"c@up": 20.0, "c@house": 50.0}
    in_mix = node(built, "mix").primary.branches[0].node
    assert in_mix.primary.total == 10.0, "a target in a combo is nearest of all"
    assert node(built, "c@up").upstream == "c1"
    assert built.resolve("mix", ANYONE).budget == 10.0 + 30.0 + 20.0 + 50.0, "each that it can reach has its time"


def test_the_most_specific_pattern_wins(tmp_path: Path) -> None:
    built = engine(tmp_path)
    for name, expected in (("gpt-4o", "a"), ("gpt-5", "b"), ("whatever", "c"), ("x/new", "x/*")):
        assert built.resolve(name, ANYONE).models[0] == expected
    assert node(built, "x/new").upstream == "y-new"
    assert node(built, "x/new").name == "x/new"
    assert built.resolve("b", ANYONE).models == ("c",), "an internal model is not called by its name"


def test_secrets_are_in_lanes_and_nowhere_else(tmp_path: Path) -> None:
    built = engine(tmp_path)
    lanes = built.runtime.lanes["a"]
    assert [lane.credential for lane in lanes] == ["one", "two"]
    assert ("authorization", "Bearer secret-one") in lanes[0].headers
    assert ("x-team", "platform") in lanes[0].headers
    assert all("authorization" not in dict(lane.headers) for lane in built.runtime.lanes["b"])
    for shown in (repr(built.routes), repr(lanes), built.digest, repr(built.keyring)):
        assert "secret-" not in shown


def test_the_digest_names_the_program(tmp_path: Path) -> None:
    first = engine(tmp_path)
    commented = engine(tmp_path, BASE + "# a comment\n")
    assert commented.digest == first.digest
    assert commented.revision != first.revision
    for change in (("weight: 3", "weight: 4"), ("total: 10s", "total: 11s"), ("same: a", "same: b"), ("[b]", "[c]")):
        assert engine(tmp_path, BASE.replace(*change)).digest != first.digest
    assert engine(tmp_path, ONE="another-secret").digest != first.digest


def test_state_outlives_a_reload_where_the_identity_does(tmp_path: Path) -> None:
    state = StatePool()
    first = engine(tmp_path, state=state)
    second = engine(tmp_path, BASE.replace("weight: 3", "weight: 4"), state)
    assert second.runtime.lanes["a"][0].own is first.runtime.lanes["a"][0].own
    third = engine(tmp_path, state=state, ONE="another-secret")
    assert third.runtime.lanes["a"][0].own is not first.runtime.lanes["a"][0].own, "a new secret is a new start"
    assert third.runtime.lanes["a"][1].own is first.runtime.lanes["a"][1].own
    assert third.runtime.cursors["deep[1]"] is first.runtime.cursors["deep[1]"]


def test_allow_lists_speak_of_what_a_name_reaches(tmp_path: Path) -> None:
    built = engine(tmp_path)

    def may(name: str, *allow: str) -> bool:
        exact = frozenset(entry for entry in allow if "*" not in entry)
        patterns = tuple(entry for entry in allow if "*" in entry)
        try:
            built.resolve(name, Caller("k", allow=exact, patterns=patterns))
        except Refused as refused:
            assert refused.refusal.status == 403
            return False
        return True

    assert may("mix", "mix"), "granted by its own name, with all it leads to"
    assert not may("a", "mix"), "but not its targets by theirs"
    assert may("same", "a", "b"), "an alias of models that are all granted"
    assert not may("same", "a"), "a falls back to b, which is not"
    assert may("a", "a"), "granted by its own name"
    assert not may("gpt-4o", "gpt-*"), "a pattern speaks of models, and gpt-4o leads to others"
    assert not may("deep", "a", "b", "c")
    assert may("deep", "a", "b", "c", "x/*")
    assert not may("deep"), "[] is a list of nothing"


def test_pins() -> None:
    live = Live()
    with pytest.raises(RuntimeError):
        live.pin()
    one: Any = type("E", (), {"revision": "one"})()
    two: Any = type("E", (), {"revision": "two"})()
    live.swap(one)
    pin, other = live.pin(), live.pin()
    live.swap(two)
    assert (pin.engine, live.engine) == (one, two)
    assert live.pins() == [("one", 2), ("two", 0)]
    live.release(pin)
    live.release(other)
    assert live.pins() == [("two", 0)]


def test_all_that_constraints_look_at_is_the_same_for_the_same_lanes(tmp_path: Path) -> None:
    tagged = BASE.replace("upstream-a,", "upstream-a, tags: [eu],").replace('"y-*"', '"y-*", tags: [us]')
    built = engine(tmp_path, tagged)
    routes = [*built.routes.values(), *(built.resolve(name, ANYONE) for name in ("x/y", "x/a", "gpt-9"))]
    leaves = [leaf for route in routes for leaf in targets(route.node)]
    seen: dict[str, set[tuple[str, str, tuple[str, ...]]]] = {}
    for each in leaves:
        seen.setdefault(each.lanes, set()).add((each.provider, each.model, each.tags))
    assert len({each.name for each in leaves}) > len(seen) > 3
    assert [len(each) for each in seen.values()] == [1] * len(seen)
    assert {tags for each in seen.values() for *_, tags in each} == {(), ("eu",), ("us",)}


def test_a_request_has_time_for_as_many_targets_as_it_may_ask() -> None:
    assert time_for([target(str(n), total=float(n)) for n in range(1, 15)]) == sum(range(3, 15)), "the 12 slowest"
    assert time_for([target("a", total=10.0), target("b", total=None)]) is None


def test_a_direct_provider_answers_to_its_name_and_any_of_its_models(tmp_path: Path) -> None:
    text = BASE.replace("house: {preset: vllm}", "house: {preset: vllm, direct: true}").replace(
        '"*": c', '"*": c, house/x: a'
    )
    text += "keys:\n  all: {from: {env: ONE}, allow: [house/*]}\n  one: {from: {env: TWO}, allow: [house/x]}\n"
    built = engine(tmp_path, text, ONE="a-secret-of-some-length", TWO="another-secret-of-some-length")
    target = node(built, "house/meta/llama:7b")
    assert (target.provider, target.upstream, target.name) == ("house", "meta/llama:7b", "house/meta/llama:7b")
    assert node(built, "house/x").primary.upstream == "upstream-a", "what is exact goes first"
    assert node(built, "mouse/y") is node(built, "c"), "and what is less specific last"
    assert built.resolve("house/y", ANYONE).models == ("house/*",)
    callers = {each.name: each for each in built.keyring.callers.values()}
    assert built.resolve("house/y", callers["all"]).label == "house/*"
    with pytest.raises(Refused) as refused:
        built.resolve("house/y", callers["one"])
    assert refused.value.refusal.status == 403
    assert [route.name for route in built.visible(ANYONE)].count("house/*") == 0
