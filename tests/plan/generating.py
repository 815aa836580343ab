"""Generated configurations, mutations of them, and other ways to write the same one; all by seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import msgspec

from gateway.engine.access import ANYONE, Caller
from gateway.engine.clients import Received
from gateway.engine.engine import Engine
from gateway.engine.shadow import Fault, Given
from gateway.failure import Kind
from gateway.protocols import PROTOCOLS

Plain = dict[str, Any]
MODELS = ["m0", "m1", "m2", "m3", "spread"]
LISTED = [*MODELS, "pat/*", "short", "any-*", "first", "drawn", "turns", "sized"]
NAMES = [*MODELS, "pat/one", "short", "any-x", "first", "drawn", "turns", "sized", "nobody"]
KINDS = ["rate_limit", "overloaded", "server_error", "context_window", "connection", "auth", "timeout"]


def configuration(chance: Random) -> Plain:
    """One of everything that decides where a request goes, with everything that may vary varied."""
    models: Plain = {}
    for name in MODELS[:-1]:
        models[name] = {
            "provider": chance.choice("pqr"),
            "id": f"up-{name}",
            "context": chance.choice([40, 4000, 100_000]),
            "price": {"input": chance.randint(0, 9), "output": 1},
            "tags": ["eu", *chance.sample(["us", "fast"], chance.randint(0, 2))],
            "supports": chance.sample(["tools", "vision", "json_schema"], chance.randint(0, 3)),
        }
    models["spread"] = {
        "strategy": "weighted",
        "tags": ["eu"],
        "deployments": [
            {"provider": "p", "weight": chance.randint(1, 4)},
            {"provider": "q", "weight": chance.randint(1, 4), "id": "up-spread"},
        ],
    }
    models["pat/*"] = {"provider": chance.choice("pqr"), "id": "*", "tags": ["eu"]}
    return {
        "version": 1,
        "gateway": {"auth": "open"},
        "providers": {
            name: {"protocol": "openai-chat", "base_url": f"http://{name}/v1", "api_keys": {"a": {"env": f"{name}A"}}}
            for name in "pqr"
        },
        "models": models,
        "aliases": {"short": chance.choice(MODELS), "any-*": chance.choice(MODELS)},
        "combos": {
            "first": {"strategy": "priority", "targets": _named(chance.sample(MODELS, 3))},
            "drawn": {
                "strategy": "weighted",
                "targets": [{"model": name, "weight": chance.randint(1, 5)} for name in chance.sample(MODELS, 3)],
            },
            "turns": {
                "strategy": chance.choice(["round_robin", "random"]),
                "targets": _named(chance.sample(MODELS, 2)),
            },
            "sized": {
                "strategy": "when",
                "targets": [
                    {"model": "first", "when": {"input_tokens": {"at_most": chance.choice([20, 500])}}},
                    {"model": chance.choice(MODELS)},
                ],
            },
        },
        "fallbacks": {"first": [{"on": chance.sample(KINDS, 3), "to": ["m0", "m3"]}]},
        "teams": {"t": {"allow": ["first", "drawn", "m*"]}},
        "keys": {
            "one": {"hash": "sha256:" + "1" * 64, "allow": chance.sample(LISTED, 4)},
            "two": {"hash": "sha256:" + "2" * 64, "team": "t"},
        },
        "policies": [
            {"name": "eu", "when": {"team": "t", "has": ["tools"]}, "require": {"tags": ["eu"]}},
            {"name": "few", "when": {"stream": True}, "do": {"cap": {"attempts": 2}}},
        ],
        "defaults": {"retries": {"attempts": 1}, "timeouts": {"total": "20s"}},
    }


def _named(names: list[str]) -> list[Any]:
    return [{"model": name} for name in names]


def _model(text: Plain, chance: Random) -> Plain:
    found: Plain = text["models"][chance.choice(MODELS[:-1])]
    return found


def _swapped(items: list[Any], chance: Random) -> None:
    at, other = chance.sample(range(len(items)), 2)
    items[at], items[other] = items[other], items[at]


def _combo(text: Plain, chance: Random) -> Plain:
    found: Plain = text["combos"][chance.choice(["first", "drawn", "turns"])]
    return found


# Each changes a configuration in place, perhaps into one that means the same.
MUTATIONS: list[Callable[[Plain, Random], Any]] = [
    lambda text, chance: _model(text, chance).update(provider=chance.choice("pqr")),
    lambda text, chance: _model(text, chance).update(id=chance.choice(["up-a", "up-b"])),
    lambda text, chance: _model(text, chance).update(context=chance.choice([40, 4000, 100_000])),
    lambda text, chance: _model(text, chance).update(supports=chance.sample(["tools", "vision"], chance.randint(0, 2))),
    lambda text, chance: _model(text, chance).update(tags=["eu", *chance.sample(["us", "fast"], chance.randint(0, 2))]),
    lambda text, chance: _model(text, chance).update(price={"input": chance.randint(0, 9), "output": 2}),
    lambda text, chance: _model(text, chance).update(retries={"attempts": chance.randint(0, 2)}),
    lambda text, chance: _model(text, chance).update(visibility=chance.choice(["public", "internal"])),
    lambda text, chance: _swapped(_combo(text, chance)["targets"], chance),
    lambda text, chance: text["combos"]["first"].update(strategy=chance.choice(["priority", "cheapest", "random"])),
    lambda text, chance: _combo(text, chance)["targets"].append({"model": chance.choice(MODELS)}),
    lambda text, chance: _combo(text, chance)["targets"].pop(),
    lambda text, chance: text["combos"]["drawn"]["targets"][0].update(weight=chance.randint(1, 9)),
    lambda text, chance: text["combos"]["sized"]["targets"][0].update(
        when={"has": [chance.choice(["tools", "images"])]}
    ),
    lambda text, chance: text["aliases"].update(short=chance.choice(MODELS)),
    lambda text, chance: text["aliases"].update({"any-*": chance.choice(MODELS)}),
    lambda text, chance: text["aliases"].update({f"pat/{chance.choice('ot')}*": chance.choice(MODELS)}),
    lambda text, chance: text["fallbacks"].update(first=[{"on": chance.sample(KINDS, 3), "to": ["m3"]}]),
    lambda text, chance: text["fallbacks"].update({chance.choice(["drawn", "turns"]): [{"to": ["m1"]}]}),
    lambda text, chance: text["fallbacks"].clear(),
    lambda text, chance: text["keys"]["one"].update(allow=chance.sample(LISTED, 4)),
    lambda text, chance: text["keys"]["two"].update(allow=["first"]),
    lambda text, chance: text["teams"]["t"].update(allow=["turns", "m1"]),
    lambda text, chance: text["policies"][0].update(require={"providers": ["p", "q", "r"]}),
    lambda text, chance: text["policies"].reverse(),
    lambda text, chance: text["policies"].pop(),
    lambda text, chance: text["policies"].append({"name": "away", "when": {"key": "one"}, "do": {"route": "m2"}}),
    lambda text, chance: text["policies"].append({"name": "no", "when": {"has": ["images"]}, "do": {"deny": {}}}),
    lambda text, chance: text["providers"]["q"]["api_keys"].update(b={"key": {"env": "QB"}, "tier": 1}),
    lambda text, chance: text["providers"]["p"].update(base_url="http://elsewhere/v1"),
    lambda text, chance: text["providers"]["p"].update(limits={"requests": "1/minute"}),
    lambda text, chance: text["models"]["spread"]["deployments"].reverse(),
    lambda text, chance: text["models"]["spread"]["deployments"][0].update(weight=chance.randint(1, 9)),
    lambda text, chance: text["models"]["pat/*"].update(provider=chance.choice("pqr")),
    lambda text, chance: text["defaults"]["retries"].update(attempts=chance.randint(0, 2)),
    lambda text, chance: text["defaults"].update(cap={"attempts": chance.randint(1, 3)}),
    lambda text, chance: text.update(budgets={"b": {"limit": "0.000001 USD", "per": "day", "scope": {"key": "one"}}}),
    lambda text, chance: text["teams"].update(empty={"allow": ["m0"]}),
    lambda text, chance: text["models"].update(unused={"provider": "p", "visibility": "internal"}),
    lambda text, chance: None,
]


def mutated(text: Plain, chance: Random) -> Plain:
    """The configuration with one or two changes."""
    other = deepcopy(text)
    for mutation in chance.sample(MUTATIONS, chance.randint(1, 2)):
        mutation(other, chance)
    return other


def request(chance: Random, engines: tuple[Engine, Engine]) -> tuple[Received, tuple[Caller, Caller], Given]:
    """A request of some shape and key, with what its upstreams come to; the caller as each Engine knows it."""
    content: Any = "word " * chance.choice([1, 15, 300])
    if chance.random() < 0.2:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
        content = [{"type": "text", "text": content}, image]
    body: Plain = {
        "model": chance.choice(NAMES),
        "messages": [{"role": "user", "content": content}],
        "stream": chance.random() < 0.3,
    }
    if chance.random() < 0.3:
        body["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    wire = PROTOCOLS["openai-chat"]
    received = Received(protocol=wire, head=wire.decode_head(msgspec.json.encode(body), None, None), wall=1.8e9)
    faults = {
        name: (Fault(kind=Kind(chance.choice(KINDS))),) for name in (*MODELS, "pat/one") if chance.random() < 0.35
    }
    digest = chance.choice([b"", b"\x11" * 32, b"\x22" * 32])
    first, second = (engine.keyring.callers.get(digest, ANYONE) for engine in engines)
    return received, (first, second), Given(faults=faults)


def written(value: Any, chance: Random, depth: int = 0) -> str:
    """YAML of a value, in one of many ways: block or flow, quoted or not, mappings in any order, comments, short and
    long forms, a repeated value by an alias."""
    anchors: dict[str, str] = {}
    return "# " + "x" * chance.randint(0, 5) + "\n" + _block(_reformed(value, chance), chance, 0, (), anchors)


def _block(value: Any, chance: Random, depth: int, path: tuple[str, ...], anchors: dict[str, str]) -> str:
    pad = "  " * depth
    if isinstance(value, dict) and value and (depth < 2 or chance.random() < 0.6):
        lines = []
        names = list(value)
        if depth != 1 or path[-1:] not in (("policies",),):
            chance.shuffle(names)
        for name in names:
            inner = value[name]
            comment = "  # why" if chance.random() < 0.1 else ""
            if isinstance(inner, dict | list) and inner:
                lines.append(
                    f"{pad}{_scalar(name, chance)}:{comment}\n{_block(inner, chance, depth + 1, (*path, name), anchors)}"
                )
            else:
                lines.append(f"{pad}{_scalar(name, chance)}: {_flow(inner, chance)}{comment}")
        return "\n".join(lines)
    if isinstance(value, list) and value and chance.random() < 0.6:
        return "\n".join(f"{pad}- {_flow(each, chance)}" for each in value)
    text = _flow(value, chance)
    if isinstance(value, dict) and depth > 1:
        key = json.dumps(value, sort_keys=True)
        if key in anchors and chance.random() < 0.5:
            return f"{pad}*{anchors[key]}"
        if key not in anchors:
            anchors[key] = f"a{len(anchors)}"
            return f"{pad}&{anchors[key]} {text}"
    return pad + text


def _flow(value: Any, chance: Random) -> str:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return "{" + ", ".join(f"{_scalar(name, chance)}: {_flow(inner, chance)}" for name, inner in items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each, chance) for each in value) + "]"
    return _scalar(value, chance)


def _scalar(value: Any, chance: Random) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    plain = (
        value.replace("_", "").replace("-", "").isalnum() and not value[0].isdigit() and value not in ("true", "null")
    )
    if plain and chance.random() < 0.7:
        return value
    return f"'{value}'" if chance.random() < 0.5 else json.dumps(value)


def _reformed(text: Plain, chance: Random) -> Plain:
    """The same in other forms."""
    out = deepcopy(text)
    if chance.random() < 0.5:
        for combo in out["combos"].values():
            combo["targets"] = [each["model"] if each.keys() == {"model"} else each for each in combo["targets"]]
    if chance.random() < 0.5:
        first = out["combos"]["first"]
        if first["strategy"] == "priority":
            out["combos"]["first"] = first["targets"]
    if chance.random() < 0.5:
        out["defaults"]["timeouts"]["total"] = "20000ms"
        out["defaults"]["timeouts"]["idle"] = "60s"
    if chance.random() < 0.5:
        for model in out["models"].values():
            model["context"] = (
                f"{model['context'] // 1000}k" if model.get("context", 1) % 1000 == 0 else model.get("context")
            )
            model.setdefault("visibility", "public")
            if "tags" in model:
                model["tags"] = model["tags"][::-1]
            if "supports" in model:
                model["supports"] = model["supports"][::-1]
    if chance.random() < 0.5:
        out["keys"]["one"]["allow"] = out["keys"]["one"]["allow"][::-1]
        out["keys"]["two"]["disabled"] = False
        out["keys"]["two"]["hints"] = True
    for model in out["models"].values():
        if model.get("context", 1) is None:
            del model["context"]
    return out
