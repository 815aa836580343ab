"""Policies, guardrails and caps of router.yaml → what each caller's requests have to pass.

They are parted by caller when they are compiled: a policy whose condition can never hold for a key is not even looked
at for its requests, and a key for which there is none has no rules at all.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import msgspec

from gateway.config import model_policies as words
from gateway.config.model import Config
from gateway.config.reach import ANONYMOUS, Who, judge
from gateway.engine.conditions import compiled, words_of
from gateway.routing.constraints import Caps, Constraints
from gateway.routing.guardrails import Guard
from gateway.routing.policies import Action, Policy
from gateway.routing.policies.marking import Cap, NoCache, Reroute, Tag
from gateway.routing.policies.parameters import Edit, Parameter
from gateway.routing.policies.prompt import Wrap
from gateway.routing.policies.redaction import Pattern, Redact
from gateway.routing.policies.refusing import Deny
from gateway.routing.policies.rulebook import MARKS, Rulebook
from gateway.routing.policies.ruling import Mirror
from gateway.routing.policies.thinking import Think

_NANO: Final = 10**9


class Rules(msgspec.Struct, frozen=True, dict=True):
    """What the requests of one caller have to pass: policies in order, bounds, guardrails of requests and answers."""

    policies: tuple[Policy, ...] = ()
    caps: Caps | None = None
    inbound: tuple[Guard, ...] = ()
    outbound: tuple[Guard, ...] = ()

    @cached_property
    def book(self) -> Rulebook:
        """The policies, and what is known of their outcomes."""
        return Rulebook(self.policies, self.caps)

    @cached_property
    def marking(self) -> bool:
        """Whether the request stays what it is and where it is, whatever they decide: what they say of it is all."""
        guarded = self.inbound or self.outbound
        return not guarded and all(isinstance(each, MARKS) for policy in self.policies for each in policy.actions)


def rules_of(config: Config) -> dict[str, Rules]:
    """By the caller's name; a caller without rules is not there."""
    policies = [(policy, _policy(policy)) for policy in config.policies]
    caps = caps_of(config.defaults.cap)
    guards = tuple(
        (guard.on, Guard(name, guard.pattern, guard.do, guard.instead))
        for name, guard in config.guardrails.items()
        if guard.pattern is not None
    )
    inbound = tuple(guard for on, guard in guards if "request" in on)
    outbound = tuple(guard for on, guard in guards if "response" in on)
    known: dict[tuple[int, ...], Rules] = {}

    def of(who: Who) -> Rules:
        mine = tuple(index for index, (policy, _) in enumerate(policies) if judge(policy.when, who).can_hold)
        if mine not in known:
            known[mine] = Rules(tuple(policies[index][1] for index in mine), caps, inbound, outbound)
        return known[mine]

    everybody = [Who(name, key.team) for name, key in config.keys.items()] + [Who(ANONYMOUS)]
    nothing = Rules()
    return {who.key: rules for who in everybody if (rules := of(who)) != nothing}


def caps_of(caps: words.Caps | None) -> Caps | None:
    """Bounds in the program's units."""
    if caps is None:
        return None
    cost = None if caps.cost is None else round(caps.cost.amount * _NANO)
    return Caps(caps.attempts, caps.time, cost)


def _policy(policy: words.Policy) -> Policy:
    require = None
    if policy.require is not None:
        said = policy.require
        require = Constraints(
            name=f"the policy {policy.name!r}",
            tags=tuple(said.tags),
            not_tags=tuple(said.not_tags),
            providers=None if said.providers is None else words_of(said.providers),
            models=None if said.models is None else words_of(said.models),
        )
    when = policy.when.model_copy(update={"key": None, "team": None})  # only those for whom they hold have the policy
    return Policy(policy.name, compiled(when), tuple(_actions(policy.do)), require)


def _actions(do: words.Do) -> list[Action]:
    """In the order in which they are done."""
    out: list[Action] = []
    if do.deny is not None:
        out.append(Deny(do.deny.status, do.deny.message))
    if do.route is not None:
        out.append(Reroute(do.route))
    if do.strip or do.set:
        out.append(Edit(tuple(do.strip), tuple(_parameter(name, each) for name, each in do.set.items())))
    if do.system is not None:
        out.append(Wrap(do.system.prefix or "", do.system.suffix or ""))
    if do.reasoning is not None:
        out.append(Think(do.reasoning.mode, do.reasoning.effort, do.reasoning.budget))
    if do.redact:
        out.append(Redact(tuple(Pattern(each.pattern, each.instead) for each in do.redact)))
    if do.tag:
        out.append(Tag(tuple(do.tag)))
    caps = caps_of(do.cap)
    if caps is not None:
        out.append(Cap(caps))
    if do.mirror is not None:
        out.append(Mirror(do.mirror.to, do.mirror.sample))
    if do.no_cache:
        out.append(NoCache())
    return out


def _parameter(name: str, said: words.Parameter) -> Parameter:
    def json(field: str) -> bytes | None:
        value: Any = getattr(said, field)
        return None if value is None else msgspec.json.encode(value)

    return Parameter(
        name=name, at_least=said.at_least, at_most=said.at_most, default=json("default"), always=json("always")
    )
