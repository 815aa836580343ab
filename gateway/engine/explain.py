"""`explain`: what becomes of one request, and why, by which lines of the file.

It is told from dry walks (dry.py) over the very Engine that serves: one in the assumed state, one in which every answer
is a failure that falls by itself, which shows who would come next, and one for each kind of failure of the first
target. Nothing here decides anything; it puts into words (explanation.py) what the functions of the server did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.cache.ask import applies
from gateway.config.model import Config
from gateway.config.reach import Who, judge
from gateway.engine.access import ANYONE, Caller
from gateway.engine.candidates import Sight, candidates
from gateway.engine.clients import Received, job_of
from gateway.engine.dry import NOTHING, START, Dry, Walked
from gateway.engine.engine import Engine, Route
from gateway.engine.explanation import Bound, Explanation, Leads, Most, Outcome, Place, Resolved, Ruled
from gateway.engine.places import Path, Way, child_path, dotted, kind_of, ways
from gateway.engine.shadow import Fault, Given
from gateway.engine.worst import worst_of
from gateway.failure import Kind, Refused
from gateway.ir.cost import usd
from gateway.ir.estimate import prompt_tokens
from gateway.routing.constraints import Caps
from gateway.routing.limiting import Limits
from gateway.routing.node import Chain, Node, Panel, Split, Target
from gateway.routing.sending import Job

_KINDS: Final = tuple(kind for kind in Kind if kind not in (Kind.CANCELLED, Kind.INTERRUPTED, Kind.BUDGET))
_FALLING: Final = Fault(kind=Kind.OVERLOADED)


def nowhere(path: Path) -> str | None:
    """Where nobody knows what is written where."""
    return None


def explain(
    engine: Engine,
    config: Config,
    caller: Caller,
    received: Received,
    given: Given = NOTHING,
    *,
    seed: int = 0,
    now: float = START,
    at: Callable[[Path], str | None] = nowhere,
) -> Explanation:
    """What becomes of a request. `config` is what the Engine was compiled from, `at` says where its paths are written;
    `now` is monotonic seconds, by the clock of the Engine's state. Raises nothing that a request can cause."""
    with Dry() as dry:

        def walk(assumed: Given) -> Walked:
            return dry.walk(engine, caller, received, assumed, seed=seed, now=now)

        return _told(engine, config, caller, received, given, walk, seed, now, at)


def _told(
    engine: Engine,
    config: Config,
    caller: Caller,
    received: Received,
    given: Given,
    walk: Callable[[Given], Walked],
    seed: int,
    now: float,
    at: Callable[[Path], str | None],
) -> Explanation:
    main = walk(given)
    job = main.job or _unruled(engine, caller, received)
    sight = Sight(engine, config, job, now, at)
    found = list(_found(engine, config, main))
    facts, route = job.facts, main.route
    return Explanation(
        revision=engine.revision,
        digest=engine.digest,
        asked=received.head.model,
        caller=caller.name,
        needs_key=caller is ANYONE and not engine.keyring.open,
        team=caller.team,
        protocol=received.protocol.name,
        at=datetime.fromtimestamp(received.wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        seed=seed,
        stream=received.head.stream,
        session=facts.session,
        tags=facts.tags,
        tokens=_tokens(job),
        resolved=_resolved(main, config, sight),
        policies=tuple(_policies(config, caller, main, sight)),
        orders=tuple(_orders(route.node, config, sight)) if route is not None else (),
        limits=tuple(_limits(engine.limits, config, job, sight)) if engine.limits is not None else (),
        caps=tuple(_caps(job, sight)),
        guardrails=tuple(_guardrails(engine, caller, sight)),
        caches=tuple(_caches(engine, main, sight)),
        candidates=candidates(sight, found, main, walk(_onwards(given))) if route is not None else (),
        outcome=_outcome(main),
        leads=tuple(_leads(main, given, walk, found, sight)),
        breaks_off=_breaks_off(route, received.head.stream),
        worst=_worst(engine, route, job) if route is not None else None,
    )


def _unruled(engine: Engine, caller: Caller, received: Received) -> Job:
    """The request of which nothing came: as its caller sent it."""
    return job_of(engine, caller, received, received.head)


def _found(engine: Engine, config: Config, main: Walked) -> Iterator[tuple[Target, Way]]:
    """Every target that the request can come to, with how."""
    route, job = main.route, main.job
    if route is None:
        return
    hints = job.hints if job is not None else None
    joined = hints is not None and bool(hints.models) and main.resolved is route
    yield from ways(route.node, config, joined=joined)
    instead = engine.routes.get(main.instead) if main.instead is not None else None
    if instead is not None:
        yield from ways(instead.node, config)


def _tokens(job: Job) -> int | None:
    try:
        return prompt_tokens(job.request())
    except Refused:
        return None


def _resolved(main: Walked, config: Config, sight: Sight) -> Resolved | None:
    resolved, job = main.resolved, main.job
    if resolved is None:
        return None
    name, through = main.asked, []
    if job is not None and job.hints is not None and job.hints.pinned and name != resolved.name:
        name = resolved.name
    what, path = kind_of(name, resolved.label, config)
    alias = str(path[1]) if path[0] == "aliases" else ""
    while alias in config.aliases:
        alias = config.aliases[alias]
        through.append(alias)
    policy = None
    if main.route is not None and main.route is not resolved:
        applied = main.ruling.applied if main.ruling is not None else ()
        leading = [each.name for each in config.policies if each.do.route is not None and each.name in applied]
        policy = leading[-1] if leading else None
    return Resolved(
        name=name,
        what=what,
        route=main.route.name if main.route is not None else resolved.name,
        place=sight.place(path),
        through=tuple(through),
        policy=policy,
        also=job.hints.models if job is not None and job.hints is not None else (),
    )


def _policies(config: Config, caller: Caller, main: Walked, sight: Sight) -> Iterator[Ruled]:
    who = Who(caller.name, caller.team)
    mine = [index for index, policy in enumerate(config.policies) if judge(policy.when, who).can_hold]
    holding = main.job.facts.policies if main.job is not None else ()
    for index in mine:
        policy = config.policies[index]
        holds = policy.name in holding
        yield Ruled(
            name=policy.name,
            holds=holds,
            when=_words(policy.when),
            does=_words(policy.do),
            requires=_words(policy.require) if policy.require is not None else {},
            place=sight.place(("policies", index)),
        )


def _words(section: Any) -> dict[str, Any]:
    """What a section of the file says, in its own words."""
    said: dict[str, Any] = section.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return said


def _orders(node: Node, config: Config, sight: Sight) -> Iterator[Bound]:
    """The strategy of every combo, and of every model in several places, each once."""
    seen: dict[str, Split] = {}

    def visit(at: Node) -> None:
        if isinstance(at, Split):
            if len(at.branches) > 1:
                seen.setdefault(at.name, at)
            for branch in at.branches:
                visit(branch.node)
            if isinstance(at.plan, Panel):
                visit(at.plan.judge)
        elif isinstance(at, Chain):
            visit(at.primary)
            for to in (to for rule in at.rules for to in rule.to):
                visit(to)

    visit(node)
    for name, split in seen.items():
        child = child_path(name, 0, config)
        whole = sum(branch.weight for branch in split.branches)
        draws = split.strategy == "weighted" or split.ordering.weighted
        named = [
            f"{branch.node.name} {branch.weight / whole * 100:.3g} %" if draws and whole else branch.node.name
            for branch in split.branches
        ]
        place = sight.place((*child[:-2], "strategy")) if child is not None else None
        yield Bound(of=name, says=f"{split.strategy} of {', '.join(named)}", place=place)


def _limits(limits: Limits, config: Config, job: Job, sight: Sight) -> Iterator[Bound]:
    key = job.facts.key or ""
    general = config.defaults.limits
    for allowance in limits.rules.callers.get(key, ()):
        of_key = allowance.name.startswith("key ")
        for limit in allowance.limits:
            path: Path = ("teams", job.facts.team or "", "limits", limit.what)
            if of_key:
                own = config.keys[key].limits if key in config.keys else None
                said = own is not None and getattr(own, limit.what) is not None
                path = (
                    ("keys", key, "limits", limit.what)
                    if said or general is None
                    else ("defaults", "limits", limit.what)
                )
            yield Bound(of=allowance.name, says=limit.words, place=sight.place(path))
    users = limits.rules.users.get(key)
    for limit in users.limits if users is not None else ():
        place = sight.place(("keys", key, "each_user", limit.what))
        yield Bound(of=users.name if users is not None else "", says=limit.words, place=place)


def _caps(job: Job, sight: Sight) -> Iterator[Bound]:
    caps = job.caps or Caps()
    for field, says in (
        ("attempts", f"{caps.attempts} sends"),
        ("time", f"{caps.time}s"),
        ("cost", f"{usd(caps.cost or 0)} USD"),
    ):
        if getattr(caps, field) is not None:
            yield Bound(of=field, says=says, place=sight.place(sight.cap(field)))


def _guardrails(engine: Engine, caller: Caller, sight: Sight) -> Iterator[Bound]:
    rules = engine.rules.get(caller.name)
    for on, guards in (("request", rules.inbound), ("response", rules.outbound)) if rules is not None else ():
        for guard in guards:
            yield Bound(of=guard.name, says=f"{guard.do}, {on}", place=sight.place(("guardrails", guard.name)))


def _caches(engine: Engine, main: Walked, sight: Sight) -> Iterator[Bound]:
    caching, job, route = engine.caching, main.job, main.route
    if caching is None or job is None or route is None:
        return
    for name, each in (("exact", caching.exact), ("semantic", caching.semantic)):
        if each is None:
            continue
        if main.ruling is not None and main.ruling.no_cache:
            says = "not asked: a policy says no_cache"
        elif route.label not in caching.routes:
            says = "not asked: this route was made for this request alone"
        elif not applies(each.when, job):
            says = "not asked: its `only_when` does not hold"
        else:
            says = f"asked first, shared by {caching.scope}; answers are kept for {each.ttl:g}s"
        yield Bound(of=name, says=says, place=sight.place(("cache", name)))


def _onwards(given: Given) -> Given:
    """The same state, where every answer is a failure that falls by itself."""
    faults = {
        name: tuple(_FALLING if fault.kind is None else fault for fault in faults)
        for name, faults in given.faults.items()
    }
    otherwise = given.otherwise if given.otherwise.kind is not None else _FALLING
    return msgspec.structs.replace(given, faults=faults, otherwise=otherwise)


def _outcome(main: Walked) -> Outcome:
    refusal = main.refusal
    return Outcome(
        status=main.status,
        attempts=main.sends,
        target=main.served.name if main.served is not None else None,
        code=refusal.code if refusal is not None else None,
        message=refusal.message if refusal is not None else None,
        seconds=round(main.seconds, 3) or None,
        instead=main.instead if main.served is not None else None,
        copies=main.copies,
    )


def _leads(
    main: Walked, given: Given, walk: Callable[[Given], Walked], found: Iterable[tuple[Target, Way]], sight: Sight
) -> Iterator[Leads]:
    """Failures of the first target that was sent something, those that lead to the same together."""
    if not main.path:
        return
    first = main.path[0]
    by_name: dict[str, Way] = {}
    for target, way in found:
        by_name.setdefault(target.name, way)
    same: dict[tuple[tuple[str, ...], str | None, int], list[str]] = {}
    for kind in _KINDS:
        went = walk(msgspec.structs.replace(given, faults={**given.faults, first: (Fault(kind=kind),)}))
        path = tuple(dict.fromkeys(name for name in went.path if name != first))
        same.setdefault((path, went.served.name if went.served is not None else None, went.status), []).append(kind)
    for (path, served, status), kinds in same.items():
        way = by_name.get(served or (path[0] if path else ""), ())
        rules = [each for each in way if each[0] == "fallbacks"]
        by: Place | None = sight.place((rules or way)[-1]) if way and path else None
        if rules and by is not None:
            by = Place(dotted(rules[-1][:3]), by.where)
        yield Leads(kinds=tuple(kinds), path=path, target=served, status=status, by=by)


def _breaks_off(route: Route | None, stream: bool) -> str:
    """What happens to an answer that breaks off once the client has begun to read it."""
    if route is None or not stream:
        return ""
    return "resume" if not isinstance(route.node, Target) and route.node.resumes else "error"


def _worst(engine: Engine, route: Route, job: Job) -> Most:
    each = worst_of(route, engine, job.caps or Caps())
    cost = usd(each.cost) if each.cost is not None else None
    return Most(attempts=each.attempts, seconds=each.seconds, usd=cost, unknown=each.unknown)
