"""The targets of an explanation: what happened to each, by which rule, and what holds for it.

Everything that is said is asked of the functions that decide when serving: constraints, hints, needs, budgets, prices,
translation. Only the place of a rule is found here, and no reason is made up: a skip keeps the words of who skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from gateway.config.model import Config
from gateway.engine.dry import Step, Walked
from gateway.engine.engine import Engine
from gateway.engine.explanation import Bound, Candidate, Happened, Lost, Place, Said, Verdict
from gateway.engine.places import Path, Way, dotted, limits_path, model_path, policy_paths
from gateway.engine.settled import settings
from gateway.failure import Failed, Refused
from gateway.ir.cost import usd
from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.needs import unable
from gateway.routing.node import Target
from gateway.routing.sending import Job, sending

TRIED_ALREADY = "already tried for this request"
_WON: Mapping[str, Verdict] = {"answered": "answers", "failed": "failed", "cancelled": "cancelled"}


class Sight:
    """What all candidates of one request are looked at with. `at` says where a path is written."""

    def __init__(self, engine: Engine, config: Config, job: Job, now: float, at: Callable[[Path], str | None]) -> None:
        self.engine = engine
        self.config = config
        self.job = job
        self.at = at
        self.moment = Moment(engine.runtime, Random(0), job, now)  # noqa: S311 - it draws nothing
        self._policies = policy_paths(config)

    def place(self, path: Path | None) -> Place | None:
        """A path with where it is written."""
        return None if path is None else Place(dotted(path), self.at(path))

    def rule(self, target: Target, why: str) -> Place | None:
        """Whose word a skip is."""
        path = self._rule(target, why)
        return Place(path) if isinstance(path, str) else self.place(path)

    def _rule(self, target: Target, why: str) -> Path | str | None:
        job = self.job
        broken = job.constraints.broken(target) if job.constraints is not None else None
        if broken is not None and why.startswith(broken[0]):
            return self._whose(broken[0])
        if why.startswith("it may cost "):
            return self.cap("cost") or "gateway"
        if job.hints is not None and job.hints.objection(target, True) == why:
            return "request"
        cannot = unable(target, job)
        if cannot is not None and cannot.why == why:
            return self._fact(target, "supports" if cannot.why.startswith("it does not support") else "context")
        if "context window" in why:
            return self._fact(target, "context")
        if why.startswith("cooling down"):
            return "state"
        return self._money(why) or self._limit(target, why) or "gateway"

    def _whose(self, name: str) -> Path | None:
        facts = self.job.facts
        if name == "the key's allow-list":
            return ("keys", facts.key or "", "allow")
        if name == "the team's allow-list":
            return ("teams", facts.team or "", "allow")
        path = self._policies.get(name.removeprefix("the policy ")[1:-1])
        return None if path is None else (*path, "require")

    def _fact(self, target: Target, field: str) -> Path | str:
        said = getattr(self.config.models[target.model], field)
        return "catalog" if said is None else ("models", target.model, field)

    def cap(self, field: str) -> Path | None:
        """Where a bound over the whole request is said: the tightest that holds."""
        caps = self.job.caps
        value = getattr(caps, field) if caps is not None else None
        if value is None:
            return None
        places: list[tuple[Path, Any]] = [(("defaults", "cap"), self.config.defaults.cap)]
        places += [(("policies", index, "do", "cap"), each.do.cap) for index, each in enumerate(self.config.policies)]
        for path, each in places:
            found = getattr(each, field) if each is not None else None
            if found is not None and (round(found.amount * 10**9) if field == "cost" else found) == value:
                return (*path, field)
        return None

    def _money(self, why: str) -> Path | None:
        for name in self.config.budgets:
            if why.startswith(f"The budget '{name}' ("):
                return ("budgets", name)
        return ("defaults", "price_unknown") if "'price_unknown: fail'" in why else None

    def _limit(self, target: Target, why: str) -> Path | None:
        for word, name in self._things(target):
            if why.lower().startswith(f"{name} is limited to".lower()):
                return limits_path(word, self.config)
        return None

    def _things(self, target: Target) -> Iterable[tuple[str, str]]:
        limits = self.engine.limits
        if limits is None:
            return
        lanes = self.engine.runtime.lanes_of(target)
        for word in dict.fromkeys((*target.limits, *(lane.limits for lane in lanes if lane.limits))):
            yield word, limits.rules.things[word].name

    def limits(self, target: Target) -> tuple[Bound, ...]:
        """The limits that a send to a target is under, but for the caller's."""
        limits = self.engine.limits
        if limits is None:
            return ()
        return tuple(
            Bound(of=name, says=limit.words, place=self.place((*limits_path(word, self.config), limit.what)))
            for word, name in self._things(target)
            for limit in limits.rules.things[word].limits
        )

    def budgets(self, target: Target) -> tuple[Bound, ...]:
        """The budgets that a send to a target is under."""
        gate = self.engine.runtime.gate
        if gate is None:
            return ()
        found = []
        for budget, whose, _ in gate.spending.purses(self.job.facts, target):
            leads = f"route {budget.route}" if budget.route is not None else budget.exhausted
            share = f" for {budget.each} {whose!r}" if whose else ""
            says = f"{budget.words}{share}, when exhausted: {leads}"
            found.append(Bound(of=budget.name, says=says, place=self.place(("budgets", budget.name))))
        return tuple(found)

    def cost(self, target: Target) -> tuple[str | None, str | None]:
        """(estimated, with the longest answer) in USD; None where nobody knows the price."""
        try:
            likely = signals.price(target, self.moment)
            return (None, None) if likely is None else (usd(likely), usd(self.moment.worst(target)))
        except Refused:
            return None, None

    def parcel(self, target: Target) -> tuple[tuple[Lost, ...], str]:
        """(what the target's wire cannot carry, why it is not sent there at all)."""
        try:
            dropped = sending(self.job, target).dropped
        except Failed as failed:
            return (), failed.failure.message
        except Refused as refused:
            return (), refused.refusal.message
        return tuple(Lost(each.field, each.why) for each in dropped), ""


def candidates(
    sight: Sight, found: Sequence[tuple[Target, Way]], main: Walked, onwards: Walked
) -> tuple[Candidate, ...]:
    """Every target of the route once, in the order in which it is come to. `onwards` is the same walk where every
    answer is a failure that falls by itself."""
    known: dict[str, tuple[Target, Way]] = {}
    for target, way in found:
        known.setdefault(target.name, (target, way))
    events: dict[str, list[Step]] = {}
    later: dict[str, list[Step]] = {}
    for step in main.steps:
        _note(events, step)
    for step in onwards.steps:
        if step.target not in events:
            _note(later, step)
    out = []
    for name in (*events, *later, *(name for name in known if name not in events and name not in later)):
        target, way = known[name]
        sent = next((step.at for step in events.get(name, ()) if step.at is not None), None)
        target, way = next(((each, by) for each, by in found if each is sent), (target, way))
        if name in events:
            out.append(_candidate(sight, target, way, events[name], _verdict(events[name])))
        elif name in later:
            verdict: Verdict = "next" if any(step.did != "skipped" for step in later[name]) else "skipped"
            skips = [step for step in later[name] if step.did == "skipped"]
            out.append(_candidate(sight, target, way, skips, verdict))
        else:
            out.append(_candidate(sight, target, way, (), "only_after", _only_after(way, sight.config)))
    return tuple(out)


def _note(events: dict[str, list[Step]], step: Step) -> None:
    if step.why != TRIED_ALREADY:
        events.setdefault(step.target, []).append(step)


def _verdict(steps: Sequence[Step]) -> Verdict:
    done = {step.did for step in steps}
    return next((verdict for did, verdict in _WON.items() if did in done), "skipped")


def _only_after(way: Way, config: Config) -> str:
    for path in reversed(way):
        if path[0] == "fallbacks":
            on = config.fallbacks[str(path[1])][int(path[2])].on
            return f"only after {' or '.join(on)}" if on is not None else "after failures that fall by themselves"
    return "only after what comes before it, within the attempts of one request"


def _candidate(
    sight: Sight, target: Target, way: Way, steps: Sequence[Step], verdict: Verdict, why: str = ""
) -> Candidate:
    skipped = next((step.why for step in steps if step.did == "skipped"), "")
    lossy, rejects = sight.parcel(target)
    likely, worst = sight.cost(target)
    return Candidate(
        target=target.name,
        verdict=verdict,
        model=target.model,
        provider=target.provider,
        upstream=target.upstream,
        protocol=target.protocol,
        why=why or skipped or next((step.why for step in steps if step.kind is not None), ""),
        rule=sight.rule(target, skipped) if skipped else None,
        place=sight.place(way[-1] if way else model_path(target, sight.config)),
        way=tuple(place for path in way if (place := sight.place(path)) is not None),
        happened=tuple(
            Happened(
                did=step.did,
                credential=step.credential,
                kind=step.kind,
                why=step.why,
                seconds=round(step.seconds, 3) or None,
            )
            for step in steps
        ),
        credentials=tuple(lane.credential for lane in sight.engine.runtime.lanes_of(target)),
        tags=target.tags,
        context=target.context,
        forwards=sight.job.forwards(target.protocol),
        lossy=lossy,
        rejects=rejects,
        usd=likely,
        usd_worst=worst,
        settings=tuple(
            Said(name=each.name, value=each.value, place=sight.place(each.path))
            for each in settings(target, way, sight.config)
        ),
        limits=sight.limits(target),
        budgets=sight.budgets(target),
    )
