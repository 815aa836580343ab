"""Combos whose strategy executes → the plan of their split."""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.model import Combo
from gateway.routing.node import Mirror, Node, Panel, Pipeline, Plan, Race


def plan_of(strategy: str, combo: Combo | None, node: Callable[[str], Node]) -> Plan | None:
    """How a split executes, None where its strategy only orders. `combo` is None for a group and for deployments,
    which have no words of their own. `node` gives the node of a name."""
    match strategy:
        case "race":
            after = combo.after if combo is not None else None
            return Race(None if after is None or after == "p95" else after)
        case "mirror":
            sample = combo.sample if combo is not None else None
            return Mirror(1.0 if sample is None else sample)
        case "panel":
            if combo is None or combo.judge is None:
                raise ValueError("a panel has no judge")
            judge = node(combo.judge)
            return Panel(judge, combo.least) if combo.patience is None else Panel(judge, combo.least, combo.patience)
        case "pipeline":
            return Pipeline()
    return None
