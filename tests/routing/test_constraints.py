"""What may not be tried is passed over: constraints, conditions of `when`, and caps over a request."""

from __future__ import annotations

import msgspec
import pytest

from gateway.config.model_policies import When
from gateway.engine.conditions import compiled, words_of
from gateway.failure import Failed, Failure, Kind, Refused
from gateway.ir.cost import Price
from gateway.routing.attempt import Answer
from gateway.routing.constraints import Caps, Constraints
from gateway.routing.facts import Facts
from gateway.routing.node import Branch, Chain, Fallback, Node, Split
from gateway.routing.run import run
from gateway.routing.sending import Job
from tests.routing.bench import CHAT, Bench, Reply, down, target

EU = Constraints(name="the policy 'eu'", tags=("eu",))


def job(
    constraints: Constraints | None = None,
    caps: Caps | None = None,
    body: bytes = b'{"model":"a","messages":[]}',
    **facts: str,
) -> Job:
    made = Job(CHAT, CHAT.decode_head(body), (), Facts(asked="a", **facts))  # type: ignore[arg-type]  # all are texts
    made.constraints = constraints
    made.caps = caps
    return made


async def ask(bench: Bench, asked: Job) -> Answer | Failure | Refused:
    bench.sent.clear()
    try:
        return await run(bench.node, asked, bench.runtime, bench.tools, bench.course, 60.0)
    except Failed as failed:
        return failed.failure
    except Refused as refused:
        return refused


def priority(*nodes: Node) -> Split:
    return Split("s", "priority", tuple(Branch(node) for node in nodes))


async def test_a_target_that_is_not_what_is_required_is_never_tried() -> None:
    bench = Bench(priority(target("us"), target("eu", tags=("eu",))))
    assert isinstance(await ask(bench, job(EU)), Answer)
    assert bench.path == ["eu"]


async def test_a_fallback_is_bound_too_and_reached_where_the_route_itself_is_forbidden() -> None:
    rules = (Fallback(frozenset((Kind.TIMEOUT,)), (target("us2"), target("eu", tags=("eu",)))),)
    bench = Bench(Chain("c", target("us"), rules))
    assert isinstance(await ask(bench, job(EU)), Answer)
    assert bench.path == ["eu"]
    bench.scripts["us"] = [down(Kind.TIMEOUT)]
    await ask(bench, job())
    assert bench.path == ["us", "us2"]


async def test_where_all_is_forbidden_the_refusal_says_by_whom() -> None:
    bench = Bench(priority(target("us"), priority(target("us2"))))
    outcome = await ask(bench, job(EU))
    assert isinstance(outcome, Refused)
    assert (outcome.refusal.status, outcome.refusal.code) == (403, "policy_violation")
    assert "the policy 'eu'" in outcome.refusal.message
    assert bench.path == []


async def test_what_is_allowed_and_fails_is_a_failure() -> None:
    bench = Bench(priority(target("us"), target("eu", tags=("eu",))))
    bench.scripts["eu"] = [down(Kind.OVERLOADED)]
    outcome = await ask(bench, job(EU))
    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.OVERLOADED


@pytest.mark.parametrize(
    ("constraints", "fine"),
    [
        (Constraints(tags=("eu", "gpu")), True),
        (Constraints(tags=("eu", "cpu")), False),
        (Constraints(not_tags=("us",)), True),
        (Constraints(not_tags=("gpu",)), False),
        (Constraints(providers=words_of(["p-*"])), True),
        (Constraints(providers=words_of(["q-*"])), False),
        (Constraints(models=words_of(["a", "b"])), True),
        (Constraints(models=words_of(["c*"])), False),
        (Constraints(tags=("eu",)).within(Constraints(models=words_of(["c"]))), False),
        (Constraints(tags=("x",)).within(Constraints(models=words_of(["a"]))), False),
    ],
)
def test_constraints(constraints: Constraints, fine: bool) -> None:
    assert (constraints.objection(target("a", tags=("eu", "gpu"))) is None) is fine


async def test_who_keeps_them_is_looked_at_once_and_nobody_else_is_taken_for_him() -> None:
    rule = Constraints(name="eu", tags=("eu",), providers=words_of(["p-*"]))
    within = rule.within(Constraints(name="no gpu", not_tags=("gpu",)))
    found = [target("a", tags=("eu",)), target("b", tags=("eu", "gpu")), target("c"), target("d", "q", tags=("eu",))]
    for constraints, kept in ((rule, {"a", "b"}), (within, {"a"})):
        moment = Bench(priority(*found)).moment(job(constraints))
        anew = [msgspec.structs.replace(constraints).objection(each) for each in found]
        for _ in range(2):
            assert [moment.objection(each, False) for each in found] == anew
        assert constraints.kept == kept == {each.name for each, why in zip(found, anew, strict=True) if why is None}


async def test_when_orders_what_holds_before_what_has_no_condition() -> None:
    def branch(name: str, when: dict[str, object] | None) -> Branch:
        return Branch(target(name), when=None if when is None else compiled(When.model_validate(when)))

    bench = Bench(
        Split("s", "when", (branch("rest", None), branch("a", {"key": "a"}), branch("ab", {"key": ["a", "b"]})))
    )
    for name in ("a", "ab", "rest"):
        bench.scripts[name] = [down(Kind.TIMEOUT)]
    await ask(bench, job(key="a"))
    assert bench.path == ["a", "ab", "rest"]
    await ask(bench, job(key="b"))
    assert bench.path == ["ab", "rest"]
    bench = Bench(Split("s", "when", (branch("a", {"key": "a"}),)))
    outcome = await ask(bench, job(key="b"))
    assert isinstance(outcome, Refused)
    assert (outcome.refusal.status, outcome.refusal.code) == (400, "no_target")


async def test_a_cap_of_attempts_and_time() -> None:
    bench = Bench(priority(target("a"), target("b"), target("c")))
    for name in ("a", "b", "c"):
        bench.scripts[name] = [down(Kind.OVERLOADED)]
    await ask(bench, job(caps=Caps(attempts=2)))
    assert bench.path == ["a", "b"]
    bench = Bench(priority(target("a"), target("b")))

    def slow(_request: object) -> Reply:
        bench.now += 20
        return Reply(529)

    bench.scripts["a"] = [slow]
    outcome = await ask(bench, job(caps=Caps(time=10.0)))
    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.TIMEOUT
    assert bench.path == ["a"]


async def test_a_cap_of_cost_leaves_out_what_may_be_too_dear() -> None:
    dear, cheap = Price(input=0, output=1000), Price(input=0, output=1)
    bench = Bench(priority(target("dear", price=dear), target("cheap", price=cheap), target("unknown")))
    body = b'{"model":"a","messages":[],"max_tokens":1000}'  # 1 USD, and 0.001 USD
    await ask(bench, job(caps=Caps(cost=10**9), body=body))
    assert bench.path == ["dear"]
    await ask(bench, job(caps=Caps(cost=10**9 - 1), body=body))
    assert bench.path == ["cheap"]
    bench.scripts["cheap"] = [down(Kind.OVERLOADED)]
    await ask(bench, job(caps=Caps(cost=10**9 - 1), body=body))
    assert bench.path == ["cheap", "unknown"], "a price that nobody knows counts nothing"
    bench = Bench(priority(target("dear", price=dear)))
    outcome = await ask(bench, job(caps=Caps(cost=10**9 - 1), body=body))
    assert isinstance(outcome, Refused)
    assert outcome.refusal.code == "no_target"
    assert "cap" in outcome.refusal.message
