"""Compiled routes as plain values: targets with all that sending to them depends on, splits, fallbacks.

A node that has a name is written down once, under it; wherever else it is reached it is named (`to`), with what that
place says differently. What a model's provider decides alone (its address, its wire, its bans) is written down there.
Defaults that nobody changed are left out, so that a difference is one line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from gateway.engine.planning.wording import between, condition, plain, seconds, words
from gateway.failure import RULES, Falls, Kind
from gateway.ir.cost import FIELDS, Price, Tier
from gateway.protocols.contract import Edits
from gateway.routing.allowances import Allowance, Rules
from gateway.routing.constraints import Constraints
from gateway.routing.node import PLAIN, Branch, Chain, Mirror, Node, Panel, Race, Split, Target

Plain: TypeAlias = dict[str, Any]
Find: TypeAlias = Callable[[str], Node | None]

_FALLING: Final = frozenset(kind for kind, rule in RULES.items() if rule.falls is Falls.YES)
_WEIGHED: Final = ("weighted",)  # strategies whose weights are always worth a word


def allowance(said: Allowance | None) -> Plain | None:
    """Limits by what they limit and how long their window is."""
    if said is None or not said.limits:
        return None
    found: Plain = {}
    for limit in said.limits:
        found[f"{limit.what} per {limit.per}" if limit.per else limit.what] = limit.most
    most, wait = said.queue
    if most:
        found["queue"] = f"{most} for {seconds(wait)}"
    return found


def leaf(target: Target, base: str) -> Plain:
    """A target. `base`: the path of its provider's address, which is not repeated."""
    path = target.path.removeprefix(base)
    streamed = target.stream_path.removeprefix(base)
    counted = None if target.count_path is None else target.count_path.removeprefix(base)
    return given(
        provider=target.provider,
        id=target.upstream,
        wire=given(
            path=path,
            stream_path=streamed if streamed != path else None,
            count_path=counted,
            quirks=sorted(target.dialect.quirks) or None,
            catalog=target.catalog if "*" in target.upstream else None,
        ),
        timeouts={
            "connect": seconds(target.whole.connect),
            "first_token": seconds(target.first_token),
            "idle": seconds(target.whole.idle),
            "total": seconds(target.total),
        },
        retries={
            "attempts": target.retries.attempts,
            "backoff": between(target.retries.low, target.retries.high),
        },
        breaker={
            "failures": target.breaker.failures,
            "window": seconds(target.breaker.window),
            "cooldown": between(target.breaker.low, target.breaker.high),
        },
        request=edits(target.edits) or None,
        on_lossy=target.on_lossy,
        context=target.context,
        max_output=target.max_output,
        price=price(target.price),
        supports=None if target.supports is None else sorted(target.supports),
        tags=sorted(set(target.tags)) or None,
    )


def given(**fields: Any) -> Plain:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value is not None}


def edits(said: Edits) -> Plain:
    """What is changed of a request on its way out."""
    return given(
        default={name: msgspec.json.decode(value) for name, value in said.default} or None,
        set={name: msgspec.json.decode(value) for name, value in said.set} or None,
        drop=sorted(said.drop) or None,
        model_in_body=None if said.model_in_body else False,
    )


def price(said: Price | None) -> Plain | None:
    """USD per million tokens, by kind; tiers by the size above which they hold. Who says so is no matter."""
    if said is None:
        return None
    tiers = {f"above {each.above}": _rates(each) for each in said.tiers}
    return {**_rates(said), **({"tiers": tiers} if tiers else {})}


def _rates(said: Price | Tier) -> Plain:
    values = {name: getattr(said, name) for name in FIELDS}
    return {name: plain(value) for name, value in values.items() if value is not None}


def constraints(said: Constraints | None) -> Plain | None:
    """What a target has to be."""
    if said is None:
        return None
    return given(
        tags=sorted(set(said.tags)) or None,
        not_tags=sorted(set(said.not_tags)) or None,
        providers=None if said.providers is None else words(said.providers),
        models=None if said.models is None else words(said.models),
    )


def split(said: Split, find: Find, rules: Rules) -> Plain:
    """A strategy over targets."""
    ordering = {
        name: value
        for name, value in msgspec.structs.asdict(said.ordering).items()
        if value != getattr(PLAIN, name) and name != "weights"
    }
    if "window" in ordering:
        ordering["window"] = seconds(said.ordering.window)
    if said.strategy == "score":
        ordering["weights"] = {
            name: plain(value) for name, value in msgspec.structs.asdict(said.ordering.weights).items() if value
        }
    return given(
        strategy=said.strategy,
        hold=said.hold or None,
        **ordering,
        sticky=None if said.sticky is None else f"by {said.sticky.by} for {seconds(said.sticky.seconds)}",
        **_contest(said, find),
        after_commit="resume" if said.resumes else None,
        targets=[_branch(each, said, index, find, rules) for index, each in enumerate(said.branches)],
    )


def _contest(said: Split, find: Find) -> Plain:
    match said.plan:
        case Race(after=after):
            return {"after": "p95" if after is None else seconds(after)}
        case Mirror(sample=sample):
            return {"sample": plain(sample)}
        case Panel():
            return given(judge=said.plan.judge.name, least=said.plan.least, patience=seconds(said.plan.patience))
    return {}


def _branch(branch: Branch, around: Split, index: int, find: Find, rules: Rules) -> Plain:
    node = branch.node
    place = f"{around.name}[{index}]"
    limits = allowance(rules.things.get(f"target:{place}"))
    weighs = branch.weight != 1 or around.strategy in _WEIGHED
    own = given(
        weight=plain(branch.weight) if weighs else None,
        when=condition(branch.when) if branch.when is not None else None,
        limits=limits,
    )
    if isinstance(node, Split) and node.name == place:
        inside = split(node, find, rules)
        return {"to": f"group of {', '.join(each['to'] for each in inside['targets'])}", **own, "group": inside}
    known = find(node.name)
    here = {} if known is None or known is node else _differently(node, known)
    return {"to": node.name, **own, **here}


def _differently(node: Node, known: Node) -> Plain:
    """What a place says of time-outs and retries that what it names does not say itself."""
    found: dict[str, Plain] = {}
    theirs = _leaves(known)
    for name, target in _leaves(node).items():
        ours, other = leaf(target, ""), leaf(theirs[name], "")
        changed = {field: ours[field] for field in ("timeouts", "retries") if ours[field] != other[field]}
        if changed:
            found[name] = changed
    if isinstance(node, Target):
        return found.get(node.name, {})
    return {"here": found} if found else {}


def _leaves(node: Node) -> dict[str, Target]:
    """The targets of a node by name, without where its fallbacks lead."""
    if isinstance(node, Target):
        return {node.name: node}
    if isinstance(node, Chain):
        return _leaves(node.primary)
    return {name: target for branch in node.branches for name, target in _leaves(branch.node).items()}


def fallbacks(said: Chain) -> Plain:
    """Where failures lead."""
    rules = [{"on": _kinds(rule.on), "to": [to.name for to in rule.to]} for rule in said.rules]
    return given(rules=rules, after_commit="resume" if said.resumes else None)


def _kinds(on: frozenset[Kind]) -> list[str]:
    return ["any failure"] if on == _FALLING else sorted(on)
