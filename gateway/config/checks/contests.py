"""Strategies that execute: they have targets to run together, a judge where one is needed, and options that act."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.config.checks.subject import Subject
from gateway.config.model import Model
from gateway.config.reach import Leaf, leaves
from gateway.diagnostics.diagnostic import Diagnostic

# Strategy → why one target is too few.
_TOGETHER: Final[Mapping[str, str]] = {
    "race": "nobody can take part in it with the first",
    "mirror": "nobody gets the copies",
    "panel": "its judge would have nothing to merge",
    "pipeline": "nobody takes its answer on",
}


def enough_targets(subject: Subject) -> Iterator[Diagnostic]:
    """What runs together is more than one."""

    def judge(strategy: str | None, count: int, path: tuple[str | int, ...]) -> Iterator[Diagnostic]:
        if strategy is not None and strategy in _TOGETHER and count == 1:
            detail = f"`{strategy}` with one target: {_TOGETHER[strategy]}. List another, or leave the strategy out."
            yield subject.report("too-few-targets", detail, path)

    for name, combo in subject.config.combos.items():
        yield from judge(combo.strategy, len(combo.targets), ("combos", name, "strategy"))
    for name, model in subject.config.models.items():
        yield from judge(model.strategy, len(model.deployments), ("models", name, "strategy"))
    for path, target in subject.targets():
        yield from judge(target.strategy, len(target.group or ()), (*path, "strategy"))


def judges(subject: Subject) -> Iterator[Diagnostic]:
    """A panel has a judge, which exists and is none of those that it judges."""
    for name, combo in subject.config.combos.items():
        if combo.strategy == "panel" and combo.judge is None:
            detail = "`panel` merges answers by a model: name it with `judge:`."
            yield subject.report("missing-judge", detail, ("combos", name, "strategy"))
        elif combo.judge is not None and not subject.known_route(combo.judge):
            detail = f"{combo.judge!r} is no model, combo or alias of this configuration."
            suggestion = subject.did_you_mean(combo.judge)
            yield subject.report(
                "unknown-model", detail, ("combos", name, "judge"), suggestion=suggestion, among=subject.names
            )
    without = "has no `judge:`. Declare a combo of its own, and list it here."
    for name, model in subject.config.models.items():
        if model.strategy == "panel":
            detail = f"A panel of deployments {without}"
            yield subject.report("missing-judge", detail, ("models", name, "strategy"))
    for path, target in subject.targets():
        if target.group is not None and target.strategy == "panel":
            yield subject.report("missing-judge", f"A group {without}", (*path, "strategy"))


def patience(subject: Subject) -> Iterator[Diagnostic]:
    """`least` is fewer than all, and `patience` needs it."""
    for name, combo in subject.config.combos.items():
        if combo.strategy != "panel":
            continue
        count = len(combo.targets)
        if combo.least is not None and combo.least > count:
            detail = f"Of {count} targets no {combo.least} can answer."
            yield subject.report("bad-value", detail, ("combos", name, "least"))
        elif combo.patience is not None and (combo.least is None or combo.least == count):
            detail = f"All {count} answers are waited for. Say with `least:` how many are enough."
            yield subject.report("inert-option", detail, ("combos", name, "patience"), key=True)


def resuming(subject: Subject) -> Iterator[Diagnostic]:
    """`after_commit: resume` has somebody to go on with the answer of another."""
    config = subject.config

    def can(route: str) -> bool:
        found = leaves(config, route)
        return len(found) > 1 and any(_continues(subject, leaf) for leaf in found)

    why = "no other target of {} is known to go on with an answer that has begun. docs/contests.md says who is."
    for name, combo in config.combos.items():
        if combo.after_commit == "resume" and not can(name):
            detail = f"Nothing is resumed here: {why.format(repr(name))}"
            yield subject.report("cannot-resume", detail, ("combos", name, "after_commit"))
    if config.defaults.after_commit == "resume" and not any(can(name) for name in (*config.combos, *config.models)):
        detail = f"Nothing is resumed in this file: {why.format('any route')}"
        yield subject.report("cannot-resume", detail, ("defaults", "after_commit"))


def _continues(subject: Subject, leaf: Leaf) -> bool:
    provider = subject.config.providers.get(leaf.provider)
    model: Model | None = subject.config.models.get(leaf.model)
    if provider is None or model is None:
        return False
    if model.supports is not None and "prefill" in model.supports:
        return True
    at = next((each for each in model.deployments if each.provider == leaf.provider), None)
    preset = provider.preset or (leaf.provider if leaf.provider in subject.known.presets else None)
    upstream = (at.id if at is not None else None) or model.id or leaf.model
    return subject.known.continues(preset, provider.protocol, upstream)
