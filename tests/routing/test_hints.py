"""What a request asks of its targets: read, filtered, ordered, told; it never widens what a name leads to."""

from __future__ import annotations

import msgspec
import pytest

from gateway.failure import Failed, Failure, Kind, Refused
from gateway.ir.cost import Price
from gateway.protocols.contract import Dialect, Head
from gateway.routing.facts import Facts
from gateway.routing.hints import Hints, read
from gateway.routing.node import Branch, Chain, Fallback, Node, Split, Target
from gateway.routing.run import Course, run
from gateway.routing.sending import Job
from gateway.state.latency import STALE
from tests.routing.bench import CHAT, Bench, Reply, down, target

PROVIDERS = frozenset(("alpha", "beta", "gamma", "Z.AI", "router"))


def head_of(**fields: object) -> Head:
    return CHAT.decode_head(msgspec.json.encode({"model": "m", "messages": [], **fields}))


def hints_of(headers: dict[str, str] | None = None, **fields: object) -> Hints:
    _, hints = read(head_of(**fields), headers or {}, PROVIDERS)
    assert hints is not None
    return hints


def at(provider: str, **fields: object) -> Target:
    return target(f"m-{provider}", provider, **fields)


def router(**fields: object) -> Target:
    return at("router", dialect=Dialect("router", "m", frozenset(("no_stream_options", "provider_hints"))), **fields)


class Scene(Bench):
    """A bench that is asked with hints; `told` is the last body that an upstream saw."""

    def __init__(self, *nodes: Node, credentials: tuple[str, ...] = ("default",)) -> None:
        node: Node = nodes[0] if len(nodes) == 1 else Split("s", "priority", tuple(map(Branch, nodes)))
        super().__init__(node, credentials)
        self.told: dict[str, object] = {}

    async def go(self, headers: dict[str, str] | None = None, **fields: object) -> list[str] | Refused | Failure:
        head, hints = read(head_of(**fields), headers or {}, PROVIDERS)
        job = Job(CHAT, head, (), Facts())
        job.hints = hints
        self.sent.clear()
        try:
            await run(self.node, job, self.runtime, self.tools, Course(), 60.0)
        except Failed as failed:
            return failed.failure
        except Refused as refused:
            return refused
        return [name.removeprefix("m-") for name in self.path]


def three(**fields: object) -> Scene:
    return Scene(at("alpha", **fields), at("beta", **fields), at("gamma", **fields))


def test_a_request_without_hints_is_as_it_was() -> None:
    head = head_of(user="u")
    same, hints = read(head, {"x-session-id": "s"}, PROVIDERS)
    assert same is head
    assert hints is None


@pytest.mark.parametrize("odd", [{"provider": "alpha"}, {"models": "m"}, {"provider": None}, {"fallbacks": {}}])
def test_what_has_not_the_shape_of_a_hint_is_none(odd: dict[str, object]) -> None:
    head = head_of(**odd)
    assert read(head, {}, PROVIDERS) == (head, None)


def test_hints_are_taken_out_of_the_body() -> None:
    head, _ = read(head_of(models=["n"], provider={"order": ["alpha"]}, temperature=1), {}, PROVIDERS)
    assert set(head.fields) == {"model", "messages", "temperature"}
    assert msgspec.json.decode(head.body) == {"model": "m", "messages": [], "temperature": 1}


@pytest.mark.parametrize(
    ("provider", "param"),
    [
        ({"order": "alpha"}, "provider.order"),
        ({"only": [1]}, "provider.only[0]"),
        ({"allow_fallbacks": "no"}, "provider.allow_fallbacks"),
        ({"sort": "beauty"}, "provider.sort"),
        ({"sort": ["price"]}, "provider.sort"),
        ({"max_price": 3}, "provider.max_price"),
        ({"max_price": {"prompt": "cheap"}}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": -1}}, "provider.max_price.prompt"),
        ({"max_price": {"tokens": 1}}, "provider.max_price.tokens"),
        ({"data_collection": "maybe"}, "provider.data_collection"),
        ({"preferred_max_latency": "fast"}, "provider.preferred_max_latency"),
    ],
)
def test_a_hint_that_cannot_be_read_is_refused_by_name(provider: dict[str, object], param: str) -> None:
    with pytest.raises(Refused) as caught:
        hints_of(provider=provider)
    assert (caught.value.refusal.status, caught.value.refusal.param) == (400, param)


def test_models_in_every_way_of_saying_them() -> None:
    assert hints_of(models=["a", "b", "a"]).models == ("a", "b")
    assert hints_of(fallbacks=[{"model": "a"}, "b"]).models == ("a", "b")
    for odd in ({"models": ["a"], "fallbacks": ["b"]}, {"models": ["a"] * 11}, {"fallbacks": [1]}):
        with pytest.raises(Refused):
            hints_of(**odd)


async def test_order_then_the_rest() -> None:
    scene = three()
    for name in ("alpha", "beta", "gamma"):
        scene.scripts[f"m-{name}"] = [down(Kind.TIMEOUT)]
    assert isinstance(await scene.go(provider={"order": ["gamma", "alpha"]}), Failure)
    assert scene.path == ["m-gamma", "m-alpha", "m-beta"]
    assert isinstance(await three().go(provider={"order": ["nobody"]}), list)


async def test_without_fallbacks_only_the_first_or_those_in_order_are_tried() -> None:
    scene = three()
    for name in ("alpha", "beta", "gamma"):
        scene.scripts[f"m-{name}"] = [error_once := down(Kind.TIMEOUT), error_once]
    await scene.go(provider={"allow_fallbacks": False})
    assert scene.path == ["m-alpha"]
    await scene.go(provider={"allow_fallbacks": False, "order": ["gamma", "beta"]})
    assert scene.path == ["m-gamma", "m-beta"]


async def test_only_and_ignore() -> None:
    assert await three().go(provider={"only": ["beta", "gamma"]}) == ["beta"]
    assert await three().go(provider={"ignore": ["alpha", "beta"]}) == ["gamma"]
    assert await three().go(provider={"only": ["alpha", "beta"], "ignore": ["alpha"]}) == ["beta"]


async def test_names_are_compared_as_people_write_them() -> None:
    scene = Scene(at("alpha"), at("Z.AI"))
    for name in ("z-ai", "Z.AI", "z.ai/eu"):
        assert await scene.go(provider={"only": [name]}) == ["Z.AI"]


async def test_a_filter_that_leaves_nothing_is_a_404_that_says_why() -> None:
    refused = await three().go(provider={"only": ["nobody"]})
    assert isinstance(refused, Refused)
    assert (refused.refusal.status, refused.refusal.code) == (404, "no_provider")
    for name in ("alpha", "beta", "gamma"):
        assert f"m-{name}: the request asks for nobody only" in refused.refusal.message


@pytest.mark.parametrize("header", ["x-gateway-provider", "x-anyrouter-provider"])
async def test_a_pin_by_header_is_strict(header: str) -> None:
    scene = three()
    assert await scene.go({header: "beta"}) == ["beta"]
    scene.scripts["m-beta"] = [down(Kind.TIMEOUT)]
    failed = await scene.go({header: "beta"})
    assert isinstance(failed, Failure)
    assert scene.path == ["m-beta"]
    assert isinstance(await scene.go({header: "nobody"}), Refused)


@pytest.mark.parametrize("header", ["x-gateway-credential", "x-omniroute-connection"])
async def test_a_credential_by_header(header: str) -> None:
    scene = Scene(at("alpha"), at("beta"), credentials=("main", "spare"))
    for name in ("spare", "alpha/spare"):
        assert [await scene.go({header: name}) for _ in range(3)] == [["alpha"]] * 3
        assert scene.sent == [("m-alpha", "spare")]
    assert await scene.go({header: "beta/main"}) == ["beta"]
    scene.scripts["m-alpha"] = [down(Kind.RATE_LIMIT)]
    await scene.go({header: "alpha/main"})
    assert {credential for _, credential in scene.sent} == {"main"}, "the next credential is not the one asked for"
    refused = await scene.go({header: "nobody"})
    assert isinstance(refused, Refused)
    assert refused.refusal.status == 404


PRICED = {"alpha": Price(input=3, output=9), "beta": Price(input=1, output=20), "gamma": None}


def market() -> Scene:
    return Scene(*(at(name, price=price) for name, price in PRICED.items()))


async def test_max_price_is_never_ignored() -> None:
    assert await market().go(provider={"max_price": {"prompt": 2}}) == ["beta"]
    assert await market().go(provider={"max_price": {"prompt": "5", "completion": "10"}}) == ["alpha"]
    refused = await market().go(provider={"max_price": {"prompt": 0.5}})
    assert isinstance(refused, Refused)
    assert "m-alpha: it costs 3 USD per million input tokens, more than the 0.5" in refused.refusal.message
    assert "m-gamma: its price is not known" in refused.refusal.message


async def test_sort_by_price_and_latency() -> None:
    assert await market().go(provider={"sort": "price"}, max_tokens=1) == ["beta"]
    assert await market().go(provider={"sort": {"by": "price"}}, max_tokens=2_000) == ["alpha"]
    scene = three()
    for name, seconds in (("alpha", 3.0), ("beta", 1.0), ("gamma", 2.0)):
        scene.runtime.latencies[f"m-{name}"].measured(seconds, False, scene.now)
    assert await scene.go(provider={"sort": "latency"}) == ["beta"]
    assert await scene.go(provider={"sort": "throughput"}) == ["beta"]
    assert await scene.go(provider={"order": ["gamma"], "sort": "latency"}) == ["gamma"]


async def test_sort_by_latency_finds_out_what_nobody_knows() -> None:
    """Each request asks for the fastest, and nobody else asks anybody."""
    scene = three()
    latency = {"sort": "latency"}

    def take(**seconds: float) -> None:
        scene.scripts = {f"m-{name}": [Reply(after=each)] for name, each in seconds.items()}

    take(alpha=3.0, beta=1.0, gamma=2.0)
    assert [await scene.go(provider=latency) for _ in range(6)] == [["alpha"], ["beta"], ["gamma"], *[["beta"]] * 3]
    take(alpha=0.5, beta=1.0, gamma=2.0)
    scene.now += STALE + 1.0
    assert [await scene.go(provider=latency) for _ in range(6)] == [["alpha"], ["beta"], ["gamma"], *[["alpha"]] * 3]
    scene.now += STALE + 1.0
    scene.runtime.latencies["m-alpha"].trying(False, scene.now)
    scene.runtime.loads["m-alpha"].count = 1
    assert await scene.go(provider=latency) == ["beta"], "another request finds it out"


async def test_a_slow_target_comes_later_and_is_not_excluded() -> None:
    scene = three()
    scene.runtime.latencies["m-alpha"].measured(3.0, False, scene.now)
    assert await scene.go(provider={"preferred_max_latency": 2}) == ["beta"]
    assert await scene.go(provider={"preferred_max_latency": {"p50": 4, "p90": 1}}) == ["alpha"]
    assert await scene.go(provider={"only": ["alpha"], "preferred_max_latency": 2}) == ["alpha"]


@pytest.mark.parametrize(
    ("provider", "tag"),
    [
        ({"data_collection": "deny"}, "no-data-collection"),
        ({"zdr": True}, "zdr"),
        ({"enforce_distillable_text": True}, "distillable"),
        ({"quantizations": ["fp8", "fp16"]}, "fp8"),
    ],
)
async def test_promises_are_tags_of_the_file(provider: dict[str, object], tag: str) -> None:
    assert await Scene(at("alpha"), at("beta", tags=(tag,))).go(provider=provider) == ["beta"]
    assert isinstance(await three().go(provider=provider), Refused)
    assert await three().go(provider={"data_collection": "allow", "zdr": False}) == ["alpha"]


async def test_required_parameters_are_not_lost() -> None:
    lossy = at("alpha", protocol="anthropic")
    scene = Scene(lossy, at("beta"))
    scene.scripts["m-alpha"] = [Reply(body=b'{"id":"m","type":"message","content":[{"type":"text","text":"x"}]}')]
    messages = [{"role": "user", "content": "hi"}]
    assert await scene.go(messages=messages, seed=7) == ["alpha"]
    assert await scene.go(messages=messages, seed=7, provider={"require_parameters": True}) == ["beta"]


async def test_order_stays_inside_of_what_the_file_says() -> None:
    fallback = Fallback(frozenset((Kind.TIMEOUT,)), (at("gamma"),))
    primary = Split("s", "weighted", (Branch(at("alpha")), Branch(at("beta"))))
    scene = Scene(Chain("c", primary, (fallback,)))
    assert await scene.go(provider={"order": ["gamma", "beta"]}) == ["beta"], "a fallback is one still"
    inner = Split("inner", "priority", (Branch(at("beta")), Branch(at("gamma"))))
    assert await Scene(at("alpha"), inner).go(provider={"order": ["gamma"]}) == ["gamma"]


async def test_a_router_is_told_what_is_its_affair() -> None:
    bodies: list[dict[str, object]] = []

    def note(request: object) -> Reply:
        bodies.append(msgspec.json.decode(request.body))  # type: ignore[attr-defined]
        return Reply()

    for direct in (at("alpha"), router()):
        scene = Scene(direct)
        scene.scripts["m-alpha"] = scene.scripts["m-router"] = [note]
        hint = {"order": ["azure", direct.provider], "sort": "price", "zdr": direct.provider == "router"}
        await scene.go(provider=hint, models=["m"])
    assert "provider" not in bodies[0]
    assert "models" not in bodies[1]
    assert bodies[1]["provider"] == {"order": ["azure"], "sort": "price", "zdr": True}


async def test_names_that_are_nobodys_here_are_the_routers() -> None:
    scene = Scene(at("alpha"), router())
    assert await scene.go(provider={"only": ["azure"]}) == ["router"]
    assert await scene.go(provider={"order": ["azure", "alpha"]}) == ["router"]
    assert await scene.go(provider={"only": ["alpha"]}) == ["alpha"]
    assert await scene.go(provider={"ignore": ["azure"]}) == ["alpha"]


async def test_a_pin_that_is_no_text_matches_nobody() -> None:
    refused = await three().go({"x-gateway-provider": "bet\udcffa"})
    assert isinstance(refused, Refused)
    assert "'bet?a'" in refused.refusal.message
