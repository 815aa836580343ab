"""Nothing of a compiled program is left out of what plans compare."""

from __future__ import annotations

import msgspec
import pytest

from gateway.engine.engine import Engine, Route
from gateway.engine.planning.picture import Side
from gateway.engine.planning.plan import plan
from gateway.engine.policies import Rules
from gateway.routing import allowances
from gateway.routing.node import Branch, Chain, Fallback, Ordering, Split, Sticky, Target
from tests.plan.desk import BASE, side

# What each part of a compiled program has, as planning/ knows it. Whoever adds a field says there what a plan tells of
# it, and then here.
KNOWN: dict[type[msgspec.Struct], str] = {
    Target: "name lanes model provider upstream protocol origin path stream_path count_path whole streamed first_token "
    "total retries breaker edits dialect on_lossy context tags bans catalog price max_output supports limits",
    Branch: "node weight when",
    Split: "name strategy branches hold ordering sticky plan resumes",
    Ordering: "weighted deck window by weights",
    Sticky: "by seconds",
    Chain: "name primary rules resumes",
    Fallback: "on to",
    Route: "name label node budget models protocols public owner",
    Rules: "policies caps inbound outbound",
    allowances.Rules: "callers users things budgets trusting price_unknown",
    Engine: "revision digest routes patterns runtime keyring origins max_body drain providers limits caching idempotency "
    "rules proxies",
}


@pytest.mark.parametrize("struct", KNOWN, ids=lambda struct: f"{struct.__module__}.{struct.__name__}")
def test_every_field_is_known_to_plans(struct: type[msgspec.Struct]) -> None:
    assert set(struct.__struct_fields__) == set(KNOWN[struct].split())


def test_what_has_no_words_is_told_all_the_same() -> None:
    old = side(BASE)
    route = old.engine.routes["gpt-4.1"]
    chain = route.node
    assert isinstance(chain, Chain)
    target = chain.primary
    assert isinstance(target, Target)
    dialect = msgspec.structs.replace(target.dialect, provider="elsewhere")
    other = msgspec.structs.replace(chain, primary=msgspec.structs.replace(target, dialect=dialect))
    routes = {**old.engine.routes, "gpt-4.1": msgspec.structs.replace(route, node=other)}
    found = plan(old, Side("other", old.config, msgspec.structs.replace(old.engine, routes=routes), old.marks, old.at))
    assert [change.path for change in found.changes] == [("program", "gpt-4.1")]
    assert not found.empty
