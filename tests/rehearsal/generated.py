"""Configurations, requests and faults, made by chance: what the three ways of running them must agree on.

The same file serves all three. An upstream id has, in the sandbox's words, what becomes of the model's sends, which a
sandbox on a socket obeys; a rehearsal is told it as `faults`, and a dry walk as what it assumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from gateway.config.model_tests import Fault, Faults
from gateway.rehearsal.upstreams import words_of

WIRES = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama", "cohere", "bedrock-converse")
CLIENTS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
# What comes to the same end by whatever way, and at once.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "rate_limit"},
    {"kind": "server_error"},
    {"kind": "overloaded"},
    {"kind": "invalid_request"},
    {"kind": "auth"},
    {"kind": "quota"},
    {"kind": "not_found"},
    {"kind": "context_window"},
    {"kind": "bad_response"},
    {"kind": "reset"},
)
TOLD = FAULTS[
    :-1
]  # a request that a reset connection took is sent again by the transport, where it had been used before
CERTAIN = ("priority", "round_robin", "largest_context", "cheapest", "when")
CHANCY = (*CERTAIN, "weighted", "random", "least_busy", "least_used", "fastest", "consistent", "score")
KINDS = ("rate_limit", "overloaded", "server_error", "connection", "auth", "quota", "not_found", "bad_response")


class Made(NamedTuple):
    """One case. `faults` by model; `requests` in order, as a test's requests."""

    config: dict[str, Any]
    faults: dict[str, Faults]
    requests: list[dict[str, Any]]


def made(
    rng: Random, bases: dict[str, str], strategies: tuple[str, ...], tag: str, faulty: Sequence[dict[str, Any]] = FAULTS
) -> Made:
    """`bases`: the base URL of each wire's upstream; `tag` is in every upstream id, so that cases do not meet."""
    wires = rng.sample(WIRES, 3)
    providers: dict[str, Any] = {}
    for number, wire in enumerate(wires):
        provider: dict[str, Any] = {"protocol": wire, "base_url": bases[wire]}
        provider["auth"] = "bearer"
        if rng.random() < 0.3:
            provider["api_keys"] = {name: {"env": "NO_SUCH_KEY", "default": f"{name}-{tag}"} for name in ("one",)}
        else:
            provider["api_key"] = "none"
        if rng.random() < 0.3:
            provider["tags"] = ["eu"]
        providers[f"p{number}-{tag}"] = provider
    faults: dict[str, Faults] = {}
    models: dict[str, Any] = {}
    for number in range(rng.randint(3, 5)):
        name = f"m{number}-{tag}"
        model: dict[str, Any] = {"provider": rng.choice(list(providers)), "context": rng.choice(["2k", "64k", "128k"])}
        model["price"] = {"input": number + 1, "output": 2}
        if rng.random() < 0.3:
            model["supports"] = rng.choice([["tools"], ["vision"], []])
        words: list[str] = []
        if rng.random() < 0.6:
            fault = Fault.model_validate(rng.choice(faulty))
            if fault.kind == "overloaded" and providers[model["provider"]]["protocol"] == "cohere":
                fault = Fault(kind="server_error")  # it has no words for it
            words = words_of(fault, False)
            often = rng.choice([None, 1, 2, 3])
            faults[name] = Faults(then=fault) if often is None else Faults(each=[fault] * often)
            words += [] if often is None else [f"fail={often}"]
        model["id"] = ":".join((name, *words))
        models[name] = model
    names = list(models)
    combos: dict[str, Any] = {}
    for number in range(rng.randint(1, 3)):
        combos[f"c{number}-{tag}"] = combo(rng, names, list(combos), strategies)
    fallbacks: dict[str, Any] = {}
    for name in (*combos, *names):
        if rng.random() < 0.3:
            to = rng.sample([each for each in names if each != name], rng.randint(1, 2))
            fallbacks[name] = [{"on": rng.sample(KINDS, rng.randint(1, 4)), "to": to}] if rng.random() < 0.7 else to
    config: dict[str, Any] = {
        "version": 1,
        "gateway": {"listen": "127.0.0.1:0", "workers": 1, "auth": "open"},
        "providers": {
            name: each for name, each in providers.items() if any(m["provider"] == name for m in models.values())
        },
        "models": models,
        "combos": combos,
        "fallbacks": fallbacks,
        "aliases": {"also": rng.choice(list(combos))},
        "policies": policies(rng, names),
        "defaults": {
            "retries": {"attempts": rng.randint(0, 2), "backoff": "1ms..2ms"},
            "breaker": {"failures": rng.randint(1, 4)},
        },
    }
    asked = [*combos, *names[:1], "also", "nobody"]
    return Made(config, faults, [request(rng, asked) for _ in range(4)])


def combo(rng: Random, names: list[str], combos: list[str], strategies: tuple[str, ...]) -> dict[str, Any]:
    strategy = rng.choice(strategies)
    chosen = rng.sample(names, rng.randint(2, len(names)))
    targets: list[Any] = list(chosen)
    if combos and rng.random() < 0.4:
        targets[-1] = rng.choice(combos)
    if strategy == "when":
        targets = [{"model": targets[0], "when": {"has": ["tools"]}}, *targets[1:]]
    elif strategy == "weighted":
        targets = [{"model": each, "weight": rng.randint(1, 5)} for each in targets]
    elif strategy == "priority" and len(targets) > 2 and rng.random() < 0.4:
        targets = [{"group": targets[:2], "strategy": rng.choice([s for s in strategies if s != "when"])}, *targets[2:]]
    made: dict[str, Any] = {"strategy": strategy, "targets": targets}
    if strategy not in ("when",) and rng.random() < 0.2:
        made["sticky"] = {"by": "session", "for": "15m"}
    return made


def policies(rng: Random, names: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if rng.random() < 0.2:
        found.append({"name": "stay", "when": {"headers": {"x-app": "eu"}}, "require": {"tags": ["eu"]}})
    if rng.random() < 0.2:
        found.append({"name": "lead", "when": {"headers": {"x-app": "eu"}}, "do": {"route": rng.choice(names)}})
    if rng.random() < 0.2:
        deny = {"deny": {"status": 403, "message": "No."}}
        found.append({"name": "no", "when": {"has": ["images"]}, "do": deny})
    if rng.random() < 0.3:
        found.append({"name": "cap", "when": {"stream": True}, "do": {"set": {"temperature": {"default": 0}}}})
    return found


def request(rng: Random, asked: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"model": rng.choice(asked), "protocol": rng.choice(CLIENTS), "stream": rng.random() < 0.4}
    if rng.random() < 0.3:
        made["tools"] = ["look"]
    if rng.random() < 0.2:
        made["images"] = 1
    if rng.random() < 0.2:
        made["tokens"] = 4000
    if rng.random() < 0.3:
        made["headers"] = {"x-app": "eu"}
    if rng.random() < 0.3:
        made["session"] = "one"
    return made
