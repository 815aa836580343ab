"""What tests touched of what a file says: models, names, branches of strategies, fallbacks, policies, budgets.

- a model, and each of its deployments, is touched where it was sent a request;
- an alias where it was asked for; a combo where one of its targets was sent to, or passed over, on its account;
- a target of a combo where it, or what it leads to, was sent a request;
- a fallback rule where what it stands behind was tried or passed over, and then one of its targets was sent to;
- a policy where it held; a budget's `when_exhausted` where it had no money for a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.config.model import Config, Target
from gateway.config.read import Path
from gateway.engine.engine import Engine
from gateway.events import Finished
from gateway.routing.node import Chain, Node
from gateway.routing.node import Target as Leaf


class Covered(NamedTuple):
    """A part of the file: what it is, what people call it, where it stands."""

    kind: str
    name: str
    path: Path
    touched: bool


class _Seen:
    """What requests did, by what can be asked of it."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.asked: set[str] = set()
        self.nodes: set[str] = set()  # combos, by name
        self.branches: set[tuple[str, int]] = set()
        self.rules: set[tuple[str, int]] = set()
        self.policies: set[str] = set()
        self.budgets: set[str] = set()


def coverage(config: Config, engine: Engine, finished: Iterable[Finished], sent: Iterable[str]) -> list[Covered]:
    """Every part, in the order of the file. `finished` are all requests of all tests, `sent` whom they were sent to,
    for an answer or beside one."""
    seen = _Seen()
    seen.sent.update(sent)
    for each in finished:
        _note(seen, engine, each)
    return [*_models(config, seen), *_combos(config, seen), *_rest(config, seen)]


def _note(seen: _Seen, engine: Engine, finished: Finished) -> None:
    record = finished.record
    if record is None:
        return
    seen.policies.update(record.policies)
    seen.asked.update((record.asked, finished.route))
    sent = {trial.target for trial in record.trials}
    seen.sent |= sent
    passed = {skipped.target for skipped in record.skipped}
    failed = {trial.target for trial in record.trials if trial.kind is not None} | passed
    for skipped in record.skipped:
        seen.budgets.update(_budgets(skipped.why))
    for name in dict.fromkeys((finished.route, record.asked)):
        route = engine.route(name) if name else None
        if route is not None:
            seen.asked.add(route.label)
            _walk(seen, route.node, sent, failed)


def _budgets(why: str) -> Iterator[str]:
    """The budget that a reason names."""
    before, found, after = why.partition("The budget '")
    if found and not before:
        yield after.partition("'")[0]


def _walk(seen: _Seen, node: Node, sent: set[str], failed: set[str]) -> None:
    if isinstance(node, Leaf):
        return
    if isinstance(node, Chain):
        _walk(seen, node.primary, sent, failed)
        fell = not _leaves(node.primary).isdisjoint(failed)
        for index, rule in enumerate(node.rules):
            reached = any(not _leaves(to).isdisjoint(sent) for to in rule.to)
            if fell and reached:
                seen.rules.add((node.name, index))
                for to in rule.to:
                    _walk(seen, to, sent, failed)
        return
    if not _leaves(node).isdisjoint(sent | failed):
        seen.nodes.add(node.name)
    for index, branch in enumerate(node.branches):
        if not _leaves(branch.node).isdisjoint(sent):
            seen.branches.add((node.name, index))
        _walk(seen, branch.node, sent, failed)


def _leaves(node: Node) -> set[str]:
    """The targets of a node by itself; what stands behind as a fallback is another matter."""
    if isinstance(node, Leaf):
        return {node.name}
    if isinstance(node, Chain):
        return _leaves(node.primary)
    return {name for branch in node.branches for name in _leaves(branch.node)}


def _models(config: Config, seen: _Seen) -> Iterator[Covered]:
    for name, model in config.models.items():
        if model.deployments:
            for index, each in enumerate(model.deployments):
                place = f"{name}@{each.provider}"
                yield Covered("deployment", place, ("models", name, "deployments", index), place in seen.sent)
        elif "*" in name:
            yield Covered("model", name, ("models", name), name in seen.asked)
        else:
            yield Covered("model", name, ("models", name), name in seen.sent)
    for name in config.aliases:
        yield Covered("alias", name, ("aliases", name), name in seen.asked)


def _combos(config: Config, seen: _Seen) -> Iterator[Covered]:
    for name, combo in config.combos.items():
        yield Covered("combo", name, ("combos", name), name in seen.nodes)
        yield from _branches(name, ("combos", name, "targets"), combo.targets, seen)
    for name, rules in config.fallbacks.items():
        for index, rule in enumerate(rules):
            on = f" on {', '.join(rule.on)}" if rule.on is not None else ""
            words = f"{name}{on} to {', '.join(rule.to)}"
            yield Covered("fallback", words, ("fallbacks", name, index), (name, index) in seen.rules)


def _branches(split: str, path: Path, wanted: Sequence[Target], seen: _Seen) -> Iterator[Covered]:
    for index, target in enumerate(wanted):
        name = f"{split}[{index}]"
        called = target.model if target.model is not None else "group"
        yield Covered("target", f"{called} of {split}", (*path, index), (split, index) in seen.branches)
        if target.group is not None:
            yield from _branches(name, (*path, index, "group"), target.group, seen)


def _rest(config: Config, seen: _Seen) -> Iterator[Covered]:
    for index, policy in enumerate(config.policies):
        yield Covered("policy", policy.name, ("policies", index), policy.name in seen.policies)
    for name, budget in config.budgets.items():
        if budget.when_exhausted != "warn":
            yield Covered("budget", name, ("budgets", name, "when_exhausted"), name in seen.budgets)
