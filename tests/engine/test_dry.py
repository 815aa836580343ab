"""A dry walk takes the way that the server takes: generated configurations, requests and faults through both.

One side is `routing.run` over scripted upstreams that speak a wire, after the ingress's own steps; the other is
`Dry.walk`, which is told kinds and statuses only. Both begin with the same seed, each on an Engine of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from gateway.cli.explained import text
from gateway.config.load import Loaded, load
from gateway.engine.access import ANYONE, Caller
from gateway.engine.answering import answer_of
from gateway.engine.assuming import faults_of, nameable
from gateway.engine.build import build
from gateway.engine.clients import Received, job_of
from gateway.engine.dry import START, Dry
from gateway.engine.engine import Engine
from gateway.engine.explain import explain
from gateway.engine.explanation import as_json
from gateway.engine.known import KNOWN
from gateway.engine.policing import police
from gateway.engine.shadow import Fault, Given, Rest
from gateway.engine.virtual import VirtualLoop
from gateway.engine.wished import wished
from gateway.events import ignore
from gateway.failure import Failed, Failure, Kind, Refused
from gateway.protocols import PROTOCOLS
from gateway.routing.admission import admitted
from gateway.routing.contests import CONTESTS
from gateway.routing.node import targets
from gateway.routing.outcome import refusal_of
from gateway.routing.run import Course, Tools
from gateway.routing.sessions import identity_of
from gateway.state.pool import StatePool
from gateway.store.memory import Memory
from gateway.transport.contract import Request, Response
from tests.routing.bench import OK, Reply

MODELS = [f"m{number}" for number in range(7)]
STRATEGIES = [
    "priority", "weighted", "round_robin", "random", "least_busy", "least_used", "fastest", "cheapest",
    "largest_context", "consistent", "score", "when", "race", "mirror", "panel", "pipeline",
]  # fmt: skip
WORDS = ["ok", "429", "500", "503", "401", "404", "400", "403", "413", "connection"]
STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"hi"},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def loaded_of(seed: int) -> Loaded:
    """The first configuration of a seed that has no errors."""
    chance = Random(seed)
    file = Path("generated.yaml")
    while True:
        texts = {file: msgspec.json.encode(generated(chance))}
        loaded = load([file], known=KNOWN, environ={}, texts=texts, stand_ins=True)
        if not loaded.diagnostics.has_errors:
            return loaded


def engine_of(loaded: Loaded, wall: Callable[[], float]) -> Engine:
    assert loaded.config is not None
    return build(loaded.config, loaded.secrets, StatePool(Memory(clock=wall)), revision="r")


def generated(chance: Random) -> dict[str, Any]:
    """A configuration of everything that decides where a request goes."""
    providers: dict[str, Any] = {}
    for name in ("p", "q", "r"):
        keys = {f"{name}{number}": {"env": f"{name}{number}"} for number in range(chance.randint(1, 3))}
        providers[name] = {"protocol": "openai-chat", "base_url": f"http://{name}/v1", "api_keys": keys}
        if chance.random() < 0.2:
            providers[name]["limits"] = {"requests": f"{chance.randint(1, 4)}/minute"}
    models: dict[str, Any] = {}
    for name in MODELS:
        model: dict[str, Any] = {
            "provider": chance.choice("pqr"),
            "price": {"input": chance.randint(0, 9), "output": 1},
        }
        if chance.random() < 0.3:
            model["context"] = chance.choice([30, 1000, 4000])
        if chance.random() < 0.3:
            model["supports"] = chance.choice([[], ["tools"], ["vision"], ["tools", "vision"]])
        if chance.random() < 0.4:
            model["tags"] = ["eu"]
        if chance.random() < 0.3:
            model["retries"] = {"attempts": chance.randint(0, 2)}
        if chance.random() < 0.2:
            model["limits"] = {"concurrent": 1}
        models[name] = model
    combos: dict[str, Any] = {}
    for name in ("inner", "other", "outer"):
        among = MODELS + list(combos)
        strategy = chance.choice(STRATEGIES)
        chosen = chance.sample(among, chance.randint(2, 4))
        targets: list[Any] = [{"model": each} for each in chosen]
        combo: dict[str, Any] = {"strategy": strategy, "targets": targets}
        match strategy:
            case "weighted":
                for each in targets:
                    each["weight"] = chance.randint(0, 3) + 1
            case "when":
                targets[0]["when"] = {"has": ["tools"]}
            case "panel":
                combo["judge"] = chance.choice(MODELS)
            case "race":
                combo["after"] = "1s"
            case "mirror":
                combo["sample"] = "50%"
        combos[name] = combo
    fallbacks: dict[str, Any] = {}
    for name in ("outer", "m0", "inner"):
        if chance.random() < 0.6:
            to = chance.sample([model for model in MODELS if model != name], 2)
            kinds = [
                "rate_limit",
                "overloaded",
                "server_error",
                "context_window",
                "connection",
                "invalid_request",
                "auth",
            ]
            fallbacks[name] = [
                {"on": chance.sample(kinds, 3), "to": to[:1]},
                {"on": chance.sample(kinds, 3), "to": to[1:]},
            ]
    policies: list[Any] = []
    if chance.random() < 0.3:
        policies.append({"name": "eu", "when": {"has": ["images"]}, "require": {"tags": ["eu"]}})
    if chance.random() < 0.3:
        policies.append({"name": "few", "do": {"cap": {"attempts": chance.randint(1, 4)}}})
    if chance.random() < 0.2:
        policies.append({"name": "away", "when": {"stream": True}, "do": {"route": chance.choice(MODELS)}})
    return {
        "version": 1,
        "gateway": {"auth": "open"},
        "providers": providers,
        "models": models,
        "combos": combos,
        "fallbacks": fallbacks,
        "policies": policies,
        "defaults": {"timeouts": {"first_token": "5s", "total": "20s"}},
    }


def body_of(chance: Random, *, stream: bool) -> bytes:
    content: Any = "word " * chance.choice([1, 100, 3000])
    if chance.random() < 0.3:
        content = [
            {"type": "text", "text": content},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        ]
    body: dict[str, Any] = {
        "model": chance.choice(["outer", "inner", "other", "m0", "nobody"]),
        "messages": [{"role": "user", "content": content}],
        "stream": stream,
    }
    if chance.random() < 0.3:
        body["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    if chance.random() < 0.2:
        body["models"] = chance.sample(MODELS, 2)
    if chance.random() < 0.2:
        body["provider"] = chance.choice(
            [{"order": ["q", "p"]}, {"only": ["p", "q"]}, {"sort": "price"}, {"ignore": ["r"]}]
        )
    return msgspec.json.encode(body)


class Upstreams:
    """Answers in the words of the wire, as the script says; the last word of a model again and again."""

    def __init__(self, engine: Engine, scripts: dict[str, list[str]]) -> None:
        self.sent: list[str] = []
        self._scripts = {name: list(words) for name, words in scripts.items()}
        self._names = {target.upstream: name for name, target in nameable(engine).items() if name in MODELS}

    async def __call__(self, request: Request) -> Response:
        body = msgspec.json.decode(request.body)
        name = self._names[body["model"]]
        self.sent.append(name)
        words = self._scripts.get(name, ["ok"])
        word = words.pop(0) if len(words) > 1 else words[0]
        if word == "ok":
            return Reply(200, STREAM, content_type="text/event-stream") if body.get("stream") else Reply(200, OK)
        if word == "slow":
            await asyncio.sleep(3)
            return Reply(200, STREAM, content_type="text/event-stream") if body.get("stream") else Reply(200, OK)
        if word == "connection":
            raise Failed(Failure(kind=Kind.CONNECTION, message="scripted", sent=False))
        return Reply(int(word), b"")


async def served(
    engine: Engine, caller: Caller, received: Received, tools: Tools, course: Course
) -> tuple[int, str | None]:
    """What the ingress does: the status, and who has answered."""
    try:
        head, route, hints = wished(engine, caller, received.head, received.headers)
        job, route, ruling = police(engine, caller, route, job_of(engine, caller, received, head), ignore)
        job.hints = hints
        if engine.limits is not None:
            admission = admitted(engine.limits, job, tools)
            if admission is not None and admission.taken is None:
                await admission.wait(engine.limits, job, tools)
        answer = await answer_of(engine, caller, route, job, ruling, tools, course)
        while await answer.more():
            pass
        answer.close()
    except Refused as refused:
        return refused.refusal.status, None
    except Failed as failed:
        return refusal_of(failed.failure, course.trials).status, None
    return 200, answer.target.name


def really(
    loaded: Loaded, received: Received, scripts: dict[str, list[str]], resting: dict[str, Rest], seed: int
) -> tuple[Any, ...]:
    loop = VirtualLoop()
    loop.begin(START)
    engine = engine_of(loaded, lambda: received.wall + loop.time() - START)
    for name, rest in resting.items():
        for lane in engine.runtime.lanes[name]:
            lane.own.open_for(START, rest.seconds, rest.kind)
    upstreams = Upstreams(engine, scripts)
    tools = Tools(
        send=upstreams,
        clock=loop.time,
        wall=lambda: received.wall + loop.time() - START,
        sleep=asyncio.sleep,
        random=Random(seed),
        emit=ignore,
    )
    course = Course()
    try:
        status, who = loop.run_until_complete(served(engine, ANYONE, received, tools, course))
        loop.run_until_complete(engine.runtime.copies.stop())
    finally:
        loop.close()
    tried = [(trial.target, trial.credential, str(trial.kind)) for trial in course.trials]
    return status, who, tried, [(each.target, each.why) for each in course.skipped]


def dryly(
    loaded: Loaded, received: Received, scripts: dict[str, list[str]], resting: dict[str, Rest], seed: int
) -> tuple[Any, ...]:
    engine = engine_of(loaded, lambda: received.wall)
    words = [f"{name}={','.join(each)}" for name, each in scripts.items() if "slow" not in each]
    faults = faults_of(words, nameable(engine), received.wall)
    faults |= {name: (Fault(after=3),) for name, each in scripts.items() if "slow" in each}
    with Dry() as dry:
        walked = dry.walk(engine, ANYONE, received, Given(faults=faults, resting=resting), seed=seed)
    tried = [
        (step.target, step.credential, "cancelled" if step.did == "cancelled" else str(step.kind))
        for step in walked.steps
        if step.did != "skipped"
    ]
    skipped = [(step.target, step.why) for step in walked.steps if step.did == "skipped"]
    return walked.status, walked.served.name if walked.served is not None else None, tried, skipped


def cases(seed: int) -> Iterator[tuple[Received, dict[str, list[str]], dict[str, Rest]]]:
    chance = Random(seed)
    for _ in range(6):
        body = body_of(chance, stream=chance.random() < 0.3)
        scripts: dict[str, list[str]] = {}
        for name in MODELS:
            if chance.random() < 0.6:
                words = chance.choices(WORDS, k=chance.randint(1, 3))
                scripts[name] = words if chance.random() < 0.9 else ["slow"]
        resting = {name: Rest(Kind.OVERLOADED, 30.0) for name in MODELS if chance.random() < 0.15}
        wire = PROTOCOLS["openai-chat"]
        yield Received(protocol=wire, head=wire.decode_head(body, None, None), wall=1.8e9), scripts, resting


@pytest.mark.parametrize("seed", range(90))
def test_a_dry_walk_goes_where_the_server_goes(seed: int) -> None:
    loaded = loaded_of(seed)
    assert loaded.config is not None
    for received, scripts, resting in cases(seed):
        dry = dryly(loaded, received, scripts, resting, seed)
        real = really(loaded, received, scripts, resting, seed)
        if any(combo.strategy in CONTESTS for combo in loaded.config.combos.values()):
            # Trials are told as they end, steps as they begin: of those that run together the two orders differ.
            dry, real = ((*each[:2], sorted(each[2]), each[3]) for each in (dry, real))
        assert dry == real


STATEFUL = {
    "version": 1,
    "gateway": {"auth": "open"},
    "providers": {"p": {"protocol": "openai-chat", "base_url": "http://p/v1", "api_keys": {"x": {"env": "X"}, "y": {"env": "Y"}}}},
    "models": {
        name: {"provider": "p", "price": {"input": 1, "output": 1}, "limits": {"requests": "1/minute"}} for name in "abc"
    },
    "combos": {
        "turns": {"strategy": "round_robin", "targets": ["a", "b", "c"], "sticky": {"for": "5m"}},
        "dealt": {"strategy": "random", "deck": True, "targets": ["a", "b", "c"]},
        "used": {"strategy": "least_used", "targets": ["a", "b", "c"]},
    },
    "budgets": {"day": {"limit": "1 USD", "per": "day", "warn_at": ["1%"]}},
}  # fmt: skip


@pytest.mark.parametrize("name", ["turns", "dealt", "used"])
def test_a_walk_leaves_the_state_as_it_was(name: str) -> None:
    """The same walk again comes to the same, though it takes turns, limits and money, binds a session, and opens
    breakers."""
    file = Path("r.yaml")
    texts = {file: msgspec.json.encode(STATEFUL)}
    loaded = load([file], known=KNOWN, environ={}, texts=texts, stand_ins=True)
    engine = engine_of(loaded, lambda: 1.8e9)
    runtime = engine.runtime
    runtime.lanes["a"][0].own.open_for(START, 5.0, Kind.OVERLOADED)
    runtime.loads["b"].count = 3
    wire = PROTOCOLS["openai-chat"]
    body = msgspec.json.encode({"model": name, "messages": [{"role": "user", "content": "hi"}]})
    received = Received(
        protocol=wire, head=wire.decode_head(body, None, None), headers={"x-session-id": "s"}, wall=1.8e9
    )
    faults = {name: (Fault(kind=Kind.OVERLOADED),) for name in "ab"}
    with Dry() as dry:
        walks = [dry.walk(engine, ANYONE, received, Given(faults=faults), seed=4) for _ in range(3)]
    told = [[(step.target, step.credential, step.did, step.why) for step in walk.steps] for walk in walks]
    assert told[0] == told[1] == told[2]
    assert {step.did for step in walks[0].steps} >= {"failed", "answered"}
    assert sum(lane.own.open_until > 0 for lanes in runtime.lanes.values() for lane in lanes) == 1
    assert runtime.loads["b"].count == 3
    assert runtime.cursors[name].at == 0


def test_a_walk_follows_what_is_bound_and_neither_renews_nor_drops_it() -> None:
    file = Path("r.yaml")
    texts = {file: msgspec.json.encode(STATEFUL)}
    engine = engine_of(load([file], known=KNOWN, environ={}, texts=texts, stand_ins=True), lambda: 1.8e9)
    wire = PROTOCOLS["openai-chat"]
    body = msgspec.json.encode({"model": "turns", "messages": [{"role": "user", "content": "hi"}]})
    received = Received(
        protocol=wire, head=wire.decode_head(body, None, None), headers={"x-session-id": "s"}, wall=1.8e9
    )
    key = identity_of(job_of(engine, ANYONE, received, received.head), "session")
    table = engine.runtime.sticky["turns"]
    table.bind(key, "c", START, 300.0)
    entry = table.entry(key, START)
    before = copy(entry)
    with Dry() as dry:
        for faults in ({}, {"c": (Fault(kind=Kind.OVERLOADED),)}):
            walk = dry.walk(engine, ANYONE, received, Given(faults=faults), seed=4, now=START + 0.5)
            assert walk.steps[0].target == "c"
    assert table.entry(key, START) is entry
    assert entry == before


def test_what_is_assumed_is_found_by_target_model_and_provider() -> None:
    file = Path("r.yaml")
    texts = {file: msgspec.json.encode(STATEFUL)}
    engine = engine_of(load([file], known=KNOWN, environ={}, texts=texts, stand_ins=True), lambda: 1.8e9)
    wire = PROTOCOLS["openai-chat"]
    received = Received(
        protocol=wire, head=wire.decode_head(b'{"model":"dealt","messages":[]}', None, None), wall=1.8e9
    )
    with Dry() as dry:
        faults = {"p": (Fault(kind=Kind.SERVER_ERROR),), "b": (Fault(),)}
        walked = dry.walk(engine, ANYONE, received, Given(faults=faults), seed=3)
        assert (walked.served.name if walked.served is not None else None, walked.path[-1]) == ("b", "b")
        everything = dry.walk(engine, ANYONE, received, Given(otherwise=Fault(kind=Kind.TIMEOUT)))
        assert (everything.status, everything.kind, everything.seconds) == (504, Kind.TIMEOUT, 3 * 600.0)
        slow = dry.walk(engine, ANYONE, received, Given(otherwise=Fault(after=700.0)))
        assert slow.kind is Kind.TIMEOUT


@pytest.mark.parametrize("seed", range(40))
def test_an_explanation_tells_all_of_a_walk(seed: int) -> None:
    """Whatever the configuration and the request: every target once, with its place, and the walk's own outcome."""
    loaded = loaded_of(seed)
    assert loaded.config is not None
    for received, scripts, resting in cases(seed + 1000):
        engine = engine_of(loaded, lambda: 1.8e9)
        words = [f"{name}={','.join(each)}" for name, each in scripts.items() if "slow" not in each]
        given = Given(faults=faults_of(words, nameable(engine), received.wall), resting=resting)
        with Dry() as dry:
            walked = dry.walk(engine, ANYONE, received, given, seed=seed)
        found = explain(engine, loaded.config, ANYONE, received, given, seed=seed, at=loaded.at)
        assert (found.outcome.status, found.outcome.attempts) == (walked.status, walked.sends)
        assert found.outcome.target == (walked.served.name if walked.served is not None else None)
        names = [each.target for each in found.candidates]
        assert len(names) == len(set(names))
        assert walked.route is None or set(names) >= {target.name for target in targets(walked.route.node)}
        tried = [each.target for each in found.candidates if each.verdict in ("answers", "failed", "cancelled")]
        assert sorted(tried) == sorted(set(walked.path))
        for each in found.candidates:
            assert each.place is not None
            assert each.place.where is not None
            assert (each.rule is not None) == (each.verdict == "skipped")
            assert all(place.where is not None for place in each.way)
            assert all(said.place is None or said.place.where is not None for said in each.settings)
        assert text(found, colour=False)
        assert msgspec.json.decode(as_json(found))["version"] == 1
