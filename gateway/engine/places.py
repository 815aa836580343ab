"""Where what was compiled is written: nodes, settings and limits of an Engine → paths of the configuration.

Nodes carry no places, since equal programs are equal wherever they are written. Their names say enough: a split is
named by its combo and its place in it, a chain by the name whose fallbacks it has, a target by its model. What a
request brought along (hints) is written nowhere and has no path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from gateway.config.model import Config
from gateway.config.model import Target as Wanted
from gateway.routing.node import Chain, Node, Panel, Target

Path: TypeAlias = tuple[str | int, ...]
Way: TypeAlias = tuple[Path, ...]

_PLACED: Final = re.compile(r"(.*?)((?:\[\d+\])*)")
_INDEX: Final = re.compile(r"\[(\d+)\]")


def dotted(path: Path) -> str:
    """A path as diagnostics and explanations name it: `combos.fast.targets.1`."""
    return ".".join(map(str, path))


def model_path(target: Target, config: Config) -> Path:
    """Where a target is declared: its model, or its place among the model's deployments."""
    model = config.models[target.model]
    for index, deployment in enumerate(model.deployments):
        if deployment.provider == target.provider:
            return ("models", target.model, "deployments", index)
    return ("models", target.model)


def ways(node: Node, config: Config, *, joined: bool = False) -> Iterator[tuple[Target, Way]]:
    """Every target with how it is reached: the places that name it or what leads to it, the outermost first. A target
    that is reached in several ways comes several times. `joined`: the outermost fallbacks are the request's own."""
    yield from _ways(node, config, (), joined)


def _ways(node: Node, config: Config, way: Way, joined: bool) -> Iterator[tuple[Target, Way]]:
    if isinstance(node, Target):
        yield node, way
    elif isinstance(node, Chain):
        yield from _ways(node.primary, config, way, False)
        for index, rule in enumerate(node.rules):
            for at, to in enumerate(rule.to):
                step: Way = () if joined else (("fallbacks", node.name, index, "to", at),)
                yield from _ways(to, config, way + step, False)
    else:
        for index, branch in enumerate(node.branches):
            place = child_path(node.name, index, config)
            yield from _ways(branch.node, config, way if place is None else (*way, place), False)
        if isinstance(node.plan, Panel):
            yield from _ways(node.plan.judge, config, (*way, ("combos", node.name, "judge")), False)


def child_path(split: str, index: int, config: Config) -> Path | None:
    """Where a child of a split is written, by the split's name; None where a request brought it along."""
    match = _PLACED.fullmatch(split)
    base, inner = (match[1], [int(each) for each in _INDEX.findall(match[2])]) if match is not None else (split, [])
    if base in config.combos:
        path: Path = ("combos", base, "targets")
        for place in inner:
            path = (*path, place, "group")
        return (*path, index)
    if base in config.models:
        return ("models", base, "deployments", index)
    return None


def wanted_at(path: Path, config: Config) -> Wanted | None:
    """What a combo says at one of its places, None for any other path."""
    if path[0] != "combos" or path[2] != "targets":
        return None
    found: Wanted | None = None
    among = config.combos[str(path[1])].targets
    for index in path[3::2]:
        found = among[int(index)]
        among = found.group or []
    return found


def limits_path(word: str, config: Config) -> Path:
    """Where the limits of a thing are written, by the word of `Target.limits` or `Lane.limits`."""
    kind, _, name = word.partition(":")
    if kind == "credential":
        provider, _, credential = name.partition("/")
        return ("providers", provider, "api_keys", credential, "limits")
    if kind == "deployment":
        model, _, provider = name.rpartition("@")
        places = [each.provider for each in config.models[model].deployments]
        return ("models", model, "deployments", places.index(provider), "limits")
    if kind == "target":
        split, _, index = name[:-1].rpartition("[")
        return (*(child_path(split, int(index), config) or ()), "limits")
    return (f"{kind}s", name, "limits")


def policy_paths(config: Config) -> dict[str, Path]:
    """By name; where several policies have one name, the first."""
    found: dict[str, Path] = {}
    for index, policy in enumerate(config.policies):
        found.setdefault(policy.name, ("policies", index))
    return found


def kind_of(name: str, label: str, config: Config) -> tuple[str, Path]:
    """What a name that was asked for is, and where it is declared. `label`: of the route that it leads to."""
    if name in config.aliases:
        return "alias", ("aliases", name)
    if label in config.aliases:
        return "pattern", ("aliases", label)
    if name in config.combos:
        return "combo", ("combos", name)
    if name in config.models:
        return "model", ("models", name)
    base, _, provider = name.rpartition("@")
    if base in config.models:
        places = [each.provider for each in config.models[base].deployments]
        if provider in places:
            return "deployment", ("models", base, "deployments", places.index(provider))
        return "model", ("models", base)
    return "pattern", ("models", label)
