"""What was imported, stated as `tests:`: every name answers and by whom, fallbacks come in their order, shares are as
written.

The tests are for `gateway test router.tests.yaml --config router.yaml`. They speak of the document only, so they hold
on it when it is written; they fail when a later change of the file gives up what the source had. Names that lead to
chance (weights, load) are asked for an answer; weighted combos for their shares, within 5 points of 2,000 requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.config.patterns import matches
from gateway.importing.writing import router_text

_REPEAT: Final = 2000
_POINTS: Final = 5
_FAULT: Final[Mapping[str, str]] = {"context_window": "context_window", "content_filter": "content_filter"}
_ORDERED: Final = "priority"
_PLAIN: Final = frozenset(
    ("priority", "weighted", "round_robin", "random", "least_busy", "least_used", "fastest", "cheapest")
)


def stated_text(document: Mapping[str, Any], head: str = "") -> str:
    """The text of a file of tests, "" where there is nothing to state."""
    found = list(stated(document))
    return router_text({"tests": found}, head) if found else ""


def stated(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The tests of a document, in its order."""
    models, combos = document.get("models", {}), document.get("combos", {})
    for name, model in models.items():
        asked = name.replace("*", "any-model")
        key = _key(document, asked)
        if model.get("visibility") == "internal" or key is None:
            continue
        yield _answers(asked, name, key) if "*" not in name else _any(asked, key)
    for name, combo in combos.items():
        key = _key(document, name)
        if key is not None:
            yield from _combo(document, name, combo, key)
    for name in document.get("aliases", {}):
        target = _meaning(document, name)
        key = _key(document, name)
        if "*" in name:
            asked = name.replace("*", "any-model")
            if (key := _key(document, asked)) is not None:
                yield _any(asked, key)
            continue
        if key is None or target is None:
            continue
        expect: dict[str, Any] = {"status": 200}
        if target in models and "*" not in target:
            expect["path"] = [target]
        yield {"name": f"{name} is {target}", "request": _asked(name, key), "expect": expect}
    for route, rules in document.get("fallbacks", {}).items():
        key = _key(document, route)
        if key is not None:
            yield from _fallbacks(document, route, rules, key)


def _asked(name: str, key: str) -> dict[str, Any]:
    return {"model": name, "key": key} if key else {"model": name}


def _answers(name: str, target: str, key: str) -> dict[str, Any]:
    return {
        "name": f"{name} answers",
        "request": _asked(name, key),
        "expect": {"status": 200, "path": [target]},
    }


def _any(name: str, key: str) -> dict[str, Any]:
    return {"name": f"{name} answers", "request": _asked(name, key), "expect": {"status": 200}}


def _key(document: Mapping[str, Any], route: str) -> str | None:
    """A key that may ask for a route; "" where none is needed, None where no key may."""
    if document.get("gateway", {}).get("auth") == "open":
        return ""
    for name, key in document.get("keys", {}).items():
        allow = key.get("allow")
        if not key.get("disabled") and (allow is None or any(matches(each, route) for each in allow)):
            return str(name)
    return None


def _meaning(document: Mapping[str, Any], name: str) -> str | None:
    seen: set[str] = set()
    while name in document.get("aliases", {}):
        if name in seen:
            return None
        seen.add(name)
        name = document["aliases"][name]
    return name


def _leaves(document: Mapping[str, Any], target: Any) -> list[str] | None:
    """The models behind a target in the order in which they are asked; None where that is left to chance."""
    if isinstance(target, dict) and "group" in target:
        order = target.get("strategy", _ORDERED)
        inner = [_leaves(document, each) for each in target["group"]]
    else:
        name = _meaning(document, target["model"] if isinstance(target, dict) else target) or ""
        if name in document.get("models", {}):
            return [name]
        combo = document.get("combos", {}).get(name)
        if combo is None:
            return None
        order = combo.get("strategy", _ORDERED)
        inner = [_leaves(document, each) for each in combo["targets"]]
    if order != _ORDERED and len(inner) > 1:
        return None
    found: list[str] = []
    for each in inner:
        if each is None:
            return None
        found += each
    return found


def _combo(document: Mapping[str, Any], name: str, combo: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    strategy, targets = combo.get("strategy", _ORDERED), combo["targets"]
    order = _leaves(document, {"model": name})
    if order and len(order) <= 6:
        yield _answers(name, order[0], key)
        if len(set(order)) == len(order) > 1:
            yield {
                "name": f"{name} goes on in its order",
                "request": _asked(name, key),
                "faults": dict.fromkeys(order[:-1], "overloaded"),
                "expect": _through(document, order),
            }
    elif strategy == "when":
        yield from _branches(document, name, targets, key)
    elif strategy in _PLAIN:
        yield _any(name, key)
        last = _leaves(document, targets[-1])
        before = [leaf for each in targets[:-1] for leaf in _all(document, each)]
        if strategy == _ORDERED and last is not None and len(last) == 1 and before and last[0] not in before:
            yield {
                "name": f"{name} ends with {last[0]}",
                "request": _asked(name, key),
                "faults": dict.fromkeys(before, "overloaded"),
                "expect": {"status": 200, "model": last[0]},
            }
    names = [_leaves(document, each) for each in targets]
    if strategy == "weighted" and len(targets) > 1 and all(each and len(each) == 1 for each in names):
        weights = [float(each.get("weight", 1)) if isinstance(each, dict) else 1.0 for each in targets]
        whole = sum(weights)
        shares = {
            each[0]: _share(weight / whole)
            for each, weight in zip(names, weights, strict=True)
            if each is not None and whole
        }
        if whole and len(shares) == len(targets):
            yield {
                "name": f"{name} has its shares",
                "request": _asked(name, key),
                "repeat": _REPEAT,
                "expect": {"status": 200, "shares": shares},
            }


def _branches(document: Mapping[str, Any], name: str, targets: list[Any], key: str) -> Iterator[dict[str, Any]]:
    """Where requests go that no condition, or one on the size of the prompt, is about."""
    for target in targets:
        when = target.get("when") if isinstance(target, dict) else None
        leaves = _leaves(document, target)
        least = (when or {}).get("input_tokens", {}).get("at_least")
        if leaves is None or (when is not None and (list(when) != ["input_tokens"] or not least)):
            continue
        request = _asked(name, key) | ({"tokens": int(least * 1.5)} if least else {})
        title = f"{name} sends long prompts to {leaves[0]}" if least else f"{name} sends the rest to {leaves[0]}"
        yield {"name": title, "request": request, "expect": {"status": 200, "path": leaves[:1]}}


def _all(document: Mapping[str, Any], target: Any) -> list[str]:
    """Every model behind a target, in any order."""
    if isinstance(target, dict) and "group" in target:
        return [leaf for each in target["group"] for leaf in _all(document, each)]
    name = _meaning(document, target["model"] if isinstance(target, dict) else target) or ""
    combo = document.get("combos", {}).get(name)
    return [name] if combo is None else [leaf for each in combo["targets"] for leaf in _all(document, each)]


def _through(document: Mapping[str, Any], path: list[str]) -> dict[str, Any]:
    """What is expected where all but the last of some models fail: their order, or who answers where one of them has
    several places, which have an order of their own."""
    models = document.get("models", {})
    if any(len(models.get(name, {}).get("deployments", ())) > 1 for name in path[:-1]):
        return {"status": 200, "model": path[-1]}
    return {"status": 200, "path": path}


def _share(share: float) -> str:
    low, high = max(round(share * 100) - _POINTS, 0), min(round(share * 100) + _POINTS, 100)
    return f"{low}%..{high}%"


def _fallbacks(
    document: Mapping[str, Any], route: str, rules: list[dict[str, Any]], key: str
) -> Iterator[dict[str, Any]]:
    order = _leaves(document, {"model": route})
    if order is None or len(order) > 4 or "*" in route:
        return
    for rule in rules:
        kinds = rule.get("on") or ["overloaded"]
        kind = kinds[0]
        then = [_leaves(document, {"model": each}) for each in rule["to"]]
        if kind == "context_window" or any(each is None or len(each) != 1 or "*" in each[0] for each in then):
            continue  # which window is larger is a fact of the models, not of the file
        path = [*order, *(each[0] for each in then if each is not None)]
        path = list(dict.fromkeys(path))
        yield {
            "name": f"{route} falls back after {kind.replace('_', ' ')}",
            "request": _asked(route, key),
            "faults": dict.fromkeys(path[: len(order)], _FAULT.get(kind, kind)),
            "expect": _through(document, path[: len(order) + 1]),
        }
        if len(path) > len(order) + 1 and kind not in _FAULT:
            yield {
                "name": f"{route} falls back in order",
                "request": _asked(route, key),
                "faults": dict.fromkeys(path[:-1], "overloaded"),
                "expect": _through(document, path),
            }
