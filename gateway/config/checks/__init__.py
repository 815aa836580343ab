"""What the types cannot say: one check is one function, one file per subject; `CHECKS` is all of them.

A check takes a `Subject` and yields diagnostics. It looks at nothing else, and knows no other check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from gateway.config.checks import (
    access,
    budgets,
    caches,
    conditions,
    contests,
    facts,
    ledger,
    limits,
    names,
    policies,
    providers,
    requirements,
    routes,
    secrets,
    state,
    supported,
    tests,
)
from gateway.config.checks.subject import Subject
from gateway.diagnostics.diagnostic import Diagnostic

Check: TypeAlias = Callable[[Subject], Iterable[Diagnostic]]

CHECKS: Final[tuple[Check, ...]] = (
    supported.unsupported_parts,
    names.collisions,
    names.usable_names,
    names.unknown_models,
    names.unknown_failure_kinds,
    names.alias_cycles,
    names.route_cycles,
    names.shadowed_aliases,
    names.patterns,
    providers.unknown_providers,
    providers.presets_and_protocols,
    providers.base_urls,
    providers.credentials,
    providers.usable_credentials,
    providers.bans,
    providers.headers,
    providers.tls,
    providers.unused,
    routes.targets_given,
    routes.repeated_targets,
    routes.weights,
    routes.options,
    routes.scores,
    routes.sticky,
    routes.unreachable_targets,
    routes.self_fallbacks,
    routes.windows,
    routes.unused_models,
    routes.deployments,
    facts.carrying,
    facts.unknown_models,
    facts.unknown_prices,
    facts.odd_numbers,
    contests.enough_targets,
    contests.judges,
    contests.patience,
    contests.resuming,
    caches.kept,
    caches.embedding_model,
    access.listening,
    access.somebody_may_call,
    access.keys,
    access.allow_lists,
    conditions.named_words,
    conditions.addresses,
    conditions.headers,
    conditions.hours,
    conditions.ranges,
    conditions.misplaced,
    policies.effects,
    policies.destinations,
    policies.parameters,
    policies.details,
    policies.expressions,
    policies.guardrails,
    policies.dead,
    policies.teams,
    requirements.requirements,
    ledger.usable_ledger,
    state.usable_state,
    limits.usable,
    limits.users,
    budgets.scopes,
    budgets.windows,
    budgets.routes,
    budgets.unbounded,
    secrets.literals,
    tests.names,
    tests.possible,
    tests.inert,
)

__all__ = ["CHECKS", "Check", "Subject"]
