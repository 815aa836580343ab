"""Routes: they have targets, each once, with weights and options that mean something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.config.checks.subject import Subject
from gateway.config.model import Target
from gateway.config.model_rules import Score
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

# Options of a combo → the strategy that they belong to.
_OPTIONS: Final = {
    "hold": "round_robin",
    "deck": "random",
    "after": "race",
    "by": "consistent",
    "window": "least_used",
    "score": "score",
    "sample": "mirror",
    "judge": "panel",
    "least": "panel",
    "patience": "panel",
}
# Strategies that look at weights, and those that have all of their targets take part, so that none can be kept.
_WEIGHED: Final = ("weighted", "round_robin")
_TOGETHER: Final = ("race", "mirror", "panel", "pipeline")


def _lists(subject: Subject) -> Iterator[tuple[Path, str, list[Target]]]:
    """Every list of targets, with its path and the strategy over it."""
    for name, combo in subject.config.combos.items():
        yield subject.targets_path(name), combo.strategy, combo.targets
    for path, target in subject.targets():
        if target.group is not None:
            yield (*path, "group"), target.strategy or "priority", target.group


def targets_given(subject: Subject) -> Iterator[Diagnostic]:
    """Every list of targets has one, and each target is a name or a group."""
    for path, _, targets in _lists(subject):
        if not targets:
            yield subject.report("no-targets", "List at least one model or combo.", path, key=True)
    for path, target in subject.targets():
        if (target.model is None) == (target.group is None):
            detail = "A target is either a `model` or a `group`."
            yield subject.report("bad-value", detail, path)
        elif target.group is None and target.strategy is not None:
            detail = "`strategy` orders a group; this target is a single model."
            yield subject.report("inert-option", detail, (*path, "strategy"), key=True)
    for route, rules in subject.config.fallbacks.items():
        for index, rule in enumerate(rules):
            if not rule.to:
                path = subject.rules_path(route, index)
                yield subject.report("no-targets", "List at least one model or combo.", path, key=True)


def repeated_targets(subject: Subject) -> Iterator[Diagnostic]:
    """A target that has failed is not tried again, so listing it twice does nothing."""
    for path, _, targets in _lists(subject):
        first: dict[str, Path] = {}
        for index, target in enumerate(targets):
            if target.model is None:
                continue
            name, place = subject.meaning(target.model), subject.name_path((*path, index), target)
            if name in first:
                detail = f"{name!r} is listed already. To send it more, give it a `weight`."
                yield subject.report("repeated-target", detail, place, first=("first here", first[name]))
            else:
                first[name] = place


def weights(subject: Subject) -> Iterator[Diagnostic]:
    """Weights are not negative, not all zero, and stand where something draws by them."""

    def judge(path: Path, strategy: str, given: list[float | None]) -> Iterator[Diagnostic]:
        for index, weight in enumerate(given):
            if weight is None:
                continue
            if strategy not in _WEIGHED:
                detail = f"`{strategy}` does not look at weights. Use `strategy: weighted`, or remove it."
                yield subject.report("inert-weight", detail, (*path, index, "weight"), key=True)
            elif not 0 <= weight <= 1e9:
                detail = f"{weight:g} is no share: a weight is 0 or more."
                yield subject.report("bad-weight", detail, (*path, index, "weight"))
        if strategy in _WEIGHED and given and all(weight == 0 for weight in given):
            yield subject.report("bad-weight", "All weights are 0, so nothing can be drawn.", path, key=True)

    for path, strategy, targets in _lists(subject):
        yield from judge(path, strategy, [target.weight for target in targets])
    for name, model in subject.config.models.items():
        given = [deployment.weight for deployment in model.deployments]
        yield from judge(("models", name, "deployments"), model.strategy or "least_busy", given)


def options(subject: Subject) -> Iterator[Diagnostic]:
    """An option stands with the strategy that it belongs to."""
    for name, combo in subject.config.combos.items():
        for option, strategy in _OPTIONS.items():
            if getattr(combo, option) is not None and combo.strategy != strategy:
                detail = f"`{option}` belongs to `strategy: {strategy}`; this is `{combo.strategy}`."
                yield subject.report("inert-option", detail, ("combos", name, option), key=True)
    for path, target in subject.targets():
        if target.hold is not None and target.strategy != "round_robin":
            detail = "`hold` belongs to a group with `strategy: round_robin`."
            yield subject.report("inert-option", detail, (*path, "hold"), key=True)


def scores(subject: Subject) -> Iterator[Diagnostic]:
    """Some part of a score has a weight."""
    for name, combo in subject.config.combos.items():
        if isinstance(combo.score, Score) and not any(combo.score.model_dump().values()):
            detail = "All weights are 0, so all targets are equal."
            yield subject.report("bad-weight", detail, ("combos", name, "score"), key=True)


def sticky(subject: Subject) -> Iterator[Diagnostic]:
    """What is kept can be kept, and is of somebody."""
    believed = any("user" in key.trust for key in subject.config.keys.values())
    for name, combo in subject.config.combos.items():
        if combo.sticky is not None and combo.strategy in _TOGETHER:
            detail = f"With `{combo.strategy}` targets take part together. Make one of them a sticky combo."
            yield subject.report("inert-option", detail, ("combos", name, "sticky"), key=True)
        for option, by in (("sticky", combo.sticky.by if combo.sticky is not None else None), ("by", combo.by)):
            if by == "user" and not believed:
                path: Path = ("combos", name, option, "by") if option == "sticky" else ("combos", name, option)
                detail = "No key says `trust: [user]`, so no request has a user."
                yield subject.report("inert-option", detail, path)


def unreachable_targets(subject: Subject) -> Iterator[Diagnostic]:
    """A weight of 0 is only a last resort, which is worth saying."""
    for path, strategy, targets in _lists(subject):
        if strategy not in _WEIGHED or all(target.weight == 0 for target in targets):
            continue
        for index, target in enumerate(targets):
            if target.weight == 0:
                detail = "With weight 0 it is only tried after the others have failed."
                yield subject.report("unreachable-target", detail, (*path, index, "weight"))


def self_fallbacks(subject: Subject) -> Iterator[Diagnostic]:
    """A fallback leads elsewhere."""
    for route, rules in subject.config.fallbacks.items():
        for index, rule in enumerate(rules):
            for at, name in enumerate(rule.to):
                if subject.meaning(name) == route:
                    detail = f"{route!r} has just failed when this is asked. Name something else."
                    yield subject.report("self-fallback", detail, (*subject.rules_path(route, index), at))


def windows(subject: Subject) -> Iterator[Diagnostic]:
    """Where a prompt was too long, the next model has a larger window."""
    models = subject.config.models
    for route, rules in subject.config.fallbacks.items():
        primary = models.get(route)
        if primary is None or primary.context is None:
            continue
        for index, rule in enumerate(rules):
            if "context_window" not in (rule.on or ()):
                continue
            for at, name in enumerate(rule.to):
                other = models.get(subject.meaning(name))
                if other is not None and other.context is not None and other.context <= primary.context:
                    detail = f"{name!r} takes {other.context:,} tokens, {route!r} takes {primary.context:,} already."
                    yield subject.report("smaller-window", detail, (*subject.rules_path(route, index), at))


def unused_models(subject: Subject) -> Iterator[Diagnostic]:
    """An internal model that nothing leads to is never used."""
    named = {target.model for _, target in subject.targets() if target.model is not None}
    named |= {name for rules in subject.config.fallbacks.values() for rule in rules for name in rule.to}
    named |= set(subject.config.aliases.values())
    named |= {each.do.route for each in subject.config.policies if each.do.route is not None}
    named |= {each.do.mirror.to for each in subject.config.policies if each.do.mirror is not None}
    named |= {combo.judge for combo in subject.config.combos.values() if combo.judge is not None}
    cache = subject.config.cache
    if cache is not None and cache.semantic is not None:
        named.add(cache.semantic.model)
    used = {subject.meaning(name) for name in named} | {name.rpartition("@")[0] for name in named}
    for name, model in subject.config.models.items():
        if model.visibility == "internal" and name not in used:
            detail = f"{name!r} cannot be called, and no combo, alias or fallback leads to it."
            yield subject.report("inert-model", detail, ("models", name), key=True)


def deployments(subject: Subject) -> Iterator[Diagnostic]:
    """A model has one provider or several places, each provider once."""
    for name, model in subject.config.models.items():
        if model.deployments and model.provider is not None:
            detail = f"{name!r} has `provider` and `deployments`. Name the provider in a deployment."
            yield subject.report("bad-value", detail, ("models", name, "provider"), key=True)
        if model.strategy is not None and not model.deployments:
            detail = "`strategy` orders deployments; this model has none."
            yield subject.report("inert-option", detail, ("models", name, "strategy"), key=True)
        first: dict[str, Path] = {}
        for index, deployment in enumerate(model.deployments):
            path: Path = ("models", name, "deployments", index, "provider")
            if deployment.provider in first:
                detail = (
                    f"`{name}@{deployment.provider}` would be two things. Declare the provider twice, under two names."
                )
                yield subject.report("repeated-target", detail, path, first=("first here", first[deployment.provider]))
            else:
                first[deployment.provider] = path
