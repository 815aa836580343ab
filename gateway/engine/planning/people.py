"""Who may call, and under which rules, as plain values: keys, teams, budgets, policies, guardrails, caches.

All of it is read from the compiled Engine, so a team that nobody is in or a policy that can hold for nobody is not
there. Secrets are never written down: a key is told by where its secret comes from and a short digest of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.cache.rules import Caching
from gateway.config.model import Config
from gateway.engine.access import Caller
from gateway.engine.engine import Engine
from gateway.engine.planning.nodes import Plain, allowance, constraints, given
from gateway.engine.planning.wording import calendar, condition, dollars, names, percent, plain, seconds
from gateway.routing.allowances import ANYONE, Allowance, Budget, Rules
from gateway.routing.constraints import Caps
from gateway.routing.policies import Policy
from gateway.routing.policies.marking import Cap, NoCache, Reroute, Tag
from gateway.routing.policies.parameters import Edit
from gateway.routing.policies.prompt import Wrap
from gateway.routing.policies.redaction import Redact
from gateway.routing.policies.refusing import Deny
from gateway.routing.policies.ruling import Mirror
from gateway.routing.policies.thinking import Think

NO_RULES: Final = Rules()


def rules_of(engine: Engine) -> Rules:
    """Limits and money of an Engine."""
    return engine.limits.rules if engine.limits is not None else NO_RULES


def callers(engine: Engine, config: Config) -> Iterator[Caller]:
    """Every key, in the order of the file."""
    by_name = {caller.name: caller for caller in engine.keyring.callers.values()}
    return (by_name[name] for name in config.keys if name in by_name)


def keys(engine: Engine, config: Config, marks: Mapping[str, str]) -> dict[str, Plain]:
    """Who may call. `marks`: digests of the secrets that are known, by their references."""
    rules = rules_of(engine)
    found: dict[str, Plain] = {}
    for caller in callers(engine, config):
        said = config.keys[caller.name]
        own, _ = _limits(rules, caller.name)
        found[caller.name] = given(
            secret=f"hash {caller.digest.hex()[:12]}" if said.from_ is None else said.from_.key,
            fingerprint=None if said.from_ is None else marks.get(said.from_.key, ""),
            former=None if said.former is None else f"{_hash(said.former.hash)} until {said.former.until.isoformat()}",
            team=caller.team,
            tags=sorted(set(caller.tags)) or None,
            trust=sorted(caller.trust) or None,
            admin=caller.admin or None,
            allow=None if caller.allow is None else sorted({*caller.allow, *caller.patterns}),
            expires=None if caller.expires is None else caller.expires.isoformat(),
            disabled=caller.disabled or None,
            hints=None if caller.hints else False,
            explain=True if caller.explain and not caller.admin else None,
            limits=allowance(own),
            each_user=allowance(rules.users.get(caller.name)),
        )
    if engine.keyring.open:
        own, _ = _limits(rules, ANYONE)
        found[ANYONE] = given(limits=allowance(own))
    return found


def _hash(written: str) -> str:
    return f"hash {written.removeprefix('sha256:')[:12]}"


def _limits(rules: Rules, name: str) -> tuple[Allowance | None, Allowance | None]:
    """A key's own limits, and its team's."""
    own = team = None
    for each in rules.callers.get(name, ()):
        if each.name.startswith("team "):
            team = each
        else:
            own = each
    return own, team


def teams(engine: Engine, config: Config) -> dict[str, Plain]:
    """Every team that a key is in."""
    rules = rules_of(engine)
    found: dict[str, Plain] = {}
    for caller in callers(engine, config):
        if caller.team is not None and caller.team not in found:
            allowed = caller.team_allows
            _, limits = _limits(rules, caller.name)
            found[caller.team] = given(
                allow=None if allowed is None else sorted({*allowed.names, *allowed.patterns}),
                limits=allowance(limits),
            )
    return {name: found[name] for name in (*config.teams, *found) if found.get(name)}


def budgets(engine: Engine) -> dict[str, Plain]:
    """What may be spent."""
    return {budget.name: _budget(budget) for budget in rules_of(engine).budgets}


def _budget(said: Budget) -> Plain:
    scope = given(
        key=names(said.keys),
        team=names(said.teams),
        user=names(said.users),
        model=names(said.models),
        provider=names(said.providers),
        tag=names(said.tags),
    )
    return given(
        limit=dollars(said.limit),
        per=calendar(said.calendar),
        scope=scope or None,
        each=said.each,
        warn_at=[percent(share) for share in said.warn_at] or None,
        when_exhausted=said.exhausted if said.route is None else f"route {said.route}",
    )


def policies(engine: Engine, config: Config) -> dict[str, Plain]:
    """Every policy that can hold for somebody, in order."""
    found = {policy.name: policy for rules in engine.rules.values() for policy in rules.policies}
    ordered = dict.fromkeys(policy.name for policy in config.policies)
    return {name: _policy(found[name]) for name in ordered if name in found}


def _policy(said: Policy) -> Plain:
    does: Plain = {}
    for action in said.actions:
        does.update(_action(action))
    return given(when=condition(said.when), do=does or None, require=constraints(said.require))


def _action(action: Any) -> Plain:
    match action:
        case Deny():
            return {"deny": {"status": action.status, "message": action.message}}
        case Reroute():
            return {"route": action.to}
        case Edit():
            edited = {each.name: _parameter(each) for each in action.set}
            return given(strip=sorted(action.drop) or None, set=edited or None)
        case Wrap():
            return {"system": given(prefix=action.prefix or None, suffix=action.suffix or None)}
        case Think():
            return {"reasoning": given(mode=action.mode, effort=action.effort, budget=action.budget)}
        case Redact():
            return {"redact": [f"{each.pattern} → {each.instead}" for each in action.patterns]}
        case Tag():
            return {"tag": sorted(set(action.tags))}
        case Cap():
            return {"cap": caps(action.caps) or {}}
        case Mirror():
            return {"mirror": {"route": action.to, "sample": percent(action.sample)}}
        case NoCache():
            return {"no_cache": True}
    raise TypeError(f"no words for {type(action).__name__}")


def _parameter(said: Any) -> Plain:
    return given(
        at_least=said.at_least,
        at_most=said.at_most,
        default=None if said.default is None else msgspec.json.decode(said.default),
        always=None if said.always is None else msgspec.json.decode(said.always),
    )


def caps(said: Caps | None) -> Plain | None:
    """Bounds over one request."""
    if said is None:
        return None
    return given(attempts=said.attempts, time=seconds(said.time), cost=dollars(said.cost)) or None


def guardrails(engine: Engine) -> dict[str, Plain]:
    """Checks of content; they are everybody's."""
    found: dict[str, Plain] = {}
    for rules in engine.rules.values():
        for direction, guards in (("request", rules.inbound), ("response", rules.outbound)):
            for guard in guards:
                does = f"redact to {guard.instead}" if guard.do == "redact" else guard.do
                entry = found.setdefault(guard.name, {"pattern": guard.pattern, "do": does, "on": []})
                if direction not in entry["on"]:
                    entry["on"].append(direction)
    return found


def cache(said: Caching | None) -> Plain:
    """Which answers are kept."""
    if said is None:
        return {}
    exact, near = said.exact, said.semantic
    return given(
        exact=None
        if exact is None
        else {"ttl": seconds(exact.ttl), "join": exact.join, "only_when": condition(exact.when)},
        semantic=None
        if near is None
        else {
            "model": [embedder.target.name for embedder in near.embedders],
            "threshold": plain(near.threshold),
            "ttl": seconds(near.ttl),
            "only_when": condition(near.when),
            "most": near.most,
        },
        scope=said.scope,
        size=said.size,
    )
