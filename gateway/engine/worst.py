"""The worst that one request can come to, by route: sends, seconds, dollars. Read from the compiled tree.

The bounds are those that `routing.run` keeps: each target once, with each of its credentials, with the retries that the
failure table permits; `ATTEMPTS_MOST` sends and the route's time for everything; the caps that hold for every request.
Where a strategy asks several (race, panel, pipeline), each of its ways may come to the same target again. An attempt
costs at most a full window in and the longest answer out, each token at its dearest rate. The one more send to a
provider that refuses a conversation's seals is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.config.model import Config
from gateway.config.model_policies import Caps as Wanted
from gateway.config.model_policies import When
from gateway.engine.engine import Engine, Route
from gateway.failure import RULES
from gateway.ir.cost import dearest, usd
from gateway.routing.constraints import Caps
from gateway.routing.node import Node, Panel, Split, Target, targets
from gateway.routing.run import ATTEMPTS_MOST

_RETRIES_MOST: Final = max(rule.retries for rule in RULES.values())


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """One route. `sends` are those that its targets allow, `attempts` what is left of them by the caps.

    `seconds` None: no bound. `cost`: nano-dollars, None where it is not known, since `unknown` have no price or no
    window.
    """

    route: str
    attempts: int
    sends: int
    seconds: float | None
    cost: int | None
    unknown: tuple[str, ...]


def as_dict(each: Worst) -> dict[str, Any]:
    """One route with flat, stable names; `usd` is a decimal number as text, null where it is not known."""
    return {
        "route": each.route,
        "attempts": each.attempts,
        "sends": each.sends,
        "seconds": each.seconds,
        "usd": usd(each.cost) if each.cost is not None else None,
        "unknown": list(each.unknown),
    }


def worst(engine: Engine, config: Config) -> list[Worst]:
    """Every public name that is no alias, in the order of the file."""
    caps = everywhere(config)
    routes = [route for name, route in engine.routes.items() if route.public and name not in config.aliases]
    return [worst_of(route, engine, caps) for route in routes]


def everywhere(config: Config) -> Caps:
    """The caps over every request: the defaults', and those of policies without a condition."""
    caps = Caps()
    for said in _said(config):
        cost = round(said.cost.amount * 10**9) if said.cost is not None else None
        caps = Caps(said.attempts, said.time, cost).within(caps)
    return caps


def _said(config: Config) -> Iterator[Wanted]:
    if config.defaults.cap is not None:
        yield config.defaults.cap
    for policy in config.policies:
        if policy.do.cap is not None and policy.when == When():
            yield policy.do.cap


def worst_of(route: Route, engine: Engine, caps: Caps) -> Worst:
    """The worst of one route."""
    reached = [(target, _sends(target, engine)) for target in _reached(route.node)]
    sends = sum(count for _, count in reached)
    attempts = min(sends, caps.attempts if caps.attempts is not None else ATTEMPTS_MOST)
    unknown = tuple(dict.fromkeys(target.name for target, _ in reached if _dearest(target) is None))
    cost = None
    if not unknown:
        each = sorted((price for target, count in reached for price in [_dearest(target) or 0] * count), reverse=True)
        cost = sum(each[:attempts])
        cost = cost if caps.cost is None else min(cost, caps.cost)
    times = [time for time in (route.budget, caps.time) if time is not None]
    return Worst(
        route=route.name,
        attempts=attempts,
        sends=sends,
        seconds=min(times, default=None),
        cost=cost,
        unknown=unknown,
    )


def _reached(node: Node) -> list[Target]:
    """Every target as often as one request may come to it."""
    found: list[Target] = []
    again = False

    def visit(at: Node) -> None:
        nonlocal again
        if isinstance(at, Target):
            found.append(at)
        elif isinstance(at, Split):
            again = again or at.plan is not None
            for branch in at.branches:
                visit(branch.node)
            if isinstance(at.plan, Panel):
                visit(at.plan.judge)
        else:
            visit(at.primary)
            for to in (to for rule in at.rules for to in rule.to):
                visit(to)

    visit(node)
    return found if again else targets(node)


def _sends(target: Target, engine: Engine) -> int:
    """How often one target may be asked: each credential, each with its retries."""
    return len(engine.runtime.lanes[target.lanes]) * (1 + min(_RETRIES_MOST, target.retries.attempts))


def _dearest(target: Target) -> int | None:
    """What one attempt costs at most; None where nobody knows."""
    price = target.price
    if price is None:
        return None
    if target.context is None:
        return 0 if dearest(price, 10**9, 10**9) == 0 else None
    longest = target.context if target.max_output is None else min(target.max_output, target.context)
    return dearest(price, target.context, longest)
