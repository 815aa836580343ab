"""The proof of `require`: whatever a caller it holds for asks, some target keeps it; and which targets are left out.

For every caller whose requests can match, every route that the caller may ask for or that a policy leads to, and every
target that the route reaches, fallbacks included. Headers, addresses, the time and the body count as possible. While
requests run the constraint holds for each target that is tried; this says beforehand where nothing would be left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.config.checks.subject import Subject
from gateway.config.model import Config
from gateway.config.model_policies import Require, When
from gateway.config.patterns import matches
from gateway.config.reach import Leaf, Who, callers, globs, judge, leaves
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

_SHOWN: Final = 5


def requirements(subject: Subject) -> Iterator[Diagnostic]:
    """No request can match a policy that leaves it no target."""
    config = subject.config
    everybody = list(callers(config))
    reached = {name: leaves(config, name) for name in _askable(config)}
    for index, policy in enumerate(config.policies):
        if policy.require is None:
            continue
        path: Path = ("policies", index, "require")
        without: dict[str, list[Leaf]] = {}
        narrowed: dict[str, Leaf] = {}
        for name in _routes(config, reached, policy.when, everybody):
            found = reached[name] if name in reached else leaves(config, name)
            left_out = [leaf for leaf in found if not keeps(policy.require, leaf)]
            if found and len(left_out) == len(found):
                without[name] = found
            else:
                narrowed.update({leaf.name: leaf for leaf in left_out})
        if without:
            first = next(iter(without))
            detail = (
                f"No target of {_shown(without)} is what {policy.name!r} requires, so its requests would all be "
                f"refused. Give a target what is required, or keep these callers from it by `allow`."
            )
            place = without[first][0].path
            yield subject.report("require-unsatisfiable", detail, path, key=True, first=("this, for one", place))
        if narrowed:
            leaf = next(iter(narrowed.values()))
            detail = f"Requests of {policy.name!r} are never sent to {_shown(narrowed)}; other targets are left."
            yield subject.report("require-narrows", detail, path, key=True, first=("this, for one", leaf.path))


def keeps(require: Require, leaf: Leaf) -> bool:
    """Whether a target is what is required."""
    return (
        leaf.tags.issuperset(require.tags)
        and leaf.tags.isdisjoint(require.not_tags)
        and (require.providers is None or globs(require.providers, leaf.provider))
        and (require.models is None or globs(require.models, leaf.model))
    )


def _askable(config: Config) -> list[str]:
    """Every name that may be asked for; of a pattern its text."""
    public = [name for name, model in config.models.items() if model.visibility == "public"]
    places = [f"{name}@{each.provider}" for name in public for each in config.models[name].deployments]
    return [*public, *places, *config.combos, *config.aliases]


def _routes(config: Config, reached: dict[str, list[Leaf]], when: When, everybody: list[Who]) -> list[str]:
    """Every route that a request that can match may end at."""
    found: dict[str, None] = {}
    for who in everybody:
        if not judge(when, who).can_hold:
            continue
        asked = [name for name, all_ in reached.items() if _may(config, who, name, all_)]
        found |= dict.fromkeys(name for name in asked if judge(when, who, name).can_hold)
        led = [each.do.route for each in config.policies if each.do.route and judge(each.when, who).can_hold]
        found |= dict.fromkeys(name for name in led if _may_be_led(config, who, name))
    return list(found)


def _may(config: Config, who: Who, name: str, found: list[Leaf]) -> bool:
    """Whether a key, and its team, may ask for a name."""
    for allow in _lists(config, who):
        if allow is None or name in allow:
            continue
        if not found or not all(any(matches(entry, leaf.model) for entry in allow) for leaf in found):
            return False
    return True


def _may_be_led(config: Config, who: Who, name: str) -> bool:
    """Whether a policy can lead a key to a route: it may use some target of it."""
    for allow in _lists(config, who):
        if allow is None or name in allow:
            continue
        granted = {leaf.model for entry in allow if "*" not in entry for leaf in leaves(config, entry)}
        patterns = [entry for entry in allow if "*" in entry]
        models = {leaf.model for leaf in leaves(config, name)}
        if not any(model in granted or globs(patterns, model) for model in models):
            return False
    return True


def _lists(config: Config, who: Who) -> tuple[list[str] | None, list[str] | None]:
    """The allow-lists of a key and of its team, None for everything."""
    key, team = config.keys.get(who.key), config.teams.get(who.team or "")
    return (key.allow if key is not None else None, team.allow if team is not None else None)


def _shown(names: Iterable[str]) -> str:
    several = list(names)
    more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
    return ", ".join(repr(each) for each in several[:_SHOWN]) + more
