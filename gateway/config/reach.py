"""What can be told of a configuration without a request: whom a condition can hold for, and what a route can reach.

Judging is three-valued: a condition *can* hold and *can* fail. Who calls is known; headers, addresses, the time and the
body are not, so what asks for them can do both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from gateway.config.model import Config, Target
from gateway.config.model_policies import When
from gateway.config.patterns import matches, specificity
from gateway.config.read import Path

ANONYMOUS: Final = "anonymous"  # the caller's name where `auth: open` lets in whoever has no key


class Who(NamedTuple):
    """A caller: the key's name, or `ANONYMOUS`, and its team."""

    key: str
    team: str | None = None


class Judged(NamedTuple):
    """What a condition can do."""

    can_hold: bool
    can_fail: bool


_BOTH: Final = Judged(True, True)
_NEVER: Final = Judged(False, True)


def globs(words: Iterable[str], word: str) -> bool:
    """Whether one of some words, in which `*` stands for anything, says this word."""
    return any(_glob(each, word) for each in words)


def _glob(pattern: str, word: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == word
    last = rest.pop()
    at, end = len(first), len(word) - len(last)
    if end < at or not word.startswith(first) or not word.endswith(last):
        return False
    for piece in rest:
        at = word.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def judge(when: When, who: Who, asked: str | None = None) -> Judged:
    """What a condition can do for a caller; `asked` is the name asked for where that is known too."""
    parts: list[Judged] = []
    for words, fact in ((when.key, who.key), (when.team, who.team)):
        if words is not None:
            holds = fact is not None and globs(words, fact)
            parts.append(Judged(holds, not holds))
    if when.model is not None:
        holds = asked is not None and globs(when.model, asked)
        parts.append(_BOTH if asked is None or "*" in asked else Judged(holds, not holds))
    for field in _OPEN:
        value = getattr(when, field)
        if value is not None:
            parts.append(_NEVER if value == [] and field != "has" else _BOTH)
    if when.any_ is not None:
        inner = [judge(each, who, asked) for each in when.any_]
        parts.append(Judged(any(each.can_hold for each in inner), all(each.can_fail for each in inner)))
    parts += [judge(each, who, asked) for each in when.all_ or ()]
    if when.not_ is not None:
        within = judge(when.not_, who, asked)
        parts.append(Judged(within.can_fail, within.can_hold))
    return Judged(all(each.can_hold for each in parts), any(each.can_fail for each in parts))


_OPEN: Final = (
    "user",
    "tags",
    "headers",
    "client_ip",
    "protocol",
    "operation",
    "stream",
    "has",
    "input_tokens",
    "max_tokens",
    "temperature",
    "hours",
)


def callers(config: Config) -> Iterator[Who]:
    """Everybody who may call."""
    for name, key in config.keys.items():
        if not key.disabled:
            yield Who(name, key.team)
    if config.gateway.auth == "open":
        yield Who(ANONYMOUS)


class Leaf(NamedTuple):
    """One target: what it is called, its model, provider and tags, and where the model or deployment stands."""

    name: str
    model: str
    provider: str
    tags: frozenset[str]
    path: Path


def leaves(config: Config, route: str) -> list[Leaf]:
    """Every target that a route can reach, fallbacks included, each once; nothing for what is not there."""
    found: dict[str, Leaf] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        name = _meaning(config, name)
        if name in seen:
            return
        seen.add(name)
        if name in config.combos:
            inside(config.combos[name].targets)
            merging = config.combos[name].judge
            if merging is not None:
                visit(merging)
        else:
            for leaf in _of_model(config, name):
                found.setdefault(leaf.name, leaf)
        for rule in config.fallbacks.get(name, ()):
            for to in rule.to:
                visit(to)

    def inside(targets: list[Target]) -> None:
        for target in targets:
            if target.model is not None:
                visit(target.model)
            inside(target.group or [])

    visit(route)
    return list(found.values())


def _meaning(config: Config, name: str) -> str:
    seen: set[str] = set()
    while name in config.aliases and name not in seen:
        seen.add(name)
        name = config.aliases[name]
    return name


def _of_model(config: Config, name: str) -> Iterator[Leaf]:
    base, _, place = name.rpartition("@")
    if name not in config.models and base in config.models:
        yield from (leaf for leaf in _of_model(config, base) if leaf.provider == place)
        return
    if name not in config.models:
        patterns = sorted((each for each in config.models if "*" in each and matches(each, name)), key=specificity)
        if not patterns:
            return
        name = patterns[0]
    model = config.models[name]
    if model.provider is not None:
        yield Leaf(name, name, model.provider, _tags(config, model.provider, model.tags), ("models", name))
    for index, each in enumerate(model.deployments):
        tags = _tags(config, each.provider, [*model.tags, *each.tags])
        yield Leaf(f"{name}@{each.provider}", name, each.provider, tags, ("models", name, "deployments", index))


def _tags(config: Config, provider: str, tags: list[str]) -> frozenset[str]:
    known = config.providers.get(provider)
    return frozenset((*tags, *(known.tags if known is not None else ())))
