"""Which lines of the file routed a request: a row of the ledger, read against the configuration that decided.

Only what the row holds is told: what was asked, the key, the policies that held, the targets that were tried and
skipped. Where a target is reached through fallbacks, the rule is told too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.config.model import Config
from gateway.engine.engine import Engine, Route
from gateway.engine.places import Path, Way, kind_of, model_path, policy_paths, ways
from gateway.routing.node import Target


class Blamed(msgspec.Struct, frozen=True):
    """One thing that had a part in it: `what` it is, what it did, and where it is said."""

    what: str
    did: str
    path: Path


def blamed(engine: Engine, config: Config, row: Mapping[str, Any]) -> Iterator[Blamed]:
    """In the order in which they had their say. What this configuration does not have is left out."""
    asked, label = row["asked"] or "", row["route"] or ""
    route = engine.route(asked) or engine.route(asked.rpartition("@")[0])
    if route is not None:
        what, path = kind_of(asked, route.label, config)
        yield Blamed(f"{what} {asked}", "was asked for", path)
    if row["key"] in config.keys:
        yield Blamed(f"key {row['key']}", "asked", ("keys", row["key"]))
    policies = policy_paths(config)
    said = row["path"]
    for name in said.get("policies", ()):
        if name in policies:
            index = int(policies[name][1])
            leads = config.policies[index].do.route
            yield Blamed(f"policy {name!r}", f"led it to {leads}" if leads is not None else "held", policies[name])
    led = engine.route(label)
    reached = _reached([each for each in (led, route) if each is not None], config)
    for each in said.get("skipped", ()):
        yield from _told(reached, config, each["target"], f"was skipped: {each['why']}")
        whose = next((path for name, path in policies.items() if each["why"].startswith(f"the policy {name!r}")), None)
        if whose is not None:
            yield Blamed(f"policy {config.policies[int(whose[1])].name!r}", "keeps it from there", (*whose, "require"))
    for each in said.get("tried", ()):
        status = f" ({each['status']})" if each["status"] else ""
        yield from _told(reached, config, each["target"], f"{each['kind'] or 'answered'}{status}")


def _reached(routes: list[Route], config: Config) -> dict[str, tuple[Target, Way]]:
    found: dict[str, tuple[Target, Way]] = {}
    for route in routes:
        for target, way in ways(route.node, config):
            found.setdefault(target.name, (target, way))
    return found


def _told(reached: Mapping[str, tuple[Target, Way]], config: Config, name: str, did: str) -> Iterator[Blamed]:
    """A target at the place that names it, the outermost fallback rule that leads there, and its own entry."""
    if name not in reached:
        return
    target, way = reached[name]
    for path in way[:-1]:
        if path[0] == "fallbacks":
            yield Blamed(f"fallback {path[1]}", "leads on", path[:3])
    rule = f", by the fallback rule of {way[-1][1]}" if way and way[-1][0] == "fallbacks" else ""
    yield Blamed(f"target {name}", did + rule, way[-1] if way else model_path(target, config))
