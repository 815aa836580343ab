"""Rules over requests, in the order of the file: where its condition holds, a policy acts; later ones see what it did.

A file per family of actions, one row per action. They are data (`Policy`), and what the file's words mean is decided
when they are compiled (engine/policies.py); this room only does it. A request that no action edits keeps its bytes, and
a condition that asks for nothing in the body does not have it read. `require` is no action but a constraint that every
target has to keep, whatever later policies do (routing/constraints.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from gateway.routing.conditions import Condition, holds
from gateway.routing.constraints import Constraints
from gateway.routing.policies.marking import Cap, NoCache, Reroute, Tag, cap, mirror, no_cache, reroute, tag
from gateway.routing.policies.parameters import Edit, edit
from gateway.routing.policies.prompt import Wrap, wrap
from gateway.routing.policies.redaction import Redact, redact
from gateway.routing.policies.refusing import Deny, deny
from gateway.routing.policies.ruling import Hearing, Mirror, Ruling
from gateway.routing.policies.thinking import Think, think
from gateway.routing.sending import Job

Action: TypeAlias = Deny | Reroute | Edit | Wrap | Think | Redact | Tag | Cap | Mirror | NoCache

ACTIONS: Final[dict[type, Callable[[Any, Hearing], None]]] = {
    Deny: deny,
    Reroute: reroute,
    Edit: edit,
    Wrap: wrap,
    Think: think,
    Redact: redact,
    Tag: tag,
    Cap: cap,
    Mirror: mirror,
    NoCache: no_cache,
}


class Policy(msgspec.Struct, frozen=True):
    """One rule: what it is called, when it holds, what it does in this order, and what targets it allows."""

    name: str
    when: Condition
    actions: tuple[Action, ...]
    require: Constraints | None = None


def apply(policies: tuple[Policy, ...], job: Job) -> Ruling | None:
    """What comes of a request, None where no policy holds for it. Raises `Refused`: what a policy denies, and 400 where
    a body cannot be read."""
    hearing: Hearing | None = None
    for policy in policies:
        if policy.when.tests and not holds(policy.when, job if hearing is None else hearing.job):
            continue
        if hearing is None:
            hearing = Hearing(job)
            job.facts.policies = hearing.applied
        hearing.applied.append(policy.name)
        require = policy.require
        if require is not None:
            outer = hearing.job.constraints
            hearing.job.constraints = require if outer is None else require.within(outer)
        for action in policy.actions:
            ACTIONS[action.__class__](action, hearing)
    return None if hearing is None else hearing.ruling(job)
